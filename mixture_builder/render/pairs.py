"""Prompts and targets of rows that have one template, and what may be wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mixture_builder.jinja_compiler import TextTooLongError
from mixture_builder.jinja_running import describe
from mixture_builder.plan import TaskPlan
from mixture_builder.render.batch import Batch, CountTokens, TaskContext
from mixture_builder.render.drawn import TARGET_ANSWER
from mixture_builder.templates import PromptTemplate

Rendered = list[str | Exception]


def uses_few_shot_texts(plan: TaskPlan, cell: int) -> bool:
    """Whether the prompts of a cell use a template's few-shot texts.

    Where exemplars have templates of their own, all are rendered as in zero-shot prompts.
    """
    found = plan.cells[cell]
    return found.few_shot and not plan.form_of(found).mixed_templates


def render_pairs(
    template: PromptTemplate,
    columns: Mapping[str, Sequence[Any]],
    count: int,
    *,
    few_shot: bool,
    longest: tuple[int, int] = (0, 0),
) -> tuple[Rendered, Rendered]:
    """Prompts and targets of `count` rows; where rendering fails, the error stands instead.

    Args:
      template: of all the rows.
      columns: what it reads.
      count: of rows.
      few_shot: whether its few-shot texts are meant.
      longest: as for `CompiledText.render_many`, of prompts and of targets.
    """
    inputs = template.input_for(few_shot=few_shot).render_many(columns, count, longest=longest[0])
    if TARGET_ANSWER in columns:
        columns = {**columns, "answer": columns[TARGET_ANSWER]}
    targets = template.target_for(few_shot=few_shot).render_many(columns, count, longest=longest[1])
    return inputs, targets


def render_queries(context: TaskContext, batch: Batch) -> None:
    """Renders the queries of a batch, each template of each cell over one stretch of it."""
    limits = context.plan.settings
    groups = batch.cells * len(context.templates) + batch.templates
    starts = np.flatnonzero(np.diff(groups, prepend=-1)).tolist()
    for start, stop in zip(starts, [*starts[1:], len(groups)], strict=True):
        inputs, targets = render_pairs(
            context.templates[batch.templates[start]],
            {name: values[start:stop] for name, values in batch.columns.items()},
            stop - start,
            few_shot=uses_few_shot_texts(context.plan, int(batch.cells[start])),
            longest=(limits.input_chars, limits.target_chars),
        )
        batch.inputs += inputs
        batch.targets += targets
        batch.all_texts &= set(map(type, inputs)) | set(map(type, targets)) == {str}


def check_queries(context: TaskContext, batch: Batch) -> None:
    """Marks draws that failed: errors, empty texts, texts over the budget, fields not there."""
    demanding = [i for i, t in enumerate(context.templates) if t.requires]
    if demanding:
        for place in np.flatnonzero(np.isin(batch.templates, demanding)).tolist():
            for name in context.templates[batch.templates[place]].requires:
                if not batch.columns[name][place]:
                    batch.failures[place] = ("required_field", f"the row has no {name}")
    limits = context.plan.settings
    budgets = (("input", limits.input_chars), ("target", limits.target_chars))
    if not (batch.all_texts and _all_sound(batch, limits.input_chars, limits.target_chars)):
        for place, texts in enumerate(zip(batch.inputs, batch.targets, strict=True)):
            for text, (part, limit) in zip(texts, budgets, strict=True):
                failure = _failure(text, part, limit)
                if failure:
                    batch.failures[place] = failure
                    break
    if context.count_tokens is not None:
        _check_tokens(context, batch, context.count_tokens)


def _check_tokens(context: TaskContext, batch: Batch, count: CountTokens) -> None:
    """Marks draws whose texts have too many tokens; of few-shot prompts the whole is counted."""
    limits = context.plan.settings
    whole = np.asarray([not cell.few_shot for cell in context.plan.cells])[batch.cells]
    for part, texts, limit, counted in (
        ("input", batch.inputs, limits.input_tokens, whole),
        ("target", batch.targets, limits.target_tokens, np.ones(len(whole), dtype=bool)),
    ):
        places = [p for p in np.flatnonzero(counted).tolist() if p not in batch.failures]
        if not limit or not places:
            continue
        for place, tokens in zip(places, count([str(texts[p]) for p in places]), strict=True):
            if tokens > limit:
                batch.failures[place] = (f"{part}_too_long", f"{tokens} tokens; at most {limit}")


def _all_sound(batch: Batch, input_chars: int, target_chars: int) -> bool:
    """Whether nothing is wrong with any text: found out at a fraction of the cost."""
    for texts, limit in ((batch.inputs, input_chars), (batch.targets, target_chars)):
        if "" in texts:
            return False
        if limit and max(map(len, texts)) > limit:  # type: ignore[arg-type]  # all are texts
            return False
    return True


def _failure(text: str | Exception, part: str, limit: int) -> tuple[str, str] | None:
    if isinstance(text, TextTooLongError):
        return f"{part}_too_long", f"{text.length} characters; at most {limit}"
    if isinstance(text, Exception):
        return "render_error", f"{part}: {describe(text)}"
    if not text:
        return f"empty_{part}", "nothing but white space was rendered"
    if limit and len(text) > limit:
        return f"{part}_too_long", f"{len(text)} characters; at most {limit}"
    return None
