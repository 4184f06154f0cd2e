"""A supervised pool of worker processes on this machine.

Work is handed out as workers become free, so long items do not hold up short ones. A
worker that dies (killed, out of memory, crashed) is replaced and its item is run again; an
item at which several workers died is given up with an error. The standard library's pool is
not used: there, one death ends all workers, and some deaths are waited for for ever.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, forkserver
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mixture_builder.errors import BuildError, of_the_machine
from mixture_builder.jobs import WARM_VARIABLE

if TYPE_CHECKING:
    from typing_extensions import Self

MAX_DEATHS = 3
"""An item that was at work in so many dying workers is given up."""

PATIENCE_SECONDS = 5.0
"""How long is waited for the exit code of a worker that has closed its pipe."""

PRELOADED = ["mixture_builder.jobs.preload"]

PRELOADED_FOR_AUDITS = ["mixture_builder.audit.preload"]


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

    Each worker has a pipe of its own, so one that dies takes nothing but its own job with it.

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
        self.deaths = 0
        self._on_death = on_death
        self._initializer = initializer
        self._initargs = initargs
        self._idle: list[_Worker] = []
        self._busy: dict[Any, _Worker] = {}
        self._failed_starts = 0

    def __enter__(self) -> Self:
        if not self.workers and self._initializer is not None:
            self._initializer(*self._initargs)
        return self

    def __exit__(self, *exception: object) -> None:
        workers = [*self._idle, *self._busy.values()]
        for worker in workers:
            # What it is told by the end of its pipe; a job at work is let finish before.
            worker.pipe.close()
        if exception[0] is None:
            for worker in workers:
                worker.process.join()
        self._idle.clear()
        self._busy.clear()

    def run(
        self, jobs: Iterable[Job | None], *, done: Callable[[Job], None] | None = None
    ) -> Iterator[tuple[Job, Any]]:
        """Yields each job with its result, in the order in which they finish.

        A worker that has finished a job gets the next one before the result is yielded, so that
        it does not wait for what is done with that.

        Args:
          jobs: taken one at a time as workers become free; `None` where all that is left has to
            wait for a job that is at work.
          done: told of each job that has finished, before another is taken.

        Raises:
          BuildError: if a job was at work in `MAX_DEATHS` dying workers, or had not enough
            memory.
          Exception: what a job raised; jobs at work are let finish, others are not begun.
        """
        told = done or _tell_nobody
        if not self.workers:
            yield from _run_here(jobs, told)
            return
        waiting = _Waiting(jobs)
        deaths: dict[str, int] = {}
        self._hand_out(waiting)
        while self._busy:
            for pipe in connection.wait(list(self._busy)):
                worker = self._busy.pop(pipe)
                job = worker.job
                assert job is not None
                try:
                    finished, result = worker.pipe.recv()
                except (EOFError, OSError):
                    waiting.put_back(job)
                    self._bury(worker, job, deaths)
                    self._hand_out(waiting)
                    continue
                worker.job = None
                self._idle.append(worker)
                if finished:
                    told(job)
                    self._hand_out(waiting)
                    yield job, result
                elif isinstance(result, MemoryError):
                    raise _no_memory(job, result) from result
                else:
                    raise result
        # Jobs that wait for one another would be left out without a word.
        assert waiting.ended

    def _hand_out(self, waiting: _Waiting) -> None:
        """Gives each worker that has nothing to do a job, as far as there are any."""
        while len(self._busy) < self.workers and (job := waiting.take()) is not None:
            if not self._begin(job):
                waiting.put_back(job)

    def _begin(self, job: Job) -> bool:
        """Hands a job to a worker; false if that worker could not take it or be started.

        Raises:
          BuildError: if no worker can be started.
        """
        try:
            worker = self._idle.pop() if self._idle else self._started()
            worker.pipe.send((job.function, job.argument))
        except (OSError, EOFError) as problem:
            # A worker that died while it had nothing to do takes nothing with it.
            self._failed_starts += 1
            if self._failed_starts > MAX_DEATHS * max(1, self.workers):
                raise BuildError(
                    f"worker processes cannot be started ({problem}). "
                    "`mixture-builder doctor` looks into it; --workers 0 does without them."
                ) from None
            return False
        self._failed_starts = 0
        worker.job = job
        self._busy[worker.pipe] = worker
        return True

    def _started(self) -> _Worker:
        context = _context()
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self._initializer, self._initargs))
        try:
            with _main_module_hidden():
                process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return _Worker(process=process, pipe=ours)

    def _bury(self, worker: _Worker, job: Job, deaths: dict[str, int]) -> None:
        """Counts a death; the next job starts another worker.

        Raises:
          BuildError: if the job was at work in too many.
        """
        self.deaths += 1
        worker.pipe.close()
        worker.process.join(PATIENCE_SECONDS)
        cause = _cause(worker.process.exitcode)
        deaths[job.label] = deaths.get(job.label, 0) + 1
        if deaths[job.label] >= MAX_DEATHS:
            raise BuildError(
                f"{job.label}: the worker process died {MAX_DEATHS} times, the last time {cause}. "
                "Use fewer workers (--workers) or smaller shards (output.shards), and run "
                "the same command again; finished work is kept."
            )
        if self._on_death:
            self._on_death(
                f"a worker process died {cause}; it is replaced, and its work done again: "
                f"{job.label}"
            )


class _Waiting:
    """Jobs that no worker has begun.

    Args:
      jobs: see `WorkerPool.run`.
    """

    def __init__(self, jobs: Iterable[Job | None]) -> None:
        self._jobs = iter(jobs)
        self._returned: deque[Job] = deque()
        self.ended = False

    def take(self) -> Job | None:
        """The next job; `None` if there is none now, and `ended` is set if there will be none."""
        if self._returned:
            return self._returned.popleft()
        try:
            return next(self._jobs)
        except StopIteration:
            self.ended = True
            return None

    def put_back(self, job: Job) -> None:
        """Takes a job back that was not done; it is the next one."""
        self._returned.appendleft(job)


@dataclass(kw_only=True, slots=True)
class _Worker:
    """A worker process, our end of its pipe, and what it is at."""

    process: Any
    pipe: Any
    job: Job | None = None


def _work(pipe: Any, initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    """What a worker does: one job after another, until nobody gives it any."""
    broken: BaseException | None = None
    try:
        _start_worker(initializer, initargs)
    except Exception as problem:  # noqa: BLE001  (told as the end of the first job)
        broken = problem
    while True:
        try:
            function, argument = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            if broken is not None:
                raise broken
            answer = (True, function(argument))
        except Exception as problem:  # noqa: BLE001  (it is raised where the job came from)
            answer = (False, _portable(problem))
        try:
            pipe.send(answer)
        except OSError:
            # Nobody waits for the answer any more; what was written stands.
            return


def _portable(problem: Exception) -> Exception:
    """The same error with a text of where it was raised, if it can be sent at all."""
    trace = "".join(traceback.format_exception(type(problem), problem, problem.__traceback__))
    try:
        pickle.loads(pickle.dumps(problem))  # noqa: S301  (our own, made a line before)
    except Exception:  # noqa: BLE001  (whatever it holds)
        problem = RuntimeError(f"{type(problem).__name__}: {problem}")
    return _TracedError(problem, trace)


class _TracedError(Exception):
    """An error on its way to another process; becomes the error itself when it arrives."""

    def __init__(self, problem: Exception, trace: str) -> None:
        super().__init__(problem, trace)
        self.problem, self.trace = problem, trace

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (self.problem, self.trace)


class _RemoteTraceError(Exception):
    """Where in a worker an error was raised; shown by --debug as its cause."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _arrived(problem: Exception, trace: str) -> Exception:
    problem.__cause__ = _RemoteTraceError(trace)
    return problem


