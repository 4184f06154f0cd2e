"""Which programs say the rows of a task: those of its templates, or row by row what needs more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mixture_builder.render.batch import TaskContext
from mixture_builder.render.pairs import uses_few_shot_texts
from mixture_builder.render.programs import Program, program_of, row_by_row
from mixture_builder.templates import PromptTemplate


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """How a template says rows with some fields.

    Attributes:
      programs: prompt, target and instruction.
      known: whether all that they read is there.
    """

    programs: tuple[Program, Program, Program]
    known: bool


def said_by(context: TaskContext, cells_and_templates: Sequence[int]) -> list[Said]:
    """How templates say the rows of a task in some of its cells.

    Args:
      context: of the task.
      cells_and_templates: numbers `cell * len(context.templates) + template`.
    """
    held = context.programs
    try:
        return [held[key] for key in cells_and_templates]
    except KeyError:
        pass
    family = family_of(context)
    for key in cells_and_templates:
        if key not in family:
            family[key] = _said(context, *divmod(key, len(context.templates)))
    held.update(family)
    return [held[key] for key in cells_and_templates]


_MOST_FAMILIES = 500

_families: dict[tuple[Any, ...], tuple[tuple[PromptTemplate, ...], dict[int, Said]]] = {}
"""What `said_by` has found, for all tasks with the same templates, fields and kinds of cells. By
identities of templates, which are held so that nothing else takes their place in memory."""


def family_of(context: TaskContext) -> dict[int, Said]:
    """What is known of all tasks with the same templates, kinds of cells and fields of rows."""
    read: Any = context.rows
    cells = context.plan.cells
    key = (
        tuple(map(id, context.templates)),
        tuple((c.shows_options, uses_few_shot_texts(context.plan, n)) for n, c in enumerate(cells)),
        read.fields,
        read.text_fields,
        read.list_fields,
    )
    found = _families.get(key)
    if found is None:
        if len(_families) >= _MOST_FAMILIES:
            _families.clear()
        found = _families[key] = context.templates, {}
    return found[1]


def _said(context: TaskContext, cell: int, template: int) -> Said:
    read: Any = context.rows
    both = context.templates[template]
    texts = (both.input, both.target, "")
    if uses_few_shot_texts(context.plan, cell):
        texts = (
            both.few_shot_input or both.input,
            both.few_shot_target or both.target,
            both.instruction,
        )
    return _said_with(
        texts,
        shown=context.plan.cells[cell].shows_options,
        fields=read.fields,
        texts_held=read.text_fields,
        lists_held=read.list_fields,
    )


@lru_cache(maxsize=20_000)
def _said_with(
    texts: tuple[str, str, str],
    *,
    shown: bool,
    fields: tuple[str, ...],
    texts_held: frozenset[str],
    lists_held: frozenset[str],
) -> Said:
    """The same for all tasks whose rows have the same fields: a family is one template file."""
    drawn = {n for n, sources in _DRAWN_TEXTS.items() if not sources.isdisjoint(fields)}

    def program(text: str) -> Program:
        simple = program_of(text, options_shown=shown)
        if simple is None or not simple.names - simple.lists <= texts_held | drawn:
            return row_by_row(text)
        return simple if simple.lists <= lists_held else row_by_row(text)

    prompt, target, instruction = map(program, texts)
    names = prompt.names | target.names | instruction.names
    return Said(programs=(prompt, target, instruction), known=names <= {*drawn, *fields, "chance"})


_DRAWN_TEXTS = {
    "options_text": frozenset(["options"]),
    "answer_text": frozenset(["options"]),
    "answer": frozenset(["options", "answers"]),
    "dialog_text": frozenset(["turns"]),
}
"""Texts that are drawn, and the fields of which one must be there for it."""
