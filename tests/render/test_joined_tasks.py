"""Small tasks rendered together: each comes out as by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mixture_builder.draw import Indices
from mixture_builder.jobs.build import render_tasks
from mixture_builder.jobs.inspect.records import load_lock
from mixture_builder.jobs.task_renderers import task_renderer
from mixture_builder.lock import Lock
from mixture_builder.render import joined_tasks
from mixture_builder.render.batch import OWN_BITS, TooMuchTextError
from tests.cli.helpers import Workspace, run
from tests.jobs.test_build import lock_of
from tests.render.test_columnar import by_draw


@pytest.fixture
def family(tmp_path: Any) -> tuple[Lock, Any]:
    """Five tasks of a family, of one row to six hundred, with several answers and few that fail."""
    workspace = Workspace(tmp_path)
    answers = {"question": "question", "answers": "answers"}
    for number, rows in enumerate([1, 7, 300, 40, 600]):
        workspace.task(
            f"task{number}",
            [
                {
                    "question": f"Question {number} {row}?",
                    "answers": [f"a{row}", "b", "c" * (row % 60)][: 1 + row % 3] or ["a"],
                    "context": "" if row % 5 else f"Context {row}.",
                }
                for row in range(rows)
            ],
            fields={**answers, "context": {"value": "context", "optional": True}},
            sample=[{"question": "Who?", "answers": ["me"], "context": "Here."}],
        )
    workspace.template_file(
        "tiny/questions",
        [
            {"id": "plain", "input": "{{ question }}", "target": "{{ answer }}"},
            {
                "id": "context",
                "input": "{{ context }} {{ question }}",
                "target": "{{ answer }}",
                "requires": ["context"],
            },
            {
                "id": "chosen",
                "input": "{{ ['Say', 'Tell'] | choice(chance) }}: {{ question | upper }}",
                "target": "{{ answer }}",
            },
        ],
    )
    workspace.write_recipe(size={"examples": 900}, limits={"target_chars": 50})
    done = run(
        "build", workspace.recipe, *workspace.options, "--out", workspace.out, "--workers", 0
    )
    assert done.exit_code == 0, done.output

    return load_lock(str(workspace.out)), workspace.store


def checked(lock: Lock, store: Any, *, shuffled: int) -> None:
    """All tasks together, against each by itself row by row."""
    asked: list[tuple[Any, Indices]] = []
    for task in lock.plan.tasks:
        asked.append((task, np.random.default_rng(shuffled).permutation(task.quota)))

    together = render_tasks(lock, asked, store=store)

    for (task, draws), found in zip(asked, together, strict=True):
        alone = task_renderer(lock, task, store=store).render(draws)
        assert by_draw(found) == by_draw(alone), task.task
        assert sorted(found.redraws) == sorted(alone.redraws)
        assert found.plan is task


@pytest.mark.parametrize("shuffled", [0, 1])
def test_a_family_comes_out_as_its_tasks_do(family: tuple[Lock, Any], shuffled: int) -> None:
    """With answers and chances of each task's own, few-shot, and rows that are drawn again."""
    lock, store = family

    checked(lock, store, shuffled=shuffled)


def test_a_family_is_rendered_in_one_call(
    family: tuple[Lock, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is what it is for; where it would be too much text, each task is rendered by itself."""
    lock, store = family
    calls = []

    def refused(context: Any, *_: Any) -> None:
        calls.append(len(context.joined_seeds))
        raise TooMuchTextError

    monkeypatch.setattr(joined_tasks, "render_queries", refused)

    checked(lock, store, shuffled=2)
    # The task of one row has no exemplars to show, and so other cells.
    assert calls == [4]


def test_tasks_of_all_kinds_come_out_as_by_themselves(quickstart: Any) -> None:
    """Options and dialogs among them, which are rendered one task at a time."""
    lock = lock_of(quickstart, shards=1, examples=1_200, shots={"counts": {1: 1, 3: 1}})

    checked(lock, quickstart.store, shuffled=0)


def test_rows_are_read_of_the_task_that_they_are_of(family: tuple[Lock, Any]) -> None:
    """Of blocks as they stand, or copied where few rows of them are asked for."""
    lock, store = family
    rows = [task_renderer(lock, task, store=store).context.rows for task in lock.plan.tasks]
    joined = joined_tasks.JoinedRows(rows)
    for count in (1, 400):
        own = [np.arange(min(count, r.count)) for r in rows]
        indices = np.concatenate([n + (k << OWN_BITS) for k, n in enumerate(own)])

        found = joined.row_columns(["question"], indices).taken("question")

        wanted = [r.columns(["question"], n)["question"] for r, n in zip(rows, own, strict=True)]
        assert found.to_pylist() == [text for texts in wanted for text in texts]
