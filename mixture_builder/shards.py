"""Which draws go to which shard, and what the files are called.

The draws of a task are spread over the shards in stretches: shard s of S takes the draws
whose place k / quota, turned by a seeded offset, falls in [s/S, (s+1)/S). So every shard is
a small mixture with the shares of the whole, any prefix of shards is a valid smaller
mixture, and a shard reads neighbouring rows of the store.
"""

from __future__ import annotations

import re

from mixture_builder.draw import derive_seed

CIRCLE = 1 << 40
"""Places on the circle that a task's draws are laid on."""

SUFFIXES = {"parquet": ".parquet", "tfrecord": ".tfrecord", "jsonl": ".jsonl"}

MAX_SHARDS = 99_999


_SHARD_NAME = re.compile(
    r"train-\d{5}-of-\d{5}(" + "|".join(map(re.escape, SUFFIXES.values())) + ")"
)


def shard_name(shard: int, shards: int, file_format: str) -> str:
    """`train-00003-of-00064.parquet`, as Hugging Face and TFDS write it."""
    return f"train-{shard:05d}-of-{shards:05d}{SUFFIXES[file_format]}"


def is_shard_name(name: str) -> bool:
    """Whether a file is called like a shard of any build.

    >>> is_shard_name("train-00003-of-00064.parquet"), is_shard_name("train.parquet")
    (True, False)
    """
    return _SHARD_NAME.fullmatch(name) is not None


def draws_of_shard(quota: int, *, shard: int, shards: int, offset: int) -> list[range]:
    """The draws of a quota that belong to one shard: at most two stretches.

    Args:
      quota: draws of the task; they are numbered from 0.
      shard: from 0.
      shards: how many there are.
      offset: any whole number; the task's, see `shard_offset`.

    Returns:
      Stretches of draw numbers, ascending. Over all shards each draw stands once, and
      shards differ by at most two draws.
    """
    turn = offset % CIRCLE
    ends = []
    for edge in (shard, shard + 1):
        # A stretch of the circle may pass its end; then it is two stretches of draws, of which the
        # one before the end holds the larger numbers.
        at = edge * CIRCLE // shards - turn
        ends.append((_first_draw_at(at, quota), _first_draw_at(at + CIRCLE, quota)))
    return [range(first, last) for first, last in zip(*ends, strict=True) if first < last]


def _first_draw_at(place: int, quota: int) -> int:
    """The first draw k with k / quota >= place / circle."""
    return min(quota, max(0, -(-place * quota // CIRCLE)))


def shard_offset(seed: int, task: str) -> int:
    """Where a task's draws begin on the circle of shards."""
    return derive_seed(seed, "shard offset", task) % CIRCLE
