
(() => {
  const ABOUT = JSON.parse(byId("about").textContent);
  const main = byId("tasks");
  const tasks = [...main.querySelectorAll(".task")];
  const links = byId("list") ? [...byId("list").querySelectorAll("a")] : [];
  const sources = tasks.map((task) => byId("data-" + task.dataset.task));
  const read = new Map();
  const searched = [];

  const automatic = (element, lang) => {
    element.dir = "auto";
    if (lang) element.lang = lang;
    return element;
  };

  // --- building a task ---------------------------------------------------------------------

  const dataOf = (task) => {
    const number = Number(task.dataset.task);
    if (!read.has(number)) read.set(number, JSON.parse(sources[number].textContent));
    return read.get(number);
  };

  const facts = (pairs, lang) => {
    const list = made("dl", "facts");
    for (const [name, value] of pairs) {
      const shown = Array.isArray(value) ? value.map((item) => "– " + item).join("\n") : value;
      list.append(made("dt", "", name), automatic(made("dd", "", shown), lang));
    }
    return list;
  };

  const rows = (data) => {
    const box = made("details", "rows", made("summary", "", "Rows"));
    data.rows.forEach((row) => {
      const heading = made("h4", "", row.name + " ", made("span", "place", `${row.place} identity ${row.id}`));
      const pair = made("div", "pair");
      if (row.record) pair.append(made("div", "", made("h5", "", "record, as read"), facts(row.record, data.lang)));
      pair.append(made("div", "", made("h5", "", "row, as templates see it"), facts(row.fields, data.lang)));
      box.append(heading, pair);
    });
    return box;
  };

  // The direction of a line is that of its first letter; a value from the row has its own.
  const RIGHT_TO_LEFT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;
  const directionOf = (words) => {
    const letter = words.match(/\p{L}/u);
    return letter ? (RIGHT_TO_LEFT.test(letter[0]) ? "rtl" : "ltr") : "";
  };

  const part = (data, kind, words, field, exemplar, first) => {
    const span = made("span", "p k-" + ABOUT.kinds[kind], words);
    const name = ABOUT.names[kind] + (exemplar ? " " + exemplar : "");
    span.title = field ? `${name}: ${field}` : name;
    if (first) span.dataset.name = span.title;
    if (field) {
      if (ABOUT.kinds[kind] !== "options") span.classList.add("field");
      span.dir = directionOf(words);
      if (data.lang) span.lang = data.lang;
    }
    return span;
  };

  // Each line is an element that ends in its line end, so that the text of it all is the prompt.
  const text = (data, numbers, className, label) => {
    const shown = made("pre", "text " + className);
    shown.tabIndex = 0;
    shown.setAttribute("role", "region");
    shown.setAttribute("aria-label", label);
    let line = made("span", "line");
    const finish = () => {
      line.dir = directionOf(line.textContent) || "ltr";
      shown.append(line);
      line = made("span", "line");
    };
    for (let at = 0; at < numbers.length; at += 4) {
      const [kind, words, field, exemplar] = numbers.slice(at, at + 4);
      let first = true;
      data.texts[words].split("\n").forEach((piece, number) => {
        if (number) {
          const end = made("span", "nl k-" + ABOUT.kinds[kind], "\n");
          line.append(end);
          finish();
        }
        if (piece) line.append(part(data, kind, piece, data.texts[field], exemplar, first));
        if (piece) first = false;
      });
    }
    finish();
    return shown;
  };

  const heading = (data, variant, row, further) => {
    const words = [data.rows[row].name, ...further].filter(Boolean).join(" · ");
    return made("h4", "", variant + " ", made("span", "meta", words));
  };

  const example = (data, template, found) => {
    const shots = found.shots ? `${found.shots} exemplar${found.shots > 1 ? "s" : ""}` : "";
    const style = found.style.replaceAll(";", "; ");
    const box = made("section", "example", heading(data, found.variant, found.row, [shots, style]));
    const name = `${template.id}, ${found.variant}, ${data.rows[found.row].name}`;
    box.append(text(data, found.prompt, "prompt", "prompt of " + name), text(data, found.target, "target", "target of " + name));
    return mark(box, found.variant, found.row);
  };

  const dropped = (data, [variant, row, why]) => {
    const box = made("section", "example dropped", heading(data, variant, row, []));
    box.append(made("p", "warning", "not rendered: " + why));
    return mark(box, variant, row);
  };

  const mark = (box, variant, row) => {
    box.dataset.variant = variant;
    box.dataset.row = row;
    return box;
  };

  const template = (data, found) => {
    const box = made("section", "template");
    box.id = `${data.id}/${found.id}`;
    box.dataset.direction = found.direction;
    const anchor = made("a", "", found.id);
    anchor.href = "#" + encodeURI(box.id);
    const title = made("h3", "", anchor, made("span", "tag", found.direction));
    if (found.requires.length) title.append(made("span", "tag", "needs " + found.requires.join(", ")));
    const written = made("details", "written", made("summary", "", "as written"));
    for (const [name, source] of found.written) written.append(made("div", "quiet", name), made("pre", "text", source));
    const examples = made("div", "examples");
    examples.append(...found.examples.map((one) => example(data, found, one)), ...found.dropped.map((one) => dropped(data, one)));
    box.append(title, written, examples);
    return box;
  };

  const build = (task) => {
    const body = task.querySelector(".body");
    if (body.childElementCount) return;
    const data = dataOf(task);
    body.append(automatic(made("p", "", data.description)), facts(data.facts), rows(data));
    body.append(...data.templates.map((found) => template(data, found)));
    filterInside(task);
  };

  // --- filters -----------------------------------------------------------------------------

  let terms = [];
  let variants = new Set();
  let direction = "";
  let row = "";

  const searchText = (task) => {
    const number = Number(task.dataset.task);
    // As JSON has it; terms are written the same way.
    searched[number] ??= (task.querySelector("summary").textContent + " " + sources[number].textContent).toLowerCase();
    return searched[number];
  };
  const asInJson = (term) =>
    JSON.stringify(term).slice(1, -1).replace(/[<>&\u2028\u2029]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));

  const fits = (task) =>
    task.dataset.cells.split(" ").some((cell) => {
      const [variant, way] = cell.split(":");
      return variants.has(variant) && (!direction || direction === way);
    }) &&
    terms.every((term) => searchText(task).includes(term.json));

  const filterInside = (task) => {
    const body = task.querySelector(".body");
    if (!body.childElementCount) return;
    const about = [task.querySelector("summary"), ...body.querySelectorAll(":scope > p, :scope > dl, :scope > details")];
    const head = about.map((element) => element.textContent).join(" ").toLowerCase();
    const open = terms.filter((term) => !head.includes(term.plain));
    for (const box of body.querySelectorAll(".template")) {
      let shown = 0;
      for (const one of box.querySelectorAll(".example")) {
        one.hidden = !variants.has(one.dataset.variant) || (row !== "" && one.dataset.row !== row);
        shown += !one.hidden;
      }
      const words = open.length ? box.textContent.toLowerCase() : "";
      box.hidden = !shown || (direction && box.dataset.direction !== direction) || !open.every((term) => words.includes(term.plain));
    }
  };

  const apply = () => {
    const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    terms = words.map((plain) => ({ plain, json: asInJson(plain) }));
    variants = new Set([...document.querySelectorAll("[name=variant]:checked")].map((box) => box.value));
    direction = byId("direction").value;
    row = byId("rows").value;
    let shown = 0;
    tasks.forEach((task, number) => {
      task.hidden = !fits(task);
      shown += !task.hidden;
      if (links[number]) links[number].parentElement.hidden = task.hidden;
      if (!task.hidden) filterInside(task);
    });
    byId("found").textContent = shown === tasks.length ? "" : `${shown} of ${tasks.length} tasks`;
  };

  let waiting = 0;
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, 120);
  };

  // --- opening, moving ---------------------------------------------------------------------

  const openTask = (task) => {
    build(task);
    task.open = true;
  };

  const openAll = () => {
    const closed = tasks.filter((task) => !task.hidden && !task.open);
    const next = () => {
      const started = performance.now();
      while (closed.length && performance.now() - started < 30) openTask(closed.shift());
      if (closed.length) requestAnimationFrame(next);
    };
    next();
  };

  const follow = () => {
    const wanted = wantedId();
    const task = tasks.find((one) => wanted === one.id || wanted.startsWith(one.id + "/"));
    if (!task) return;
    task.hidden = false;
    openTask(task);
    (byId(wanted) || task).scrollIntoView();
    links.forEach((link, number) => {
      if (tasks[number] === task) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
  };

  const move = (step) => {
    const shown = tasks.filter((task) => !task.hidden);
    const top = byId("filters").getBoundingClientRect().bottom + 8;
    const focused = shown.findIndex((task) => task.contains(document.activeElement));
    let at = focused >= 0 ? focused + step : shown.findIndex((task) => task.getBoundingClientRect().bottom > top);
    at = Math.max(0, Math.min(shown.length - 1, at));
    const summary = shown[at]?.querySelector("summary");
    summary?.focus({ preventScroll: true });
    shown[at]?.scrollIntoView({ block: "start" });
  };

  main.addEventListener("toggle", (event) => event.target.classList.contains("task") && event.target.open && build(event.target), true);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("input", soon);
  byId("names").addEventListener("change", (event) => main.classList.toggle("names", event.target.checked));
  byId("ends").addEventListener("change", (event) => main.classList.toggle("ends", event.target.checked));
  byId("open").addEventListener("click", openAll);
  byId("close").addEventListener("click", () => tasks.forEach((task) => (task.open = false)));
  addEventListener("keydown", filterKeys(apply, move));
  // What is copied out of a prompt is the prompt, without what the page draws into it.
  addEventListener("copy", (event) => {
    const selection = getSelection();
    const range = selection.rangeCount ? selection.getRangeAt(0) : null;
    const inside = range && (range.commonAncestorContainer.closest ? range.commonAncestorContainer : range.commonAncestorContainer.parentElement);
    if (!inside?.closest(".text")) return;
    event.clipboardData.setData("text/plain", range.cloneContents().textContent);
    event.preventDefault();
  });
  // What is scrolled to must not stand behind the filters.
  const filters = byId("filters");
  const keepClear = () => {
    const sticky = getComputedStyle(filters).position === "sticky";
    const height = sticky ? filters.offsetHeight + 8 : 8;
    document.documentElement.style.setProperty("--filters", height + "px");
  };
  keepClear();
  new ResizeObserver(keepClear).observe(filters);
  addEventListener("hashchange", follow);
  apply();
  if (tasks.length === 1) openTask(tasks[0]);
  follow();
})();
