"""Renderers of tasks: made over stored rows, and kept from one stretch of draws to the next.

A worker comes back to a large task for every round of shards. To open its rows, to look up its
templates and to lay out their first rounds then is a millisecond each time, a fifth of what its
draws cost. What a renderer keeps beside that is given back after each stretch, so memory does not
grow with the number of stretches.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from mixture_builder.io.stored_rows import StoredRows
from mixture_builder.io.stored_task import task_folder
from mixture_builder.lock import Lock
from mixture_builder.plan import TaskPlan
from mixture_builder.render.batch import CountTokens
from mixture_builder.render.columnar_options import OptionPieces
from mixture_builder.render.task import TaskRenderer
from mixture_builder.style_pools import StylePools

MOST_TASKS = 100
"""Of mixtures with more tasks no renderer is kept: nearly all are small, and met in one round."""

MOST_ROWS = 1 << 16
"""Of tasks with more rows none is kept: to begin with one is nothing beside its draws, and what is
worked out of all rows would stay in memory."""


@lru_cache(maxsize=16)
def option_pieces(pools: StylePools) -> OptionPieces:
    """The pieces of all option styles, as Arrow arrays; made once for the same pools."""
    return OptionPieces(pools)


def task_renderer(lock: Lock, task: TaskPlan, *, store: Path) -> TaskRenderer:
    """A renderer over the stored rows of one task.

    Raises:
      StoreError: if the store does not hold the rows that the lock was made for.
    """
    folder = task_folder(store, task.task, lock.tasks[task.task].stored)
    return TaskRenderer(
        task,
        templates=lock.templates[task.templates],
        styles=lock.style_pools_for(task.settings),
        rows=StoredRows(folder, expected_rows=task.rows),
        seed=lock.plan.seed,
        count_tokens=_token_counter(store, task.settings.tokenizer),
    )


@lru_cache(maxsize=8)
def _token_counter(store: Path, sha256: str) -> CountTokens | None:
    """Counts tokens with a tokenizer of the store; `None` where none is named."""
    if not sha256:
        return None
    from mixture_builder.io.tokenizer import kept_tokenizer

    return kept_tokenizer(store, sha256=sha256).count


class _Kept:
    """The renderers of one mixture that nobody is using."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._mixture: tuple[Lock, Path] | None = None
        self._renderers: dict[str, TaskRenderer] = {}

    def take(self, lock: Lock, store: Path, task: str) -> TaskRenderer | None:
        with self._guard:
            if not self._holds(lock, store):
                self._renderers.clear()
                self._mixture = lock, store
            return self._renderers.pop(task, None)

    def put_back(self, lock: Lock, store: Path, task: str, renderer: TaskRenderer) -> None:
        with self._guard:
            if self._holds(lock, store):
                self._renderers[task] = renderer

    def _holds(self, lock: Lock, store: Path) -> bool:
        return self._mixture is not None and (
            self._mixture[0] is lock and self._mixture[1] == store
        )


_kept = _Kept()


@contextmanager
def kept_renderer(lock: Lock, task: TaskPlan, *, store: Path) -> Iterator[TaskRenderer]:
    """A renderer of a task, for one caller at a time; kept for the next one if all goes well.

    Args:
      lock: of the mixture; only renderers of the last one are kept.
      task: one of its tasks.
      store: that the rows are read from.

    Raises:
      StoreError: as for `task_renderer`.
    """
    if len(lock.plan.tasks) > MOST_TASKS or task.rows > MOST_ROWS:
        yield task_renderer(lock, task, store=store)
        return
    renderer = _kept.take(lock, store, task.task)
    if renderer is None:
        renderer = task_renderer(lock, task, store=store)
    yield renderer
    renderer.forget()
    _kept.put_back(lock, store, task.task, renderer)
