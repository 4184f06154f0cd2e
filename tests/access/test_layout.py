"""The layout: for all tasks at once what `shards.py` says of one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mixture_builder.jobs.shard_layout import ShardLayout, counted_up, stretches_of_task
from mixture_builder.plan import MixturePlan, TaskPlan
from mixture_builder.shards import draws_of_shard, shard_offset
from tests.makers import make_settings, make_task_plan, make_template, make_templates

_TASK = make_task_plan(
    rows=4,
    quota=1,
    templates=make_templates(make_template("plain", "{{ question }}")),
    settings=make_settings(),
)


def plan_of(quotas: list[int], *, shards: int, seed: int = 0) -> MixturePlan:
    """A plan whose tasks have certain quotas, and nothing else that is told apart."""
    tasks: list[TaskPlan] = [
        replace(_TASK, task=f"demo/{number:03d}", quota=quota)
        for number, quota in enumerate(quotas)
    ]
    return MixturePlan(
        name="demo",
        seed=seed,
        examples=sum(quotas),
        shards=shards,
        tasks=tuple(tasks),
        left_out={},
    )


PLANS: Any = st.builds(
    plan_of,
    st.lists(st.integers(0, 400), min_size=1, max_size=8),
    shards=st.integers(1, 40),
    seed=st.integers(0, 2**64 - 1),
)


@given(plan=PLANS, data=st.data())
def test_draws_of_a_shard_are_those_of_each_task(plan, data):
    """Worked out with arrays or task by task: the same draws stand in a shard."""
    shard = data.draw(st.integers(0, plan.shards - 1))
    found = ShardLayout(plan).draws(shard)

    for number, task in enumerate(plan.tasks):
        offset = shard_offset(plan.seed, task.task)
        stretches = draws_of_shard(task.quota, shard=shard, shards=plan.shards, offset=offset)
        expected = [k for stretch in stretches for k in stretch]
        assert found.draws[found.tasks == number].tolist() == expected


@given(plan=PLANS)
def test_counts_before_add_up(plan):
    """What stands before a shard is what the shards before it hold, task by task."""
    layout = ShardLayout(plan)
    total = np.zeros(len(plan.tasks), dtype=np.int64)
    for shard in range(plan.shards):
        assert layout.counts_before(shard).tolist() == total.tolist()
        assert layout.before(shard) == total.sum()
        total += np.bincount(layout.draws(shard).tasks, minlength=len(plan.tasks))
    assert layout.counts_before(plan.shards).tolist() == [task.quota for task in plan.tasks]


@given(
    quota=st.integers(0, 2**41 - 1),
    shards=st.integers(1, 99_999),
    seed=st.integers(0, 2**64 - 1),
    data=st.data(),
)
@example(quota=2**41 - 1, shards=99_999, seed=7, data=None)
@settings(max_examples=300)
def test_large_quotas_are_counted_exactly(quota, shards, seed, data):
    """Trillions of draws in any number of shards: the ends are those of whole-number arithmetic."""
    shard = data.draw(st.integers(0, shards - 1)) if data else shards - 1
    plan = plan_of([quota], shards=shards, seed=seed)
    starts, stops = ShardLayout(plan).stretches(shard)
    found = [
        range(int(start), int(stop))
        for start, stop in zip(starts[0], stops[0], strict=True)
        if start < stop
    ]

    offset = shard_offset(seed, "demo/000")
    assert found == draws_of_shard(quota, shard=shard, shards=shards, offset=offset)


@given(
    quota=st.integers(0, 2**41 - 1) | st.integers(0, 50),
    shards=st.integers(1, 99_999) | st.integers(1, 9),
    offset=st.integers(0, 2**63),
    data=st.data(),
)
@settings(max_examples=300)
def test_stretches_of_one_task_are_those_of_each_shard(quota, shards, offset, data):
    """In any shards, in any order: what whole-number arithmetic says of each."""
    chosen = data.draw(st.lists(st.integers(0, shards - 1), min_size=1, max_size=20))
    starts, stops = stretches_of_task(quota, np.asarray(chosen), shards=shards, offset=offset)
    for place, shard in enumerate(chosen):
        found = [
            range(start, stop)
            for start, stop in zip(starts[place].tolist(), stops[place].tolist(), strict=True)
            if start < stop
        ]
        assert found == draws_of_shard(quota, shard=shard, shards=shards, offset=offset)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 5))))
def test_stretches_are_counted_up_one_after_the_other(stretches):
    """The numbers of each, ascending; empty ones give nothing."""
    starts = np.asarray([start for start, _ in stretches], dtype=np.int64)
    lengths = np.asarray([length for _, length in stretches], dtype=np.int64)
    expected = [number for start, length in stretches for number in range(start, start + length)]
    assert counted_up(starts, lengths).tolist() == expected
