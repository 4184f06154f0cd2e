"""Rows, prompts and targets as people read them: their parts told apart by colour, or by marks."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli.output import facts, indented

if TYPE_CHECKING:
    from mixture_builder.render.parts import ExampleParts, Part

BAR = "  | "

COLOURS: Mapping[str, Mapping[str, Any]] = {
    "instruction": {"fg": "magenta"},
    "exemplar": {"fg": "blue"},
    "exemplar_target": {"fg": "blue", "bold": True},
    "query": {"bold": True},
    "options": {"fg": "cyan"},
    "label": {"fg": "yellow"},
    "separator": {"fg": "black", "bg": "white"},
    "target": {"fg": "green", "bold": True},
}
"""How each kind of part looks in a terminal; only the sixteen colours that a user's theme sets."""

NAMES: Mapping[str, str] = {"exemplar_target": "exemplar's target"}
"""Kinds whose name for people is another."""

MARKS: Mapping[str, tuple[str, str]] = {"label": ("⟨", "⟩"), "options": ("⟦", "⟧")}
PLAIN_MARKS: Mapping[str, tuple[str, str]] = {"label": ("<<", ">>"), "options": ("[[", "]]")}
"""What stands around a part that headings do not tell apart; the latter where a terminal has no
other signs."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """How parts are told apart.

    Attributes:
      coloured: by colour; otherwise by marks.
      marks: by kind.
    """

    coloured: bool = False
    marks: Mapping[str, tuple[str, str]]

    def part(self, kind: str, text: str) -> str:
        """A text of one kind; every line of it is coloured by itself."""
        if self.coloured:
            colours = COLOURS[kind]
            return "\n".join(click.style(t, **colours) if t else "" for t in text.split("\n"))
        before, after = self.marks.get(kind, ("", ""))
        return f"{before}{text}{after}"

    def legend(self) -> str:
        """One line that says what colours or marks mean."""
        if self.coloured:
            return "  ".join(self.part(kind, NAMES.get(kind, kind)) for kind in COLOURS)
        return "marks: " + "  ".join(self.part(kind, kind) for kind in self.marks)


def look(colour: str) -> Look:
    """How parts are told apart on stdout.

    Args:
      colour: `always`, `never`, or `auto`: in a terminal, unless NO_COLOR is set
        (https://no-color.org) or TERM is `dumb`.
    """
    auto = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    dumb = os.environ.get("TERM") == "dumb"
    coloured = colour == "always" or (colour == "auto" and auto and not dumb)
    try:
        "".join(before + after for before, after in MARKS.values()).encode(
            sys.stdout.encoding or "ascii"
        )
    except (UnicodeEncodeError, LookupError):
        return Look(coloured=coloured, marks=PLAIN_MARKS)
    return Look(coloured=coloured, marks=MARKS)


def harmless(text: str) -> str:
    r"""A text without letters that command a terminal; they are written as escapes.

    >>> harmless("a\tb\n\x1b[31mred")
    'a\tb\n\\x1b[31mred'
    """
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def row_text(row: Mapping[str, Any]) -> str:
    """The fields of a row, lists with an item a line."""
    return facts([(harmless(name), _value(value)) for name, value in row.items()])


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return harmless(json.dumps(value, ensure_ascii=False, default=str))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\n".join(f"- {_value(item)}" for item in value) or "(empty)"
    return harmless(str(value)) or "(empty)"


def prompt_text(parts: ExampleParts, look: Look) -> str:
    """A prompt with a heading where instruction, exemplars and query begin."""
    total = max((part.exemplar for part in parts.prompt), default=0)
    blocks = []
    for heading, stretch in groupby(parts.prompt, key=lambda part: _heading(part, total)):
        if heading == "separator":
            blocks += [_separator(part.text, look) for part in stretch]
            continue
        shown = heading if parts.told_apart else "prompt (its parts are not known)"
        blocks.append(f"{shown}\n{indented(_stretch(stretch, look), BAR)}")
    return "\n".join(blocks)


def _heading(part: Part, total: int) -> str:
    if part.kind == "separator":
        return "separator"
    if part.kind == "instruction":
        return "prompt, instruction"
    if part.exemplar:
        return f"prompt, exemplar {part.exemplar} of {total}"
    return "prompt, query" if total else "prompt"


def _stretch(parts: Iterator[Part], look: Look) -> str:
    """Parts in one text; neighbours of a kind are under one pair of marks."""
    kinds = groupby(parts, key=lambda part: part.kind)
    return "".join(
        look.part(kind, harmless("".join(part.text for part in stretch))) for kind, stretch in kinds
    )


def _separator(text: str, look: Look) -> str:
    """On one line, since what separates is often nothing but blank lines."""
    shown = json.dumps(harmless(text), ensure_ascii=False)
    return f"prompt, separator  {look.part('separator', shown)}"


def target_text(parts: ExampleParts, look: Look) -> str:
    """The target under its heading."""
    return f"target\n{indented(_stretch(iter(parts.target), look), BAR)}"
