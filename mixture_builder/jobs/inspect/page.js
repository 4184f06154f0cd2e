
"use strict";
// What the scripts of all pages begin with: this text stands before theirs, in one element.
// What strangers wrote becomes text nodes and attribute values of our own choice, never markup.
const byId = (id) => document.getElementById(id);

const made = (tag, className, ...children) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
};

// The id that the address names after its #; empty if it cannot be read.
const wantedId = () => {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
};

// / goes to the filter, Escape empties it, j and k move through what is listed.
const filterKeys = (apply, move) => (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox";
  if (event.target.id === "filter" && event.key === "Escape") {
    event.target.value = "";
    apply();
  }
  if (typing || !byId("keys").checked || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") byId("filter").focus();
  else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else return;
  event.preventDefault();
};
