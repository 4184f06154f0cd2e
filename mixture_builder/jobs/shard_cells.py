"""What cells ask of some draws: arithmetic alone, nothing is rendered."""

from __future__ import annotations

from collections import Counter

import numpy as np

from mixture_builder.dealing import deal
from mixture_builder.draw import Indices
from mixture_builder.jobs.shard_layout import ShardLayout
from mixture_builder.lock import Lock
from mixture_builder.plan import TaskPlan


def cells_of_draws(task: TaskPlan, draws: Indices) -> dict[str, int]:
    """How many of some draws of a task serve each of its cells; cells without any are left out."""
    served, _ = deal([c.weight for c in task.cells], [c.quota for c in task.cells], draws)
    counts = Counter(task.cells[cell].name for cell in served.tolist())
    return dict(sorted(counts.items()))


def cells_of_first_shards(lock: Lock, take: int) -> dict[str, dict[str, int]]:
    """What each cell of each task asks of the first shards of a mixture."""
    layout = ShardLayout(lock.plan)
    numbers: list[list[Indices]] = [[] for _ in lock.plan.tasks]
    for shard in range(take):
        starts, stops = layout.stretches(shard)
        for number in np.flatnonzero((starts < stops).any(axis=1)).tolist():
            for start, stop in zip(starts[number], stops[number], strict=True):
                numbers[number].append(np.arange(start, max(start, stop)))
    return {
        task.task: cells_of_draws(task, np.concatenate(parts))
        for task, parts in zip(lock.plan.tasks, numbers, strict=True)
        if parts
    }
