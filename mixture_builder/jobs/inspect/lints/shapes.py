"""Rendered texts in which what a field put in is told from what the template says.

Every `{{ expression }}` that reads a name is rendered between two marks, by the same compiler
as always. What stands outside the marks are the template's own words, with all conditions and
loops already decided; what stands inside came from the row.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jinja_sandbox import environment

OPEN, CLOSE = "\ue000", "\ue001"
FIELD = "\ufffc"
"""Stands in a skeleton for whatever a field put in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """One rendered text in pieces.

    Attributes:
      pieces: (whether a field put it in, text), in order, not stripped.
    """

    pieces: tuple[tuple[bool, str], ...]

    @property
    def text(self) -> str:
        """The text as rendered."""
        return "".join(text for _, text in self.pieces).strip()

    @property
    def fields(self) -> list[str]:
        """What fields put in."""
        return [text for field, text in self.pieces if field]

    @property
    def skeleton(self) -> str:
        """The template's own words, with one mark for each field that is not empty."""
        parts = []
        for field, text in self.pieces:
            if not field:
                parts.append(text)
            elif text.strip():
                # Expressions may bring white space of their own: '\n' ~ note.
                before = text[: len(text) - len(text.lstrip())]
                parts.append(before + FIELD + text[len(text.rstrip()) :])
            else:
                parts.append(text)
        return "".join(parts).strip()

    def borders(self) -> list[tuple[str, str]]:
        """Where a field meets the template's own words: (text before, text behind)."""
        filled = [(field, text) for field, text in self.pieces if text]
        return [
            (one, other)
            for (field, one), (other_field, other) in itertools.pairwise(filled)
            if field != other_field
        ]


def shape_of(source: str, names: Mapping[str, Any]) -> Shape | None:
    """A text rendered in pieces; `None` if it cannot be rendered with these names."""
    rendered = compile_text(marked(source)).render_many({n: [v] for n, v in names.items()}, 1)[0]
    if isinstance(rendered, Exception):
        return None
    pieces = [
        (part.startswith(OPEN), part.strip(OPEN + CLOSE)) for part in _PIECE.findall(rendered)
    ]
    return Shape(pieces=tuple(_joined(pieces)))


_PIECE = re.compile(f"{OPEN}[^{CLOSE}]*{CLOSE}|[^{OPEN}]+")


def _joined(pieces: list[tuple[bool, str]]) -> list[tuple[bool, str]]:
    """Own words on both sides of an empty field are one piece."""
    result: list[tuple[bool, str]] = []
    for field, text in pieces:
        if field and not text:
            continue
        if result and not field and not result[-1][0]:
            result[-1] = (False, result[-1][1] + text)
        else:
            result.append((field, text))
    return result


@lru_cache(maxsize=20_000)
def marked(source: str) -> str:
    """The template with marks around every expression that reads a name.

    >>> marked("a {{- b }} {{ 'c' }}").replace(OPEN, "<").replace(CLOSE, ">")
    "a{{- '<' ~ ( b ) ~ '>' }} {{ 'c' }}"
    """
    result: list[str] = []
    inside: list[str] = []
    begin, reads = "", False
    for _, kind, text in environment().lex(source):
        if kind == "variable_begin":
            begin, inside, reads = text, [], False
        elif kind == "variable_end":
            expression = "".join(inside)
            if reads:
                expression = f" '{OPEN}' ~ ({expression}) ~ '{CLOSE}' "
            result += [begin, expression, text]
            begin = ""
        elif begin:
            inside.append(text)
            reads |= kind == "name"
        else:
            result.append(text)
    return "".join(result)
