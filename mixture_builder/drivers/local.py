"""The local runner: jobs on a supervised pool of worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixture_builder.drivers.pool import Job, WorkerPool
from mixture_builder.io.rowstore import StoredTask
from mixture_builder.jobs.build import build_shard
from mixture_builder.jobs.ingest import PartResult, PartSpec, finish_task, ingest_part
from mixture_builder.jobs.mixture import task_spec
from mixture_builder.lock import Lock, lock_from_json
from mixture_builder.manifest import ShardResult


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalRunner:
    """Runs jobs on this machine.

    Attributes:
      workers: how many processes; 0 for this one.
    """

    workers: int

    def ingest(
        self, parts: Sequence[Sequence[PartSpec]], tried: Mapping[str, tuple[str, ...]]
    ) -> Iterator[tuple[str, StoredTask | str]]:
        """See `jobs.mixture.Runner`."""
        whole = [
            Job(
                label=specs[0].card.id,
                function=_ingest_whole,
                argument=(specs[0], tried.get(specs[0].card.id, ())),
            )
            for specs in parts
            if len(specs) == 1
        ]
        split = {specs[0].card.id: specs for specs in parts if len(specs) > 1}
        pieces = [
            Job(label=f"{spec.card.id} part {spec.part}", function=ingest_part, argument=spec)
            for specs in split.values()
            for spec in specs
        ]
        if not whole and not pieces:
            return
        # Long jobs first: a large file begun last would keep one worker busy alone.
        jobs = pieces + sorted(whole, key=lambda j: -_size(j.argument[0]))
        results: dict[str, list[PartResult]] = {task: [] for task in split}
        with WorkerPool(min(self.workers, len(jobs))) as pool:
            finishing: list[Job] = []
            for job, result in pool.run(jobs):
                if not isinstance(result, PartResult):
                    yield job.label, result
                    continue
                task = result.task
                results[task].append(result)
                if len(results[task]) == len(split[task]):
                    spec = task_spec(split[task], results[task], tried.get(task, ()))
                    finishing.append(Job(label=task, function=finish_task, argument=spec))
            for job, result in pool.run(finishing):
                yield job.label, result

    def build(
        self, lock: Lock, *, store: Path, out: str, shards: Sequence[int]
    ) -> Iterator[ShardResult]:
        """See `jobs.mixture.Runner`."""
        if not shards:
            return
        jobs = [
            Job(label=f"shard {shard}", function=_build, argument=(str(store), out, shard))
            for shard in shards
        ]
        with WorkerPool(
            min(self.workers, len(jobs)), initializer=_set_lock, initargs=(lock.to_json(),)
        ) as pool:
            for _, result in pool.run(jobs):
                yield result


def _size(spec: PartSpec) -> int:
    return sum(f.size or 0 for f in spec.files)


def _ingest_whole(argument: tuple[PartSpec, tuple[str, ...]]) -> StoredTask | str:
    spec, tried = argument
    return finish_task(task_spec([spec], [ingest_part(spec)], tried))


_lock: Lock | None = None
"""The lock of this worker process: parsed once, not once a shard."""


def _set_lock(plain: Mapping[str, Any]) -> None:
    global _lock  # noqa: PLW0603  (a worker process has no other place for what it is given at start)
    _lock = lock_from_json(plain)


def _build(argument: tuple[str, str, int]) -> ShardResult:
    store, out, shard = argument
    assert _lock is not None
    return build_shard(_lock, store=Path(store), out=out, shard=shard)
