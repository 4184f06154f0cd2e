"""Where every draw of a mixture stands: in which shard, and at which place in it.

The same rules as in `shards.py` and `jobs/shard_table.py`, worked out for all tasks at once
with arrays and without rendering anything: a shard of a mixture of a thousand tasks takes
milliseconds. So a single record can be found by its place, and told from its plan alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixture_builder.draw import Bits, Indices, derive_seed, random_bits_of
from mixture_builder.plan import MixturePlan
from mixture_builder.shards import CIRCLE, shard_offset

MAX_QUOTA = 1 << 41
"""Quotas up to here are counted exactly in 64 bits."""

_HALF = 20
"""Bits of half of the circle's size."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draws:
    """Some draws, in order.

    Attributes:
      tasks: the place of each one's task in the plan.
      draws: their numbers.
    """

    tasks: Indices
    draws: Indices

    def __len__(self) -> int:
        return len(self.draws)

    @property
    def nbytes(self) -> int:
        """What they take in memory."""
        return int(self.tasks.nbytes + self.draws.nbytes)


class ShardLayout:
    """Which draws stand in each shard of a plan, and in which order.

    Args:
      plan: of the mixture.
    """

    def __init__(self, plan: MixturePlan) -> None:
        assert all(task.quota < MAX_QUOTA for task in plan.tasks)
        self.shards = plan.shards
        names = [task.task for task in plan.tasks]
        self._quotas = np.asarray([task.quota for task in plan.tasks], dtype=np.int64)
        self._turns = np.asarray([shard_offset(plan.seed, n) for n in names], dtype=np.int64)
        seeds = [derive_seed(plan.seed, "order", name) for name in names]
        self._seeds: Bits = np.asarray(seeds, dtype=np.uint64)
        self._rank = np.argsort(np.argsort(np.asarray(names, dtype=object)))
        self._wrap = _first_draws_at(np.int64(CIRCLE) - self._turns, self._quotas)

    def counts_before(self, shard: int) -> Indices:
        """How many draws of each task stand in the shards before this one."""
        place = np.int64(shard * CIRCLE // self.shards)
        before = _first_draws_at(place - self._turns, self._quotas)
        wrapped = _first_draws_at(place - self._turns + np.int64(CIRCLE), self._quotas)
        counts: Indices = before + wrapped - self._wrap
        return counts

    def before(self, shard: int) -> int:
        """How many draws stand in the shards before this one."""
        return int(self.counts_before(shard).sum())

    def stretches(self, shard: int) -> tuple[Indices, Indices]:
        """First and one past the last draw of each task's two stretches: shape (tasks, 2).

        One of them or both may be empty; they are in ascending order.
        """
        starts, stops = (
            _ends_at(np.int64(edge * CIRCLE // self.shards) - self._turns, self._quotas)
            for edge in (shard, shard + 1)
        )
        return starts, stops

    def draws(self, shard: int) -> Draws:
        """The draws of a shard by task, ascending."""
        starts, stops = self.stretches(shard)
        lengths = (stops - starts).ravel()
        draws = counted_up(starts.ravel(), lengths)
        tasks = np.repeat(np.repeat(np.arange(len(starts)), 2), lengths)
        return Draws(tasks=tasks, draws=draws)

    def ordered(self, shard: int) -> Draws:
        """The draws of a shard in the order in which its file has them."""
        found = self.draws(shard)
        keys = random_bits_of(self._seeds[found.tasks], found.draws)
        order = np.argsort(keys, kind="stable")
        sorted_keys = keys[order]
        if (sorted_keys[1:] == sorted_keys[:-1]).any():
            order = np.lexsort((found.draws, self._rank[found.tasks], keys))
        return Draws(tasks=found.tasks[order].astype(np.int32), draws=found.draws[order])


def stretches_of_task(
    quota: int, chosen: Indices, *, shards: int, offset: int
) -> tuple[Indices, Indices]:
    """First and one past the last draw of a task's two stretches in some shards.

    Args:
      quota: draws of the task, fewer than `MAX_QUOTA`.
      chosen: the shards.
      shards: how many there are in all.
      offset: of the task; see `shards.shard_offset`.

    Returns:
      Two arrays of shape (len(chosen), 2). One stretch of a shard or both may be empty; they are in
      ascending order.
    """
    assert quota < MAX_QUOTA
    edges = np.stack([chosen, chosen + 1]).astype(np.int64)
    found = _ends_at(edges * CIRCLE // shards - offset % CIRCLE, np.asarray(quota))
    return found[0], found[1]


def counted_up(starts: Indices, lengths: Indices) -> Indices:
    """The numbers of stretches, those of one after those of the one before."""
    # A running number within each stretch, put on top of where the stretch starts.
    first = np.cumsum(lengths) - lengths
    return np.repeat(starts - first, lengths) + np.arange(int(lengths.sum()))


def _ends_at(places: Indices, quotas: Indices) -> Indices:
    """For each place on the circle, seen from a task's offset, where its two stretches end there.

    A stretch of the circle may pass its end; then the one before the end has the larger numbers.
    """
    return np.stack(
        [_first_draws_at(places, quotas), _first_draws_at(places + CIRCLE, quotas)], axis=-1
    )


def _first_draws_at(places: Indices, quotas: Indices) -> Indices:
    """For each task the first draw k with k / quota >= place / circle; see `shards`."""
    clamped = np.clip(places, 0, CIRCLE)
    # ceil(place * quota / 2**40) in two steps of 20 bits: the product itself may need 80.
    high, low = clamped >> _HALF, clamped & ((1 << _HALF) - 1)
    bottom = low * quotas
    middle = high * quotas + (bottom >> _HALF) + ((bottom & ((1 << _HALF) - 1)) > 0)
    result: Indices = (middle + ((1 << _HALF) - 1)) >> _HALF
    return result
