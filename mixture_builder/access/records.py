"""Finished records of any draws, made of lock and row store as a build makes them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mixture_builder.draw import Indices
from mixture_builder.jobs.build import without_garbage_collection
from mixture_builder.jobs.inspect.explain import stored_task
from mixture_builder.jobs.inspect.records import Record
from mixture_builder.jobs.shard_layout import Draws
from mixture_builder.jobs.shard_table import code_book, coded_table
from mixture_builder.jobs.task_renderers import option_pieces, task_renderer
from mixture_builder.lock import Lock
from mixture_builder.render.batch import RenderedExamples
from mixture_builder.render.task import TaskRenderer

MANY_DRAWS = 64
"""So many draws of one task are rendered by columns, as in a build; fewer cost less one by one."""

KEPT_RENDERERS = 256
"""Tasks whose rows stay open."""

RENDERER_DRAWS = 5_000
"""A renderer remembers exemplars; after so many draws it is replaced, so that memory stays flat."""


class RecordMaker:
    """Renders draws of a lock; keeps the tasks it met last at hand.

    Args:
      lock: of the mixture.
      store: root of the row store.
      columns: those that records get, in this order.
    """

    def __init__(self, lock: Lock, *, store: Path, columns: Sequence[str]) -> None:
        self._lock = lock
        self._store = store
        self._columns = tuple(columns)
        self._checked: set[int] = set()
        self._renderers: OrderedDict[int, tuple[TaskRenderer, int]] = OrderedDict()

    def records(self, wanted: Draws) -> list[Record | None]:
        """The record of each draw, in the order they are asked for; `None` where it is dropped.

        Raises:
          StoreError: if the store does not hold the rows that the lock was made for.
        """
        result: list[Record | None] = [None] * len(wanted)
        order = np.lexsort((wanted.draws, wanted.tasks))
        tasks = wanted.tasks[order]
        edges = np.flatnonzero(np.diff(tasks)) + 1
        with without_garbage_collection():
            for group in np.split(order, edges) if len(order) else []:
                found = self._of_task(int(wanted.tasks[group[0]]), wanted.draws[group])
                for place, draw in zip(group.tolist(), wanted.draws[group].tolist(), strict=True):
                    result[place] = found.get(draw)
        return result

    def _of_task(self, task: int, draws: Indices) -> Mapping[int, Record]:
        """The records of some draws of one task, by draw."""
        unique = np.unique(draws)
        renderer = self._renderer(task, len(unique))
        if len(unique) < MANY_DRAWS:
            return self._of_lists(renderer.render(unique))
        pieces = option_pieces(self._lock.style_pools_for(renderer.plan.settings))
        rendered = renderer.render_blocks(unique, pieces)
        book = code_book(self._lock)
        table = book.finish(coded_table([rendered], book))
        names = dict.fromkeys((*self._columns, "draw"))
        found: dict[int, Record] = {}
        for draw, record in zip(
            table.column("draw").to_pylist(), table.select(list(names)).to_pylist(), strict=True
        ):
            found[draw] = {name: record[name] for name in self._columns}
        return found

    def _of_lists(self, rendered: RenderedExamples) -> dict[int, Record]:
        count = len(rendered.draws)
        columns: dict[str, Sequence[Any]] = {
            "inputs": rendered.inputs,
            "targets": rendered.targets,
            "task_id": [rendered.plan.task] * count,
            "submixture": [rendered.plan.submixture] * count,
            "variant": rendered.variants,
            "template_id": rendered.templates,
            "style": rendered.styles,
            "num_exemplars": [len(rows) for rows in rendered.exemplar_rows],
            "exemplar_rows": rendered.exemplar_rows,
            "row": rendered.rows,
            "draw": rendered.draws,
        }
        chosen = [columns[name] for name in self._columns]
        return {
            draw: dict(zip(self._columns, values, strict=True))
            for draw, values in zip(rendered.draws, zip(*chosen, strict=True), strict=True)
        }

    def _renderer(self, task: int, draws: int) -> TaskRenderer:
        kept = self._renderers.pop(task, None)
        if kept is None:
            plan = self._lock.plan.tasks[task]
            if task not in self._checked:
                stored_task(self._lock, plan.task, store=self._store)
                self._checked.add(task)
            renderer = task_renderer(self._lock, plan, store=self._store)
            used = draws
        else:
            renderer, used = kept[0], kept[1] + draws
        if used < RENDERER_DRAWS:
            self._renderers[task] = renderer, used
            if len(self._renderers) > KEPT_RENDERERS:
                self._renderers.popitem(last=False)
        return renderer
