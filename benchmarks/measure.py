"""Runs a program and measures it with everything it starts: wall time, processor time, peak memory.

Processor time is what the kernel counts for each process when it ends, so short-lived workers are
counted in full. Memory is sampled, as the sum over the processes of PSS: a page that several of
them share counts once in all. Where the kernel gives no PSS it is USS, which leaves such pages out.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import final

import psutil

SELDOM = 2
"""Samples a second of a run that is timed.

A sample walks the tables of all pages of a process, ten milliseconds and more for a worker of a
build, and makes it wait when it asks for memory: twenty a second made builds a sixth slower."""

OFTEN = 20
"""Samples a second of a run that is made to see its memory."""

_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER: orphans of the program become our children, so that we count them."""

_LINGERING_SECONDS = 10.0
"""How long a process may outlive the program that started it, before it is ended."""

LOG_LINES = 15


class ProgramFailedError(Exception):
    """A measured program ended with an error; the message holds the end of its log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What one run of a program took.

    Attributes:
      wall_seconds: from its start to its end.
      cpu_seconds: user and system time of it and all processes it started.
      peak_bytes: most memory that all of them held at once, of the samples taken.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


def measure(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    accepted: Collection[int] = (0,),
    samples: int = SELDOM,
) -> Measured:
    """Runs `command` to its end.

    Args:
      command: the program and its arguments.
      env: replaces the environment.
      log: file for its output, both streams.
      accepted: statuses it may end with.
      samples: of memory, so many a second.

    Raises:
      ProgramFailedError: if it ends with another status.
    """
    # Whatever else this process has started is none of the program's, and not to be ended.
    others = frozenset(child.pid for child in psutil.Process().children(recursive=True))
    _adopt_orphans(adopt=True)
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT)
        with _Sampler(others, samples) as sampler:
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
    # The status is taken already; without this, Popen would wait for it in vain.
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime + _reap_orphans(others)
    _adopt_orphans(adopt=False)
    if process.returncode not in accepted:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
        raise ProgramFailedError(
            f"{' '.join(command)}\nended with status {process.returncode}. The end of {log}:\n"
            + "\n".join(lines)
        )
    return Measured(wall_seconds=wall, cpu_seconds=cpu, peak_bytes=sampler.peak)


def _adopt_orphans(*, adopt: bool) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, int(adopt), 0, 0, 0)


def _reap_orphans(others: Collection[int]) -> float:
    """Waits for what the program left behind, and ends what stays; its processor time."""
    cpu = 0.0
    patience = time.monotonic() + _LINGERING_SECONDS
    while left := [child for child in psutil.Process().children() if child.pid not in others]:
        for child in left:
            pid, _, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                cpu += usage.ru_utime + usage.ru_stime
            elif time.monotonic() > patience:
                child.kill()
        time.sleep(0.02)
    return cpu


@final
class _Sampler:
    """Watches the memory of all descendants of this process but some."""

    def __init__(self, others: Collection[int], samples: int) -> None:
        self._others = others
        self._pause = 1 / samples
        self.peak = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Sampler:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        own = psutil.Process()
        while not self._stop.wait(self._pause):
            # One look at all processes a time: it takes some milliseconds.
            mine = [c for c in own.children(recursive=True) if c.pid not in self._others]
            self.peak = max(self.peak, sum(map(_memory, mine)))


def _memory(process: psutil.Process) -> int:
    with suppress(OSError, ValueError):
        # One line of a small file; psutil would read the whole map of the process for it.
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        return 0
    with suppress(psutil.Error):
        return int(process.memory_full_info().uss)
    return 0
