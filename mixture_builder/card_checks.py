"""What a JSON Schema cannot say about a task card."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from jinja2 import TemplateSyntaxError

from mixture_builder.cards import ALWAYS_THERE, DERIVED_FIELDS, FIXED_TYPES, Field, TaskCard
from mixture_builder.findings import Finding, error
from mixture_builder.jinja_compiler import compile_expression
from mixture_builder.sources import Source
from mixture_builder.yaml_files import find_lines, format_place, line_of


def check_card(
    card: TaskCard, *, path: Path, at: tuple[str | int, ...] = (), expressions: bool = True
) -> list[Finding]:
    """What is wrong with a card beyond what a JSON Schema can say.

    Args:
      card: as built from its file.
      path: the file, read again only to find the lines of mistakes.
      at: where in the file the card stands.
      expressions: whether expressions are parsed too.
    """
    problems: list[_Problem] = []
    for alternative in card.sources:
        problems.extend(_field_problems(alternative.fields))
        problems.extend(_source_problems(alternative.source))
        if expressions:
            for f in alternative.fields:
                problems.extend(_syntax(("fields", f.name), f.expression))
            if alternative.keep:
                problems.extend(_syntax(("keep",), alternative.keep))
    if len({frozenset(f.name for f in s.fields) for s in card.sources}) > 1:
        problems.append(
            (("source",), "the alternatives give different fields.", "Give each the same names.")
        )
    lines = find_lines(path) if problems else {}
    return [
        error(
            card.file,
            format_place((*at, *where)),
            message,
            remedy,
            line_of(lines, (*at, *where)),
        )
        for where, message, remedy in problems
    ]


_Problem = tuple[tuple[str | int, ...], str, str]
"""Place, message and remedy."""


def _field_problems(fields_: tuple[Field, ...]) -> Iterator[_Problem]:
    names = [f.name for f in fields_]
    if ("options" in names) != ("answer_index" in names):
        message = "found only one of options and answer_index; expected both or none."
        yield ("fields",), message, ""
    if "answer" in names and ("options" in names or "answers" in names):
        other = "options" if "options" in names else "answers"
        remedy = f"Remove it: it follows from {other}."
        yield ("fields", "answer"), f"found answer beside {other}.", remedy
    if "options" in names and "answers" in names:
        yield ("fields", "answers"), "found answers beside options.", "Keep one."
    for f in fields_:
        where = ("fields", f.name)
        if f.optional and f.name in ALWAYS_THERE:
            message = f"found {f.name} as optional; expected it in every row."
            yield where, message, "Leave optional out; `keep` filters the rows without it."
        if f.name in DERIVED_FIELDS:
            yield where, f"found the reserved name '{f.name}'.", "Choose another name."
        if f.name in FIXED_TYPES and f.type != FIXED_TYPES[f.name]:
            yield where, f"found the type {f.type}; expected {FIXED_TYPES[f.name]}.", ""


def _source_problems(source: Source) -> Iterator[_Problem]:
    if source.kind == "files" and not source.files:
        yield ("source",), "found a source of files without 'files'.", "List them."
    if source.kind == "hub" and not source.dataset:
        yield ("source",), "found a Hub source without 'dataset'.", "Name it."
    for side in source.beside:
        if len(side.files) != len(source.files):
            message = f"found {len(side.files)} files beside {len(source.files)}."
            yield ("source", "beside"), message, "List as many as the source has."
    if source.from_path:
        try:
            re.compile(source.from_path)
        except re.error as bad:
            yield ("source", "from_path"), f"no regular expression: {bad}.", ""


def _syntax(where: tuple[str | int, ...], expression: str) -> Iterator[_Problem]:
    try:
        compile_expression(expression)
    except TemplateSyntaxError as problem:
        yield (
            where,
            f"found {expression!r}, which is no expression: {problem.message}.",
            "Write one Jinja expression over the upstream record, without {{ }}.",
        )
