"""Queries of small tasks of a family, rendered together.

To have the kernels render a task's queries costs most of a millisecond, however few they are. Where
tasks share their templates, one call renders those of many: draws and rows carry which task they
are of above `OWN_BITS`, and all else is as for one task.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Any, cast

import numpy as np
import pyarrow as pa

from mixture_builder.draw import Indices
from mixture_builder.render.batch import (
    OWN_BITS,
    RenderedExamples,
    TaskContext,
    TooMuchTextError,
)
from mixture_builder.render.columnar import render_queries
from mixture_builder.render.columnar_blocks import Asked, Queries
from mixture_builder.render.columnar_options import OptionPieces
from mixture_builder.render.row_columns import RowColumns
from mixture_builder.render.task import TaskRenderer
from mixture_builder.render.task_programs import family_of
from mixture_builder.render.text_arrays import one_array

_DRAWN_BY_TASK = frozenset(["options", "turns"])
"""Fields whose drawn texts are worked out for one task at a time."""


def render_tasks(
    renderers: Sequence[TaskRenderer],
    draws: Sequence[Indices],
    pieces: Sequence[OptionPieces],
) -> list[RenderedExamples]:
    """For each task what `render_blocks` gives.

    Args:
      renderers: of the tasks; neighbours of a family are rendered together.
      draws: of each.
      pieces: of the option styles of each.
    """
    result: list[RenderedExamples] = []
    # Held until all are compared: what is let go may have its place taken by another.
    families = [_family(renderer.context) for renderer in renderers]
    keys = [(id(family), *limits) for family, *limits in families]
    for _, group in groupby(range(len(renderers)), key=keys.__getitem__):
        some = list(group)
        result += _rendered(
            [renderers[n] for n in some],
            [draws[n] for n in some],
            [pieces[n] for n in some],
        )
    return result


def _family(context: TaskContext) -> tuple[object, int, int]:
    """The same for tasks whose queries may be rendered together, and their limits."""
    rows, limits = context.rows, context.plan.settings
    alone = not hasattr(rows, "pieces") or not _DRAWN_BY_TASK.isdisjoint(rows.fields)
    family = object() if alone else family_of(context)
    return family, limits.input_chars, limits.target_chars


def _rendered(
    renderers: Sequence[TaskRenderer], draws: Sequence[Indices], pieces: Sequence[OptionPieces]
) -> list[RenderedExamples]:
    """Examples of tasks of a family: together if they are several and not too much at once."""
    if len(renderers) > 1:
        with suppress(TooMuchTextError):
            return _together(renderers, draws, pieces)
    return [
        renderer.render_blocks(numbers, styles)
        for renderer, numbers, styles in zip(renderers, draws, pieces, strict=True)
    ]


def _together(
    renderers: Sequence[TaskRenderer], draws: Sequence[Indices], pieces: Sequence[OptionPieces]
) -> list[RenderedExamples]:
    contexts = [renderer.context for renderer in renderers]
    whole = replace(
        contexts[0],
        rows=cast("Any", JoinedRows([context.rows for context in contexts])),
        joined_seeds=tuple(context.seed for context in contexts),
    )
    asked = [r.asked(numbers) for r, numbers in zip(renderers, draws, strict=True)]
    queries = render_queries(whole, pieces[0], _joined(asked))
    parted = _parted(queries, len(renderers))
    return [
        renderer.finished(numbers, found, styles)
        for renderer, numbers, found, styles in zip(renderers, draws, parted, pieces, strict=True)
    ]


def _joined(asked: Sequence[Asked]) -> Asked:
    def own(numbers: Sequence[Indices]) -> Indices:
        return np.concatenate([n + (owner << OWN_BITS) for owner, n in enumerate(numbers)])

    return Asked(
        draws=own([a.draws for a in asked]),
        cells=np.concatenate([a.cells for a in asked]),
        templates=np.concatenate([a.templates for a in asked]),
        rows=own([a.rows for a in asked]),
    )


def _parted(queries: Queries | None, tasks: int) -> list[Queries | None]:
    """The queries of each task."""
    if queries is None:
        return [None] * tasks
    ends = _bounds(queries.draws, tasks)
    return [
        queries.part(start, stop, before=owner << OWN_BITS) if start < stop else None
        for owner, (start, stop) in enumerate(pairwise(ends))
    ]


def _bounds(numbers: Indices, tasks: int) -> list[int]:
    """Where those of each task begin, and where the last ones end."""
    found: list[int] = np.searchsorted(numbers >> OWN_BITS, np.arange(tasks + 1)).tolist()
    return found


class JoinedRows:
    """The rows of several tasks with the same fields, as far as queries are rendered of them.

    Args:
      rows: stored rows of each.
    """

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = rows
        self.fields: tuple[str, ...] = rows[0].fields
        self.text_fields: frozenset[str] = rows[0].text_fields
        self.list_fields: frozenset[str] = rows[0].list_fields

    def row_columns(self, names: Sequence[str], indices: Indices) -> RowColumns:
        """As `StoredRows.row_columns`; `indices` say which task they are of, ascending."""
        found: list[list[pa.Array]] = [[] for _ in names]
        places = np.empty(len(indices), dtype=np.int64)
        ends = _bounds(indices, len(self._rows))
        held = 0
        for owner, (start, stop) in enumerate(pairwise(ends)):
            if start == stop:
                continue
            own = indices[start:stop] - (owner << OWN_BITS)
            columns, at, count = self._rows[owner].pieces(names, own)
            for known, further in zip(found, columns, strict=True):
                known.extend(further)
            places[start:stop] = at + held
            held += count
        whole = RowColumns(arrays=dict(zip(names, map(one_array, found), strict=True)), at=places)
        return whole if held <= len(indices) else whole.copied()
