"""A supervised pool of worker processes on this machine.

Work is handed out as workers become free, so long items do not hold up short ones. A
worker that dies (killed, out of memory, crashed) is replaced and the items it may have held
are run again; an item that was there at every death is given up with an error.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any

from mixture_builder.errors import BuildError, of_the_machine
from mixture_builder.jobs import WARM_VARIABLE

if TYPE_CHECKING:
    from typing_extensions import Self

MAX_DEATHS = 3
"""An item that was at work in so many dying workers is given up."""

PRELOADED = ["mixture_builder.jobs.preload"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One call for a worker.

    Attributes:
      label: how messages name it.
      function: a module-level function.
      argument: its only argument; small and picklable.
    """

    label: str
    function: Callable[[Any], Any]
    argument: Any


class WorkerPool:
    """Runs jobs on worker processes; use as a context manager.

    Args:
      workers: how many processes; 0 runs jobs in this process, which is for debugging.
      initializer: called once in each worker, with `initargs`.
      on_death: told in one sentence when a worker has died and its work is done again.
    """

    def __init__(
        self,
        workers: int,
        *,
        initializer: Callable[..., None] | None = None,
        initargs: tuple[Any, ...] = (),
        on_death: Callable[[str], None] | None = None,
    ) -> None:
        self.workers = workers
        self._on_death = on_death
        self.deaths = 0
        self._initializer = initializer
        self._initargs = initargs
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if not self.workers and self._initializer is not None:
            self._initializer(*self._initargs)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop(wait_for_work=exception[0] is None)

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Any]]:
        """Yields each job with its result, in the order in which they finish.

        Raises:
          BuildError: if a job was at work in `MAX_DEATHS` dying workers, or had not enough
            memory.
          Exception: what a job raised; jobs at work are let finish, others are not begun.
        """
        if not self.workers:
            yield from _run_here(jobs)
            return
        waiting = deque(jobs)
        deaths: dict[str, int] = {}
        failed_starts = 0
        running: dict[Future[Any], Job] = {}
        while waiting or running:
            executor = self._started()
            # One spare item a worker keeps them busy; more would blur whose death it was.
            while waiting and len(running) < 2 * self.workers:
                job = waiting.popleft()
                try:
                    running[executor.submit(job.function, job.argument)] = job
                except (BrokenProcessPool, OSError, EOFError) as problem:
                    # A pool breaks when a worker dies; pipes break when none can be started.
                    waiting.appendleft(job)
                    failed_starts += 1
                    if failed_starts > MAX_DEATHS:
                        raise BuildError(
                            f"worker processes cannot be started ({problem}). "
                            "`mixture-builder doctor` looks into it; --workers 0 does without them."
                        ) from None
                    break
            if not running:
                self._replace()
                continue
            failed_starts = 0
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            died: list[Job] = []
            for future in done:
                job = running.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    died.append(job)
                    waiting.appendleft(job)
                    continue
                except MemoryError as problem:
                    raise _no_memory(job, problem) from problem
                yield job, result
            if died:
                for future, job in list(running.items()):
                    # The pool is gone; what was not done must be done again.
                    if future.done() and not future.exception():
                        yield job, future.result()
                    else:
                        died.append(job)
                        waiting.appendleft(job)
                running.clear()
                self._bury(died, deaths)

    def _bury(self, jobs: Sequence[Job], deaths: dict[str, int]) -> None:
        """Makes room for a new pool, and says what has happened."""
        cause = self._replace()
        for job in jobs:
            self._count_death(job, deaths, cause)
        if self._on_death:
            self._on_death(_death_text(jobs, cause))

    def _count_death(self, job: Job, deaths: dict[str, int], cause: str) -> None:
        deaths[job.label] = deaths.get(job.label, 0) + 1
        if deaths[job.label] >= MAX_DEATHS:
            raise BuildError(
                f"{job.label}: the worker process died {MAX_DEATHS} times, the last time {cause}. "
                "Use fewer workers (--workers) or smaller shards (output.shards), and run "
                "the same command again; finished work is kept."
            )

    def _started(self) -> ProcessPoolExecutor:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                self.workers,
                mp_context=_context(),
                initializer=_start_worker,
                initargs=(self._initializer, self._initargs),
            )
        return self._executor

    def _replace(self) -> str:
        """Ends what is left of the pool; the next job starts another one. Gives the cause."""
        self.deaths += 1
        executor = self._executor
        processes = dict(getattr(executor, "_processes", None) or {})
        # The other workers are being ended as well; none may write while its work is done again.
        self._stop(wait_for_work=True)
        return _cause([process.exitcode for process in processes.values()])

    def _stop(self, *, wait_for_work: bool) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=wait_for_work, cancel_futures=True)
            self._executor = None


def _run_here(jobs: Iterable[Job]) -> Iterator[tuple[Job, Any]]:
    for job in jobs:
        try:
            result = job.function(job.argument)
        except MemoryError as problem:
            raise _no_memory(job, problem) from problem
        yield job, result


def _no_memory(job: Job, problem: MemoryError) -> BuildError:
    return BuildError(f"{job.label}: {of_the_machine(problem)}")


def _cause(exit_codes: Iterable[int | None]) -> str:
    """Why workers ended, as far as their exit codes tell; the pool ends the others by SIGTERM."""
    told = [code for code in exit_codes if code and code != -signal.SIGTERM]
    if not told:
        return "for a reason it did not tell"
    if told[0] > 0:
        return f"with exit code {told[0]}"
    try:
        name = signal.Signals(-told[0]).name
    except ValueError:
        name = f"signal {-told[0]}"
    return f"by {name}{_MEANINGS.get(name, '')}"


_MEANINGS = {
    "SIGKILL": ", which is how the system ends processes when memory runs out",
    "SIGBUS": ", which a file that is cut or damaged while it is read can cause",
}


def _death_text(jobs: Sequence[Job], cause: str) -> str:
    named = ", ".join(job.label for job in jobs[:3]) + (", ..." if len(jobs) > 3 else "")
    return f"a worker process died {cause}; it is replaced, and its work done again: {named}"


def _start_worker(initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    """Prepares a worker, and sees to it that it does not outlive the process it works for."""
    # Ctrl-C reaches the whole group of processes; the main one decides what follows from it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*initargs)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        # The parent was killed: nobody takes the work any more, and nobody would end us.
        os._exit(1)


def _context() -> Any:
    # A fork server starts workers in milliseconds without copying our threads; where there
    # is none, processes are spawned.
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def start_early(warm: Mapping[str, str] | None = None) -> None:
    """Lets the fork server import what workers need while this process still reads files.

    Args:
      warm: paths of `recipe`, `cards` and `templates`, the latter two may be empty; what they
        need is parsed there too.
    """
    if sys.platform != "linux":
        return
    _context()
    if warm:
        os.environ[WARM_VARIABLE] = json.dumps(dict(warm))
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop(WARM_VARIABLE, None)


def available_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
