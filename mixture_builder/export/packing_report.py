"""What packing did to a mixture: how full its sequences are, and whether its ratio is kept.

Whole examples are packed and none is turned away but for its length, so a share changes only
by what is too long. It is reported task by task, in examples and in tokens: a rate is a rate
of examples, while what a model sees of a task is tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_DIGITS = 6

Flags = npt.NDArray[np.bool_]
Lengths = npt.NDArray[np.int64]


def shard_counts(
    examples: pa.Table, *, packed: Flags, tokens: Lengths, learned: Lengths, sequences: int
) -> dict[str, Any]:
    """Counts of one split of one shard, as plain data.

    Args:
      examples: with the columns `task_id` and `submixture`.
      packed: for each example whether it is in a sequence.
      tokens: of each example.
      learned: those of them that a model is trained to give.
      sequences: how many there are.
    """
    names = examples.column("task_id").combine_chunks().dictionary_encode()
    if isinstance(names, pa.ChunkedArray):
        names = names.combine_chunks()
    tasks = names.dictionary.to_pylist()
    codes = names.indices.to_numpy()
    # Of each task some example says which submixture it belongs to.
    firsts = {code: place for place, code in reversed(list(enumerate(codes.tolist())))}
    parts = examples.column("submixture")
    weights = {
        "examples": np.ones(len(codes)),
        "packed": packed,
        "tokens": tokens * packed,
        "target_tokens": learned * packed,
    }
    sums = {
        name: np.bincount(codes, weights=weight, minlength=len(tasks)).astype(np.int64).tolist()
        for name, weight in weights.items()
    }
    return {
        "sequences": sequences,
        "tasks": {
            task: {
                "submixture": parts[firsts[code]].as_py(),
                **{name: values[code] for name, values in sums.items()},
            }
            for code, task in enumerate(tasks)
        },
    }


def whole_report(splits: Mapping[str, Sequence[Mapping[str, Any]]], *, room: int) -> dict[str, Any]:
    """The report of an export, as plain data.

    Args:
      splits: for each, what `shard_counts` gave for its shards.
      room: tokens that a sequence holds.

    Returns:
      `splits`: sequences, examples and how full the sequences are, by split. `submixtures`
      and `tasks`: examples, those packed, those too long, tokens, and shares before and
      after. `largest_change`: of a submixture's share of the examples, as a fraction.
    """
    by_split = {split: _of_split(shards, room) for split, shards in splits.items() if shards}
    tasks: dict[str, Counter[str]] = {}
    submixtures: dict[str, Counter[str]] = {}
    for shards in splits.values():
        for shard in shards:
            for task, counts in shard["tasks"].items():
                numbers = {k: v for k, v in counts.items() if k != "submixture"}
                tasks.setdefault(task, Counter()).update(numbers)
                submixtures.setdefault(counts["submixture"], Counter()).update(numbers)
    parts = _with_shares(submixtures)
    changes = [abs(part["share_packed"] - part["share"]) for part in parts.values()]
    return {
        "splits": by_split,
        "largest_change": round(max(changes, default=0.0), _DIGITS),
        "submixtures": parts,
        "tasks": _with_shares(tasks),
    }


def _of_split(shards: Sequence[Mapping[str, Any]], room: int) -> dict[str, Any]:
    total: Counter[str] = Counter()
    for shard in shards:
        for counts in shard["tasks"].values():
            total.update({k: v for k, v in counts.items() if k != "submixture"})
    count = sum(shard["sequences"] for shard in shards)
    return {
        "sequences": count,
        "examples": total["examples"],
        "packed": total["packed"],
        "too_long": total["examples"] - total["packed"],
        "tokens": total["tokens"],
        "target_tokens": total["target_tokens"],
        "fill": _ratio(total["tokens"], count * room),
    }


def _with_shares(groups: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, Any]]:
    totals: Counter[str] = Counter()
    for counts in groups.values():
        totals.update(counts)
    return {
        name: {
            "examples": counts["examples"],
            "packed": counts["packed"],
            "too_long": counts["examples"] - counts["packed"],
            "tokens": counts["tokens"],
            "target_tokens": counts["target_tokens"],
            "share": _ratio(counts["examples"], totals["examples"]),
            "share_packed": _ratio(counts["packed"], totals["packed"]),
            "share_of_tokens": _ratio(counts["tokens"], totals["tokens"]),
        }
        for name, counts in sorted(groups.items())
    }


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, _DIGITS) if whole else 0.0
