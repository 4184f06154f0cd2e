"""The certificate of a mixture: quotas met, and every prefix of the shards at the right rates.

A draw of a task with quota q stands at its place k / q on a circle, and the first m of S shards
are an arc of m / S of it (`shards.py`). Points that stand evenly on a circle come to
more than q * m / S - 1 and fewer than q * m / S + 1 on such an arc, wherever it begins: that
is `TASK_BOUND`. Of a stretch of draws a cell of weight w in W gets its share by Webster's
method (`dealing.py`): at a place of the cycle each cell differs from its due by at most 1/2, so
a prefix of a cycle with C cells by at most 1/2 + C / 2, an arc (two stretches, four ends) by
2 + 2 C, and rounding quotas moves fewer than C draws; with the arc's own draw it is
`cell_bound`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

TASK_BOUND = 1
"""In any prefix of the shards a task has fewer draws too many or too few than this."""


def cell_bound(cells: int) -> int:
    """In any prefix of the shards a cell of a task with so many has at most so many too many."""
    return 3 * cells + 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Deviation:
    """The farthest that any prefix of the shards is from its due.

    Attributes:
      draws: how far; 0 if there is nothing to compare.
      name: whose draws.
      shards: length of the prefix.
    """

    draws: Fraction
    name: str
    shards: int

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"largest": str(self.draws), "at": self.name, "shards": self.shards}


def prefix_deviation(
    quotas: Mapping[str, int], counted: Iterable[Mapping[str, int]], *, shards: int
) -> Deviation:
    """How far prefixes of the shards are from `quota * m / shards`, at the worst.

    Args:
      quotas: by name.
      counted: for each shard, in order, how many draws of each name it holds.
      shards: how many there are in all; `counted` may be shorter.
    """
    names = list(quotas)
    place = {name: number for number, name in enumerate(names)}
    asked = np.asarray([quotas[name] for name in names], dtype=np.int64)
    held = np.zeros(len(names), dtype=np.int64)
    worst, name, prefix = 0, "", 0
    for number, counts in enumerate(counted, start=1):
        places = np.fromiter((place[found] for found in counts), np.int64, len(counts))
        held[places] += np.fromiter(counts.values(), np.int64, len(counts))
        # Both sides times the number of shards: whole numbers, so nothing is rounded.
        distance = np.abs(held * shards - asked * number)
        if len(distance) and (most := int(distance.max())) > worst:
            worst, name, prefix = most, names[int(distance.argmax())], number
    return Deviation(draws=Fraction(worst, shards), name=name, shards=prefix)


def make_certificate(
    tasks: Mapping[str, Mapping[str, Any]],
    *,
    cells: Sequence[Mapping[str, Mapping[str, int]]],
    dropped: Sequence[Mapping[str, Mapping[str, int]]],
    shards: int,
    quotas: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, Any]:
    """Plain data of the certificate.

    Args:
      tasks: as the manifest has them.
      cells: for each shard, examples by task and cell.
      dropped: for each shard, draws that came to nothing, by task and reason.
      shards: how many there are in all.
      quotas: of all shards together, by task and cell, where `tasks` speak of the first few only.
    """
    due = quotas or {
        t: {name: cell["quota"] for name, cell in facts["variants"].items()}
        for t, facts in tasks.items()
    }
    drawn = []
    for by_cell, gone in zip(cells, dropped, strict=True):
        counts = {t: sum(found.values()) for t, found in by_cell.items() if t in tasks}
        for t, reasons in gone.items():
            if t in tasks:
                counts[t] = counts.get(t, 0) + sum(reasons.values())
        drawn.append(counts)
    # Of dropped draws no cell is known: tasks that have any are compared as a whole only.
    whole = {t for t, facts in tasks.items() if not facts["dropped"]}
    cell_quotas = {
        f"{t} {name}": quota for t in tasks if t in whole for name, quota in due[t].items()
    }
    by_cells = [
        {f"{t} {name}": n for t, found in shard.items() if t in whole for name, n in found.items()}
        for shard in cells
    ]
    most_cells = max((len(tasks[t]["variants"]) for t in whole), default=0)
    return {
        "shards": shards,
        "quotas": {
            "tasks": len(tasks),
            "exact": sum(facts["realised"] == facts["quota"] for facts in tasks.values()),
            "short_by_dropped": sum(sum(facts["dropped"].values()) for facts in tasks.values()),
            "cells": sum(len(facts["variants"]) for facts in tasks.values()),
            "cells_exact": sum(
                cell["realised"] == cell["quota"]
                for facts in tasks.values()
                for cell in facts["variants"].values()
            ),
        },
        "prefixes": {
            "tasks": {
                "below": TASK_BOUND,
                **prefix_deviation(
                    {t: sum(due[t].values()) for t in tasks}, drawn, shards=shards
                ).to_json(),
            },
            "cells": {
                "at_most": cell_bound(most_cells),
                **prefix_deviation(cell_quotas, by_cells, shards=shards).to_json(),
            },
        },
        "parts": _parts(tasks),
    }


def _parts(tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Share asked for and realised of each part that has tasks of its own."""
    whole = max(1, sum(facts["realised"] for facts in tasks.values()))
    result: dict[str, dict[str, Any]] = {}
    for facts in tasks.values():
        part = result.setdefault(facts["submixture"], {"share": Fraction(0), "realised": 0})
        part["share"] += Fraction(facts["share"])
        part["realised"] += facts["realised"]
    return {
        path: {
            "share": str(part["share"]),
            "realised": str(Fraction(part["realised"], whole)),
        }
        for path, part in sorted(result.items())
    }
