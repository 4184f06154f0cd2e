"""Kept renderers: they change nothing but the time, one caller has one, and few are kept."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from mixture_builder.jobs import task_renderers
from mixture_builder.jobs.build import render_task
from mixture_builder.jobs.task_renderers import kept_renderer, task_renderer
from mixture_builder.lock import Lock
from mixture_builder.plan import TaskPlan
from mixture_builder.render.task import TaskRenderer
from tests.jobs.test_build import lock_of
from tests.render.test_columnar import by_draw


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tasks in the order in which renderers were made for them; none is kept to begin with."""
    tasks: list[str] = []

    def noted(lock: Lock, task: TaskPlan, *, store: Path) -> TaskRenderer:
        tasks.append(task.task)
        return task_renderer(lock, task, store=store)

    monkeypatch.setattr(task_renderers, "_kept", task_renderers._Kept())
    monkeypatch.setattr(task_renderers, "task_renderer", noted)
    return tasks


def borrowed(quickstart: Any, lock: Lock, number: int) -> AbstractContextManager[TaskRenderer]:
    """A renderer of one of the lock's tasks."""
    return kept_renderer(lock, lock.plan.tasks[number], store=quickstart.store)


def use(quickstart: Any, lock: Lock, number: int) -> TaskRenderer:
    with borrowed(quickstart, lock, number) as renderer:
        return renderer


def test_stretches_of_draws_come_out_as_all_of_them_at_once(quickstart: Any) -> None:
    """With exemplars, whose texts and keys a renderer keeps, and of every task in turn."""
    lock = lock_of(quickstart, shards=1, examples=3000, shots={"counts": {1: 1, 5: 1}})
    for task in lock.plan.tasks:
        whole = task_renderer(lock, task, store=quickstart.store).render(range(task.quota))
        middle = task.quota // 2
        parts = [
            by_draw(render_task(lock, task, store=quickstart.store, draws=draws))
            for draws in (range(middle), range(middle, task.quota))
        ]
        assert parts[0] | parts[1] == by_draw(whole), task.task


def test_a_renderer_is_made_once_for_a_mixture(quickstart: Any, made: list[str]) -> None:
    """And anew for another lock, even one of the same tasks."""
    lock = lock_of(quickstart, shards=1, examples=300)
    first = use(quickstart, lock, 0)
    assert use(quickstart, lock, 0) is first
    other = lock_of(quickstart, shards=1, examples=400)
    assert use(quickstart, other, 0) is not first
    assert use(quickstart, lock, 0) is not first
    assert len(made) == 3


def test_two_callers_at_a_time_have_one_each(quickstart: Any, made: list[str]) -> None:
    """Threads of one process may render the same task."""
    lock = lock_of(quickstart, shards=1, examples=300)
    with (
        borrowed(quickstart, lock, 0) as one,
        borrowed(quickstart, lock, 0) as other,
    ):
        assert one is not other


def test_of_mixtures_of_many_tasks_none_is_kept(
    quickstart: Any, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker would not come back to one, and all of them would take memory."""
    lock = lock_of(quickstart, shards=1, examples=300)
    monkeypatch.setattr(task_renderers, "MOST_TASKS", len(lock.plan.tasks) - 1)
    use(quickstart, lock, 0)
    use(quickstart, lock, 0)
    assert len(made) == 2


def test_of_large_tasks_none_is_kept(
    quickstart: Any, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is worked out of all their rows would stay in memory."""
    monkeypatch.setattr(task_renderers, "MOST_ROWS", 10)
    lock = lock_of(quickstart, shards=1, examples=300)
    use(quickstart, lock, 0)
    use(quickstart, lock, 0)
    assert len(made) == 2


def test_one_that_failed_is_not_kept(quickstart: Any, made: list[str]) -> None:
    """Nobody knows what state it is in."""
    lock = lock_of(quickstart, shards=1, examples=300)
    with (
        pytest.raises(RuntimeError, match="midway"),
        borrowed(quickstart, lock, 0),
    ):
        raise RuntimeError("midway")
    use(quickstart, lock, 0)
    assert len(made) == 2


def test_what_was_kept_of_draws_is_let_go(quickstart: Any, made: list[str]) -> None:
    """Exemplars that were rendered row by row are many; they go with the stretch."""
    lock = lock_of(quickstart, shards=1, examples=300, shots={"counts": {2: 1}})
    task = lock.plan.tasks[0]
    renderer = task_renderer(lock, task, store=quickstart.store)
    renderer.render(range(task.quota))
    assert renderer._few_shot._pairs
    renderer.forget()
    assert not renderer._few_shot._pairs
    assert len(renderer.render(range(task.quota)).draws) == task.quota
