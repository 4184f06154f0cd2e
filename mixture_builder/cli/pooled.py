"""Work that a command gives to a pool of workers: how many, and with which bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixture_builder.drivers.pool import Job


def workers_for(asked: int | None, *, size: float, few: float) -> int:
    """The number of `--workers`, or else what the work is worth.

    Args:
      asked: what the user said, if anything.
      size: of the work, in whatever unit `few` is.
      few: up to this size it is done in this process: starting workers would take longer.
    """
    from mixture_builder.drivers.pool import available_cores

    if asked is not None:
        return asked
    return 0 if size <= few else available_cores()


def run_all(
    what: str,
    jobs: Sequence[Job],
    *,
    workers: int,
    total: int,
    unit: str,
    done: Callable[[Any], int],
) -> list[Any]:
    """Runs all jobs; gives their results in the order of the jobs.

    Args:
      what: name of the bar.
      jobs: each with a label of its own.
      workers: processes at the most; 0 runs them in this one.
      total: end of the bar.
      unit: in which it counts.
      done: how much of it a result stands for.

    Raises:
      BuildError: as `WorkerPool.run` does.
      Exception: what a job raised.
    """
    from mixture_builder.cli.progress import JobLog
    from mixture_builder.drivers.pool import WorkerPool

    places = {id(job): place for place, job in enumerate(jobs)}
    results: list[Any] = [None] * len(jobs)
    with (
        JobLog(as_json=False).bar(what, total=total, unit=unit) as bar,
        WorkerPool(min(workers, len(jobs))) as pool,
    ):
        for job, result in pool.run(jobs):
            results[places[id(job)]] = result
            bar.advance(done(result))
    return results
