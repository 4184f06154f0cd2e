"""Work that a command gives to a pool of workers: how many, and with which bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


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
    function: Callable[[Any], Any],
    arguments: Sequence[tuple[str, Any]],
    *,
    workers: int,
    total: int,
    unit: str,
    done: Callable[[Any], int],
) -> list[Any]:
    """Calls a function with each argument; gives the results in the order of the arguments.

    Args:
      what: name of the bar.
      function: of a module; workers import it.
      arguments: small and picklable, each with the label by which messages name it.
      workers: processes at the most; 0 runs them in this one.
      total: end of the bar.
      unit: in which it counts.
      done: how much of it a result stands for.

    Raises:
      BuildError: as `WorkerPool.run` does.
      Exception: what a call raised.
    """
    from mixture_builder.cli.progress import JobLog
    from mixture_builder.drivers.pool import Job, WorkerPool
    from mixture_builder.io.no_pandas import keep_pandas_out

    keep_pandas_out()
    jobs = [Job(label=label, function=function, argument=given) for label, given in arguments]
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
