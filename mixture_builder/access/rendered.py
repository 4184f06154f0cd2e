"""Records of two mixtures side by side: what a change does to the texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mixture_builder.access.records import RecordMaker
from mixture_builder.access.sides import Side
from mixture_builder.errors import StoreError
from mixture_builder.io.example_schema import EXAMPLE_COLUMNS
from mixture_builder.jobs.inspect.records import Record
from mixture_builder.jobs.shard_layout import Draws

TRIED_DRAWS = 24
"""Draws of a task among which one that changed is looked for."""


def changed_records(a: Side, b: Side, difference: Mapping[str, Any], *, count: int) -> list[Any]:
    """Draws that give another record on the other side, before and after.

    Tasks that are changed come first, then added and removed ones, one record of each in turn.
    A draw is the same one if task and number are, so that what stands beside each other differs
    by what was changed and nothing else.

    Args:
      a: what stands before.
      b: what stands after.
      difference: as `compare` gave it.
      count: how many, at most.

    Returns:
      Plain data: `task`, `draw`, `before` and `after` (a record, or `None`); or `task` and `note`
      where rows are missing.
    """
    everywhere = difference["styles"] or "seed" in difference["whole"]
    common = {t.task for t in a.lock.plan.tasks} & {t.task for t in b.lock.plan.tasks}
    tasks = sorted(common) if everywhere else list(difference["changed"])
    sources = [_changed(a, b, task) for task in tasks]
    sources += [_one_sided(a, task, before=True) for task in difference["removed"]]
    sources += [_one_sided(b, task, before=False) for task in difference["added"]]
    found: list[Any] = []
    while sources and len(found) < count:
        left = []
        for source in sources:
            entry = next(source, None)
            if entry is not None and len(found) < count:
                found.append(entry)
                left.append(source)
        sources = left
    return found


def _changed(a: Side, b: Side, task: str) -> Iterator[Any]:
    quota = min(_quota(a, task), _quota(b, task))
    draws = np.unique(np.linspace(0, quota - 1, min(quota, TRIED_DRAWS)).astype(np.int64))
    try:
        before, after = _render(a, task, draws), _render(b, task, draws)
    except StoreError:
        yield {"task": task, "note": "not rendered: its rows are not in the store"}
        return
    for draw, one, other in zip(draws.tolist(), before, after, strict=True):
        if one != other:
            yield {"task": task, "draw": draw, "before": one, "after": other}


def _one_sided(side: Side, task: str, *, before: bool) -> Iterator[Any]:
    draws = np.arange(min(_quota(side, task), TRIED_DRAWS))
    try:
        records = _render(side, task, draws)
    except StoreError:
        yield {"task": task, "note": "not rendered: its rows are not in the store"}
        return
    for draw, record in zip(draws.tolist(), records, strict=True):
        pair = (record, None) if before else (None, record)
        yield {"task": task, "draw": draw, "before": pair[0], "after": pair[1]}


def _quota(side: Side, task: str) -> int:
    return next(t.quota for t in side.lock.plan.tasks if t.task == task)


def _render(side: Side, task: str, draws: Any) -> list[Record | None]:
    number = next(n for n, t in enumerate(side.lock.plan.tasks) if t.task == task)
    maker = RecordMaker(side.lock, store=side.store, columns=tuple(EXAMPLE_COLUMNS))
    return maker.records(Draws(tasks=np.full(len(draws), number), draws=draws))
