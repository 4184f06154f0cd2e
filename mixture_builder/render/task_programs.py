"""Which programs say the rows of a task: those of its templates, or row by row what needs more."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mixture_builder.render.batch import TaskContext
from mixture_builder.render.pairs import uses_few_shot_texts
from mixture_builder.render.programs import Program, program_of, row_by_row


def programs_of(context: TaskContext, cell: int, template: int) -> tuple[Program, Program, Program]:
    """Prompt, target and instruction of a template in a cell."""
    return _said(context, cell, template).programs


def all_known(context: TaskContext, cell: int, template: int) -> bool:
    """Whether all that the programs of a template in a cell read is there."""
    return _said(context, cell, template).known


@dataclass(frozen=True, kw_only=True, slots=True)
class _Said:
    """How a template says rows with some fields.

    Attributes:
      programs: prompt, target and instruction.
      known: whether all that they read is there.
    """

    programs: tuple[Program, Program, Program]
    known: bool


def _said(context: TaskContext, cell: int, template: int) -> _Said:
    said = context.programs.get((cell, template))
    if said is None:
        read: Any = context.rows
        both = context.templates[template]
        texts = (both.input, both.target, "")
        if uses_few_shot_texts(context.plan, cell):
            texts = (
                both.few_shot_input or both.input,
                both.few_shot_target or both.target,
                both.instruction,
            )
        said = context.programs[cell, template] = _said_with(
            texts,
            shown=context.plan.cells[cell].shows_options,
            fields=read.fields,
            texts_held=read.text_fields,
            lists_held=read.list_fields,
        )
    found: _Said = said
    return found


@lru_cache(maxsize=20_000)
def _said_with(
    texts: tuple[str, str, str],
    *,
    shown: bool,
    fields: tuple[str, ...],
    texts_held: frozenset[str],
    lists_held: frozenset[str],
) -> _Said:
    """The same for all tasks whose rows have the same fields: a family is one template file."""
    drawn = {n for n, sources in _DRAWN_TEXTS.items() if not sources.isdisjoint(fields)}

    def program(text: str) -> Program:
        simple = program_of(text, options_shown=shown)
        if simple is None or not simple.names - simple.lists <= texts_held | drawn:
            return row_by_row(text)
        return simple if simple.lists <= lists_held else row_by_row(text)

    prompt, target, instruction = map(program, texts)
    names = prompt.names | target.names | instruction.names
    return _Said(programs=(prompt, target, instruction), known=names <= {*drawn, *fields, "chance"})


_DRAWN_TEXTS = {
    "options_text": frozenset(["options"]),
    "answer_text": frozenset(["options"]),
    "answer": frozenset(["options", "answers"]),
    "dialog_text": frozenset(["turns"]),
}
"""Texts that are drawn, and the fields of which one must be there for it."""
