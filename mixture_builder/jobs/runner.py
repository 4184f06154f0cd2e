"""Where jobs run: what a pool on this machine and an engine have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from mixture_builder.io.stored_task import StoredTask
from mixture_builder.jobs.ingest.specs import PartSpec
from mixture_builder.lock import Lock
from mixture_builder.manifest import ShardResult


class Runner(Protocol):
    """Where jobs run: a pool on this machine, or Beam."""

    def ingest(
        self, parts: Sequence[Sequence[PartSpec]], tried: Mapping[str, tuple[str, ...]]
    ) -> Iterator[tuple[str, StoredTask | str]]:
        """Ingests tasks, each given by its parts; yields id and stored task or error."""
        ...

    def build(
        self,
        lock: Lock,
        *,
        store: Path,
        out: str,
        shards: Sequence[int],
        on_rendered: Callable[[int], None] | None = None,
    ) -> Iterator[ShardResult]:
        """Builds shards; yields their results in any order.

        Where examples are rendered before their shards are written, `on_rendered` is told how
        many.
        """
        ...
