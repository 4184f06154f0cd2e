"""Growth: what is added to a mixture changes no draw elsewhere, beyond the shift of quotas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.access.records import RecordMaker
from mixture_builder.dealing import corrections, deal
from mixture_builder.io.example_schema import EXAMPLE_COLUMNS
from mixture_builder.jobs.shard_layout import Draws
from mixture_builder.lock import Lock
from mixture_builder.plan import TaskPlan
from mixture_builder.render.walks import TemplateWalks
from mixture_builder.variants import Cell
from tests.cli.helpers import PLAIN, QUESTIONS, Workspace, run
from tests.jobs.test_build import lock_of

WEIGHTS = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def largest_remainder(weights: list[int], total: int) -> list[int]:
    """Quotas of cells, as the plan gives them."""
    whole = sum(weights)
    found = [w * total // whole for w in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(weights[i] * total % whole), i))
    for i in order[: total - sum(found)]:
        found[i] += 1
    return found


@given(weights=WEIGHTS, quota=st.integers(1, 400), further=st.integers(0, 400))
def test_a_draw_serves_the_same_cell_at_any_quota(weights, quota, further):
    """Of two quotas' common draws fewer than a cycle at the end of each serve another cell."""
    small = largest_remainder(weights, quota)
    large = largest_remainder(weights, quota + further)
    draws = np.arange(quota)
    one, other = deal(weights, small, draws), deal(weights, large, draws)
    differing = np.flatnonzero((one[0] != other[0]) | (one[1] != other[1]))

    moved = {*corrections(weights, small), *corrections(weights, large)}
    assert set(differing.tolist()) <= moved
    assert len(moved) <= 2 * (len(weights) - 1)
    assert all(draw >= quota - sum(weights) for draw in differing.tolist())


@given(
    templates=st.integers(1, 12),
    quota=st.integers(1, 60),
    further=st.integers(0, 60),
    seed=st.integers(0, 2**64 - 1),
)
def test_templates_of_a_cell_are_the_same_at_any_quota(templates, quota, further, seed):
    """A cell goes through its templates the same way, be it with fewer examples than templates."""

    def walk(size: int) -> list[int]:
        cell = Cell(
            variant="zs_noopt",
            direction="direct",
            weight=1,
            quota=size,
            templates=tuple(range(templates)),
        )
        walks = TemplateWalks([cell], seed=seed)
        return [int(t) for t in walks.templates(0, np.arange(quota))]

    assert walk(quota) == walk(quota + further)


def records(lock: Lock, store: Path, task: TaskPlan, count: int) -> list[Any]:
    """The first records of a task."""
    number = next(n for n, t in enumerate(lock.plan.tasks) if t.task == task.task)
    maker = RecordMaker(lock, store=store, columns=tuple(EXAMPLE_COLUMNS))
    return maker.records(Draws(tasks=np.full(count, number), draws=np.arange(count)))


def differing_draws(one: Lock, other: Lock, store: Path, *, task: str) -> tuple[int, int]:
    """How many of a task's common draws give another record, and how many may."""
    a = next(t for t in one.plan.tasks if t.task == task)
    b = next(t for t in other.plan.tasks if t.task == task)
    count = min(a.quota, b.quota)
    pairs = zip(records(one, store, a, count), records(other, store, b, count), strict=True)
    found = sum(x != y for x, y in pairs)
    allowed = 0
    for plan in (a, b):
        weights, quotas = [c.weight for c in plan.cells], [c.quota for c in plan.cells]
        allowed += len(corrections(weights, quotas))
    return found, allowed


@pytest.mark.parametrize("examples", [2600, 4000])
def test_a_larger_mixture_has_the_draws_of_the_smaller_one(quickstart, examples):
    """At another size every task's common draws are the same, but for the few at its end."""
    small, large = (lock_of(quickstart, shards=2, examples=n) for n in (2000, examples))
    total = 0
    for task in small.plan.tasks:
        found, allowed = differing_draws(small, large, quickstart.store, task=task.task)
        assert found <= allowed
        total += found
    # In all, not one draw in a hundred: only quotas have shifted.
    assert total <= 10


SHORT = {"id": "short", "input": "Answer briefly: {{ question }}", "target": "{{ answer }}"}


def built(workspace: Workspace, out: str) -> dict[tuple[str, int], dict[str, Any]]:
    """The records of a build, by task and draw."""
    folder = workspace.folder / out
    done = run(
        "build", workspace.recipe, *workspace.options, "--out", folder, "--workers", 0,
        "--format", "jsonl",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return {
        (record["task_id"], record["draw"]): record
        for path in sorted((folder / "data").iterdir())
        for record in map(json.loads, path.read_text(encoding="utf-8").splitlines())
    }


def test_tasks_and_rows_that_came_change_no_draw_elsewhere(tmp_path: Path):
    """With a further task, and further rows of another, a task's common draws are the same."""
    workspace = Workspace(tmp_path)
    workspace.template_file("tiny/questions", [PLAIN, SHORT])
    for name in ("sums", "others"):
        workspace.task(name, QUESTIONS)
    workspace.write_recipe(size={"examples": 120}, output={"shards": 3})
    before = built(workspace, "before")

    workspace.task("third", QUESTIONS)
    data = workspace.cards / "tiny" / "data" / "others.jsonl"
    with data.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"question": "Why?", "answer": "So."}) + "\n")
    after = built(workspace, "after")

    held = [
        {draw: record for (task, draw), record in records.items() if task == "tiny/sums"}
        for records in (before, after)
    ]
    assert (len(held[0]), len(held[1])) == (60, 39)
    common = held[0].keys() & held[1].keys()
    differing = [draw for draw in common if held[0][draw] != held[1][draw]]
    # Four variants: at most three draws at the end of either quota serve another one.
    assert len(differing) <= 3
    assert all(draw >= 39 - 4 for draw in differing)
