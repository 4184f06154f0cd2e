"""From the number of a record to its draw: shard by shard, in the order of each file.

Arithmetic on the plan alone. The order of a shard takes milliseconds to work out; those met last
are kept.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mixture_builder.draw import Indices
from mixture_builder.errors import RecipeError
from mixture_builder.jobs.shard_layout import Draws, ShardLayout
from mixture_builder.plan import MixturePlan

INDEX_BYTES = 64 << 20
"""What the orders of the shards met last may take in memory; one is always kept."""

DroppedDraws = Mapping[int, Mapping[str, Sequence[int]]]
"""By shard and task the draws that come to nothing."""


class RecordIndex:
    """Which draw stands at each number.

    Args:
      plan: of the mixture.
      shards: how many of its shards, from the first on.
      dropped: draws that come to nothing, and so have no number.

    Attributes:
      layout: of the plan.
      total: how many numbers there are.

    Raises:
      RecipeError: if a dropped draw is of a task that the plan does not have.
    """

    def __init__(self, plan: MixturePlan, *, shards: int, dropped: DroppedDraws) -> None:
        self.layout = ShardLayout(plan)
        self._shards = shards
        self._orders: OrderedDict[int, Draws] = OrderedDict()
        self._order_bytes = 0
        self._starts: dict[int, int] = {}
        numbers = {task.task: place for place, task in enumerate(plan.tasks)}
        self._dropped_shards = sorted(dropped)
        counts = [sum(map(len, dropped[s].values())) for s in self._dropped_shards]
        self._dropped_before = [0, *np.cumsum(counts).tolist()]
        try:
            self._dropped_codes = {
                shard: np.asarray(
                    [_code(numbers[task], k) for task, draws in tasks.items() for k in draws],
                    dtype=np.int64,
                )
                for shard, tasks in dropped.items()
            }
        except KeyError as problem:
            raise RecipeError(
                f"found a dropped draw of the task {problem}, which the lock does not have. Lock "
                "and manifest are of different builds: build the mixture again."
            ) from None
        self.total = self._start(shards)

    def draws(self, numbers: Indices) -> Draws:
        """The draws at some numbers, each in [0, total), in the order of the numbers."""
        tasks, draws = np.zeros(len(numbers), np.int64), np.zeros(len(numbers), np.int64)
        by_number = np.argsort(numbers, kind="stable")
        at = 0
        while at < len(by_number):
            shard = self._shard_of(int(numbers[by_number[at]]))
            end = self._start(shard + 1)
            until = at + int(np.searchsorted(numbers[by_number[at:]], end))
            group = by_number[at:until]
            order, inside = self._order(shard), numbers[group] - self._start(shard)
            tasks[group], draws[group] = order.tasks[inside], order.draws[inside]
            at = until
        return Draws(tasks=tasks, draws=draws)

    def _start(self, shard: int) -> int:
        """How many records stand in the shards before this one."""
        if shard not in self._starts:
            lost = self._dropped_before[bisect_left(self._dropped_shards, shard)]
            self._starts[shard] = self.layout.before(shard) - lost
        return self._starts[shard]

    def _shard_of(self, number: int) -> int:
        low, high = 0, self._shards - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self._start(middle) <= number:
                low = middle
            else:
                high = middle - 1
        return low

    def _order(self, shard: int) -> Draws:
        """The draws of one shard in the order of its file; those met last are kept."""
        order = self._orders.pop(shard, None)
        if order is None:
            order = self.layout.ordered(shard)
            lost = self._dropped_codes.get(shard)
            if lost is not None:
                codes = _code(order.tasks.astype(np.int64), order.draws)
                there = np.flatnonzero(~np.isin(codes, lost))
                order = Draws(tasks=order.tasks[there], draws=order.draws[there])
            self._order_bytes += order.nbytes
            while self._orders and self._order_bytes > INDEX_BYTES:
                self._order_bytes -= self._orders.popitem(last=False)[1].nbytes
        self._orders[shard] = order
        return order


def _code(task: Any, draw: Any) -> Any:
    """Task and draw as one number; draws are below 2**41."""
    return (task << 41) + draw
