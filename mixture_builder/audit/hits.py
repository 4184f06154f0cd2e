"""Records that a check found: all are counted, a few are kept as evidence.

The same records are kept whatever the order in which shards are read: those that stand first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

KEPT = 3
"""Records that are kept of a task for one check."""

EXCERPT = 240
"""Most characters of a record's text that are shown."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Evidence:
    """One record, as a reader finds it again.

    Attributes:
      shard: file below the mixture's folder.
      row: place in that file, from 0.
      text: what of it shows the fault.
    """

    shard: str
    row: int
    text: str

    def __reduce__(self) -> tuple[Any, ...]:
        # States are full of them, and this takes a third of the time of what a dataclass does.
        return _evidence, (self.shard, self.row, self.text)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"shard": self.shard, "row": self.row, "text": self.text}


def _evidence(shard: str, row: int, text: str) -> Evidence:
    return Evidence(shard=shard, row=row, text=text)


Key = tuple[str, str]
"""A check and a task."""


@dataclass(kw_only=True, slots=True)
class Hits:
    """How many records each check found in each task, and the first of them.

    Attributes:
      counts: by check and task.
      kept: likewise.
    """

    counts: dict[Key, int] = field(default_factory=dict)
    kept: dict[Key, tuple[Evidence, ...]] = field(default_factory=dict)

    def add(self, check: str, task: str, *, count: int, evidence: Iterable[Evidence]) -> None:
        """Counts records; of their evidence as much is kept as is shown."""
        key = (check, task)
        self.counts[key] = self.counts.get(key, 0) + count
        self.kept[key] = tuple(sorted({*self.kept.get(key, ()), *evidence})[:KEPT])

    def merged(self, other: Hits) -> Hits:
        """The records of both."""
        result = Hits(counts=dict(self.counts), kept=dict(self.kept))
        for (check, task), count in other.counts.items():
            result.add(check, task, count=count, evidence=other.kept[check, task])
        return result

    def of(self, check: str) -> dict[str, int]:
        """Counts of one check by task, sorted."""
        return {t: n for (c, t), n in sorted(self.counts.items()) if c == check}


def excerpt(text: str, at: int = 0, length: int = 0) -> str:
    """A stretch of a text around a place, with marks where something is left away.

    >>> excerpt("a short text")
    'a short text'
    >>> len(excerpt("x" * 1000, at=500)) <= EXCERPT + 6
    True
    """
    if len(text) <= EXCERPT:
        return text
    start = max(0, min(at - (EXCERPT - length) // 2, len(text) - EXCERPT))
    end = start + EXCERPT
    return ("..." if start else "") + text[start:end] + ("..." if end < len(text) else "")
