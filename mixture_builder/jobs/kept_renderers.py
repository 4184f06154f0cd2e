"""Renderers of tasks that a process keeps from one stretch of a task's draws to the next.

A worker comes back to a large task for every round of shards. To open its rows, to look up its
templates and to lay out their first rounds then is a millisecond each time, a fifth of what its
draws cost. What a renderer keeps beside that is given back after each stretch, so memory does not
grow with the number of stretches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mixture_builder.lock import Lock
from mixture_builder.plan import TaskPlan
from mixture_builder.render.task import TaskRenderer

MOST_TASKS = 100
"""Of mixtures with more tasks no renderer is kept: nearly all are small, and met in one round."""

MOST_ROWS = 1 << 16
"""Of tasks with more rows none is kept: to begin with one is nothing beside its draws, and what is
worked out of all rows would stay in memory."""


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
def kept_renderer(
    lock: Lock, task: TaskPlan, *, store: Path, make: Callable[[], TaskRenderer]
) -> Iterator[TaskRenderer]:
    """A renderer of a task, for one caller at a time; kept for the next one if all goes well.

    Args:
      lock: of the mixture; only renderers of the last one are kept.
      task: one of its tasks.
      store: that the rows are read from.
      make: makes a new one.
    """
    if len(lock.plan.tasks) > MOST_TASKS or task.rows > MOST_ROWS:
        yield make()
        return
    renderer = _kept.take(lock, store, task.task) or make()
    yield renderer
    renderer.forget()
    _kept.put_back(lock, store, task.task, renderer)
