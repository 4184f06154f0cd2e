"""What goes to workers of an ingest, and what comes back: small, plain and picklable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixture_builder.cards import TaskCard
from mixture_builder.io.readers import SourceFile

QUARANTINE_ENTRIES = 1_000
"""Records that a task's quarantine keeps; all are counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartSpec:
    """One part of a task's source, for one worker.

    Attributes:
      card: the whole card.
      store: root of the row store; its URL, if workers are elsewhere.
      alternative: which of the card's sources.
      part: number of this part, from 0.
      files: what it reads.
      spill: folder or URL for the rows it spills.
    """

    card: TaskCard
    store: str
    alternative: int
    part: int
    files: tuple[SourceFile, ...]
    spill: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PartResult:
    """What reading one part came to.

    Attributes:
      runs: spilled files, each sorted by identity.
      seen: what is known of its files now that they were read, by name: `sha256`, and `bytes` of
        those on the network.
      error: why the part could not be read to its end; empty if it was.
    """

    task: str
    part: int
    alternative: int
    runs: tuple[str, ...]
    records: int
    filtered: int
    quarantined: Mapping[str, int]
    entries: tuple[Mapping[str, Any], ...]
    seen: Mapping[str, Mapping[str, Any]]
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskSpec:
    """All parts of one task, to be finished by one worker."""

    card: TaskCard
    store: str
    alternative: int
    files: tuple[SourceFile, ...]
    parts: tuple[PartResult, ...]
    tried: tuple[str, ...] = ()


def task_spec(
    parts: Sequence[PartSpec], results: Sequence[PartResult], tried: tuple[str, ...]
) -> TaskSpec:
    """The spec that finishes a task whose parts are read."""
    return TaskSpec(
        card=parts[0].card,
        store=parts[0].store,
        alternative=parts[0].alternative,
        files=tuple(file for part in parts for file in part.files),
        parts=tuple(results),
        tried=tried,
    )
