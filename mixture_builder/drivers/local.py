"""The local runner: jobs on a supervised pool of worker processes."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mixture_builder.drivers.pool import Job, WorkerPool
from mixture_builder.drivers.round_jobs import RoundJobs
from mixture_builder.io.atomic import cannot_write
from mixture_builder.io.mirror import has_scheme
from mixture_builder.io.remote_store import fetch_rows, origin
from mixture_builder.io.stored_task import StoredTask
from mixture_builder.jobs.build import build_shard, rows_of, work_folder
from mixture_builder.jobs.ingest.part import ingest_part
from mixture_builder.jobs.ingest.specs import PartResult, PartSpec, task_spec
from mixture_builder.jobs.ingest.task import finish_task
from mixture_builder.jobs.rounds import (
    WORKER_ROUND_BYTES,
    Assembly,
    Chunk,
    Round,
    assemble_shard,
    plan_rounds,
    render_chunk,
    worth_rounds,
)
from mixture_builder.lock import Lock
from mixture_builder.manifest import ShardResult


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalRunner:
    """Runs jobs on this machine.

    Attributes:
      workers: how many processes; 0 for this one.
      on_death: told in one sentence when a worker has died and is replaced.
    """

    workers: int
    on_death: Callable[[str], None] | None = None

    def ingest(
        self, parts: Sequence[Sequence[PartSpec]], tried: Mapping[str, tuple[str, ...]]
    ) -> Iterator[tuple[str, StoredTask | str]]:
        """See `jobs.runner.Runner`."""
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
        with WorkerPool(min(self.workers, len(jobs)), on_death=self.on_death) as pool:
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
        self,
        lock: Lock,
        *,
        store: Path,
        out: str,
        shards: Sequence[int],
        on_rendered: Callable[[int], None] | None = None,
    ) -> Iterator[ShardResult]:
        """See `jobs.runner.Runner`; shards are built in rounds where that costs less."""
        if not shards:
            return
        if origin(store):
            fetch_rows(store, rows_of(lock))
        in_rounds = worth_rounds(lock, shards)
        with WorkerPool(
            self.workers if in_rounds else min(self.workers, len(shards)),
            initializer=_set_lock,
            # As bytes: thousands of tasks are several times as large, and the arguments of a
            # process are held as long as it runs.
            initargs=(pickle.dumps(lock.for_rendering()), str(store)),
            on_death=self.on_death,
        ) as pool:
            if not in_rounds:
                jobs = [Job(label=f"shard {s}", function=_build, argument=(out, s)) for s in shards]
                for _, result in pool.run(jobs):
                    yield result
                return
            with _folder_for_rounds(lock, out) as folder:
                rounds = plan_rounds(
                    lock,
                    store=store,
                    shards=shards,
                    folder=folder,
                    small=WORKER_ROUND_BYTES * max(1, self.workers),
                )
                yield from _run_rounds(pool, rounds, out=out, on_rendered=on_rendered)


def _run_rounds(
    pool: WorkerPool,
    rounds: Iterator[Round],
    *,
    out: str,
    on_rendered: Callable[[int], None] | None,
) -> Iterator[ShardResult]:
    jobs = RoundJobs(rounds, out=out, render=_render, assemble=_assemble)
    for job, result in pool.run(jobs, done=jobs.done):
        if job.function is _assemble:
            yield result
        elif on_rendered:
            on_rendered(result)


@contextmanager
def _folder_for_rounds(lock: Lock, out: str) -> Iterator[Path]:
    """A folder on this machine: with the other unfinished work, if that is here too."""
    if has_scheme(out):
        with TemporaryDirectory(prefix="mixture-builder-") as temporary:
            yield Path(temporary)
        return
    folder = Path(work_folder(out, lock.fingerprint)) / "rounds"
    # What a killed build has left is of no use: nothing says that it is whole.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _size(spec: PartSpec) -> int:
    return sum(f.size or 0 for f in spec.files)


def _ingest_whole(argument: tuple[PartSpec, tuple[str, ...]]) -> StoredTask | str:
    spec, tried = argument
    return finish_task(task_spec([spec], [ingest_part(spec)], tried))


_mixture: tuple[Lock, Path] | None = None
"""The lock and the store of this worker process: parsed once, not once a shard."""


def _set_lock(pickled: bytes, store: str) -> None:
    global _mixture  # noqa: PLW0603  (a worker process has no other place for what it is given)
    _mixture = pickle.loads(pickled), Path(store)  # noqa: S301  (our own)


def _given() -> tuple[Lock, Path]:
    assert _mixture is not None
    return _mixture


def _build(argument: tuple[str, int]) -> ShardResult:
    lock, store = _given()
    out, shard = argument
    return build_shard(lock, store=store, out=out, shard=shard)


def _render(chunk: Chunk) -> int:
    lock, store = _given()
    try:
        return render_chunk(lock, chunk, store=store)
    except OSError as error:
        # Rows are mapped, and what is wrong with them is a `StoreError`: this was the chunk.
        raise cannot_write(chunk.file, error) from error


def _assemble(assembly: Assembly) -> ShardResult:
    return assemble_shard(_given()[0], assembly)