def _tell_nobody(job: Job) -> None:
    pass


def _run_here(jobs: Iterable[Job | None], done: Callable[[Job], None]) -> Iterator[tuple[Job, Any]]:
    for job in jobs:
        # One at a time: nothing that the next one could wait for is at work.
        assert job is not None
        try:
            result = job.function(job.argument)
        except MemoryError as problem:
            raise _no_memory(job, problem) from problem
        done(job)
        yield job, result


def _no_memory(job: Job, problem: MemoryError) -> BuildError:
    return BuildError(f"{job.label}: {of_the_machine(problem)}")


def _cause(exit_code: int | None) -> str:
    """Why a worker ended, as far as its exit code tells."""
    if exit_code is None:
        return "for a reason it did not tell"
    if exit_code >= 0:
        return f"with exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    return f"by {name}{_MEANINGS.get(name, '')}"


_MEANINGS = {
    "SIGKILL": ", which is how the system ends processes when memory runs out",
    "SIGBUS": ", which a file that is cut or damaged while it is read can cause",
}


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


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Keeps a worker from importing the main module, as processes of the standard library do.

    Nothing that a worker is told to do stands there. A script would need a guard around all it
    does, and the command line would be imported for nothing.
    """
    with _HIDING:
        shown = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = shown


_HIDING = threading.Lock()


def _context() -> Any:
    # A fork server starts workers in milliseconds without copying our threads; where there
    # is none, processes are spawned.
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def start_early(
    warm: Mapping[str, str] | None = None, *, modules: Sequence[str] = PRELOADED
) -> None:
    """Lets the fork server import what workers need while this process still reads files.

    Args:
      warm: paths of `recipe`, `cards` and `templates`, the latter two may be empty; what they
        need is parsed there too.
      modules: to be imported there.
    """
    if sys.platform != "linux":
        return
    _context().set_forkserver_preload(list(modules))
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
