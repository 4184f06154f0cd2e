"""Audits of stored rows on this machine: a task at a time on a pool of workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mixture_builder.audit.rows.contamination import CheckedTask, check_task
from mixture_builder.audit.rows.duplicates import (
    Cluster,
    RowKeys,
    RowSource,
    digest_rows,
    find_clusters,
)
from mixture_builder.audit.rows.held_out import HeldOutIndex, load_index, save_index
from mixture_builder.drivers.pool import Job, WorkerPool
from mixture_builder.io.stored_task import StoredTask, task_folder


def check_tasks(
    stored: Mapping[str, StoredTask],
    *,
    store: Path,
    index: HeldOutIndex,
    near_share: float,
    workers: int,
    on_task: Callable[[CheckedTask], None] | None = None,
) -> dict[str, CheckedTask]:
    """Looks for held-out items in the rows of tasks; sorted by task.

    Args:
      stored: the tasks.
      store: root of the row store.
      index: of the items. Workers share its memory.
      near_share: see `contamination.check_task`.
      workers: how many processes; 0 for this one.
      on_task: told of each task as it is finished.

    Raises:
      StoreError: if stored rows cannot be read.
    """
    # Long jobs first: a large task begun last would keep one worker busy alone.
    ordered = sorted(stored.values(), key=lambda s: (-s.rows, s.task))
    workers = min(workers, len(ordered))
    result = {}
    with TemporaryDirectory(prefix="mixture-builder-") as folder:
        save_index(index, Path(folder))
        jobs = [
            Job(
                label=each.task,
                function=_check,
                argument=_Check(
                    task=each.task,
                    folder=task_folder(store, each.task, each.fingerprint),
                    rows=each.rows,
                    near_share=near_share,
                ),
            )
            for each in ordered
        ]
        with WorkerPool(workers, initializer=_open, initargs=(folder,)) as pool:
            for job, checked in pool.run(jobs):
                result[job.label] = checked
                if on_task:
                    on_task(checked)
    return dict(sorted(result.items()))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Check:
    task: str
    folder: Path
    rows: int
    near_share: float


_index: HeldOutIndex | None = None
"""The index of this worker process."""


def _open(folder: str) -> None:
    global _index  # noqa: PLW0603  (a worker process has no other place for what it is given)
    _index = load_index(Path(folder))


def _check(given: _Check) -> CheckedTask:
    assert _index is not None
    return check_task(
        given.task, given.folder, rows=given.rows, index=_index, near_share=given.near_share
    )


def find_duplicates(
    sources: Sequence[RowSource],
    *,
    near: bool,
    twins: bool,
    workers: int,
    on_task: Callable[[RowSource], None] | None = None,
) -> list[Cluster]:
    """Clusters of rows that say the same; the same for any number of workers.

    Args:
      sources: rows of tasks, each with a rank of its own, from 0.
      near: whether near-duplicates are looked for.
      twins: whether rows of tasks over the same source are compared.
      workers: how many processes; 0 for this one.
      on_task: told of each task as it is read.

    Raises:
      StoreError: if stored rows cannot be read.
    """
    with TemporaryDirectory(prefix="mixture-builder-") as folder:
        jobs = [
            Job(label=source.task, function=_digest, argument=(source, Path(folder)))
            for source in sorted(sources, key=lambda s: (-s.rows, s.task))
        ]
        with WorkerPool(min(workers, len(jobs))) as pool:
            for job, _ in pool.run(jobs):
                if on_task:
                    on_task(job.argument[0])
        return find_clusters(RowKeys(sources, Path(folder)), near=near, twins=twins)


def _digest(argument: tuple[RowSource, Path]) -> None:
    digest_rows(*argument)
