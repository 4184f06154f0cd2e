"""Which field of its row a target is: of direct templates that print one field as it is."""

from __future__ import annotations

from functools import partial
from typing import Any

from mixture_builder.audit.context import AuditedTask
from mixture_builder.audit.frames import Frame, frame_of
from mixture_builder.audit.source_answers import ANSWER
from mixture_builder.audit.text_column import Numbers
from mixture_builder.audit.view import ShardView
from mixture_builder.templates import PromptTemplate
from mixture_builder.variants import Cell

SORTS = ((False, False), (True, False), (False, True), (True, True))
"""Whether options are shown, and whether letters stand for them; in the order of `_target`."""


def fields_of_records(view: ShardView) -> tuple[list[tuple[str, ...]], Numbers]:
    """What the target of each record is a field of, by whether options and letters are shown."""
    target = partial(_target, known=view.context.recipes)
    return view.of_sorts("label fields", target), view.sort_codes


_NOTHING = ("",) * len(SORTS)


def _target(
    task: AuditedTask | None, template_id: str, variant: str, known: dict[tuple[str, str, str], Any]
) -> tuple[str, ...]:
    """The field that is the target, for each of `SORTS`; empty where it is more, or unknown."""
    place = task.template_places.get(template_id) if task else None
    if task is None or place is None or task.templates[place].direction != "direct":
        return _NOTHING
    found = {
        _target_in_cell(task, cell, place, known)
        for cell in task.plan.cells
        if cell.variant == variant and place in cell.templates
    }
    return found.pop() if len(found) == 1 else _NOTHING


def _target_in_cell(
    task: AuditedTask, cell: Cell, place: int, known: dict[tuple[str, str, str], Any]
) -> tuple[str, ...]:
    few_shot = cell.few_shot and not task.plan.form_of(cell).mixed_templates
    # Tasks by the hundred share their templates, and the same cells of them.
    key = (task.plan.templates, f"{cell.templates}", f"labels {few_shot}")
    if key not in known:
        every = {
            other: _fields_of_template(task.templates[other], few_shot=few_shot)
            for other in cell.templates
        }
        if any(task.templates[other].requires for other in cell.templates):
            # A row that lacks a field gives way to other templates: all count, or none does.
            sorts = map(set, zip(*every.values(), strict=True))
            alike = tuple(names.pop() if len(names) == 1 else "" for names in sorts)
            every = dict.fromkeys(every, alike)
        known[key] = every
    fields: tuple[str, ...] = known[key][place]
    return fields


def _fields_of_template(template: PromptTemplate, *, few_shot: bool) -> tuple[str, ...]:
    result = []
    for shows, letters in SORTS:
        target = template.target_text(few_shot=few_shot)
        name = frame_of(target, shows_options=shows).lone_name
        if letters:
            prompt = frame_of(template.input_text(few_shot=few_shot), shows_options=shows)
            result.append(ANSWER if name == ANSWER and _ends_line(prompt) else "")
        else:
            result.append(ANSWER if name == "answer_text" else name)
    return tuple(result)


def _ends_line(frame: Frame) -> bool:
    """Whether a list of options is followed by a new line, or by nothing."""
    for word, gap in zip(frame.words[1:], frame.gaps, strict=True):
        if "options_text" in gap.names:
            return gap.names[-1] == "options_text" and (not word or word.startswith(b"\n"))
    return False
