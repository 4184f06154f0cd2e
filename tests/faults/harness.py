"""Builds that are disturbed on purpose, and what must be true of them afterwards.

A `Disturbance` says what goes wrong and when; both follow from a seed. `Trial.disturb` runs a
build under it, `Trial.finish` runs the same command again, undisturbed, and `Trial.problems`
says in what the result differs from a build that nobody disturbed.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cli.helpers import ROOT, Workspace

HOOK = Path(__file__).parent / "hook"

TIMEOUT_SECONDS = 300

KILLS = ("group", "process")
ERRORS = ("ENOSPC", "EIO", "EMFILE", "EDQUOT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Disturbance:
    """What goes wrong, once.

    Attributes:
      action: "group", "process", the name of an error, "memory" or "file_size".
      at: at which operation on files; 0: after `seconds` instead.
      seconds: after which the process, or all of them, are killed.
      limit: for "memory" and "file_size": bytes.
    """

    action: str
    at: int = 0
    seconds: float = 0.0
    limit: int = 0

    def __str__(self) -> str:
        if self.limit:
            return f"{self.action} limited to {self.limit:,} bytes"
        when = f"operation {self.at}" if self.at else f"{self.seconds:.2f} s"
        return f"{self.action} at {when}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a command ended.

    Attributes:
      operations: on files, that it came to.
      hit: whether what should go wrong did; a command may have ended before.
    """

    code: int
    stderr: str
    stdout: str
    operations: int
    hit: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What is built: the quickstart tasks, in so many shards.

    Attributes:
      shards: how many; with 24, tasks are rendered in rounds, with 2, shard by shard.
      target: an export beside the mixture, or empty.
    """

    recipe: Path
    shards: int
    target: str = ""

    def command(self, folder: Path, *further: object) -> list[str]:
        """The build in a folder."""
        words = ["build", self.recipe, "--store", folder / "store", "--out", folder / "mixture"]
        words += ["--shards", self.shards, "--workers", 2, "--strict"]
        words += ["--for", self.target] if self.target else []
        return [sys.executable, "-m", "mixture_builder", *map(str, [*words, *further])]


def write_recipe(folder: Path, *, examples: int = 4_000) -> Path:
    """The recipe of all jobs."""
    path = folder / "disturbed.yaml"
    Workspace.write(
        path,
        {
            "name": "disturbed",
            "size": {"examples": examples},
            "submixtures": {"all": {"rate": 1, "tasks": ["quickstart/*"]}},
        },
    )
    return path


def run(
    command: Sequence[str],
    *,
    folder: Path,
    disturbance: Disturbance | None = None,
    watch: Callable[[subprocess.Popen[str]], None] | None = None,
) -> Ended:
    """Runs a command and gives how it ended.

    Args:
      command: what to run.
      folder: operations below it are counted.
      disturbance: what goes wrong.
      watch: called with the process once it runs.
    """
    with tempfile.TemporaryDirectory(prefix="mixture-builder-faults-") as temporary:
        counter = Path(temporary) / "operations"
        by_count = disturbance is not None and disturbance.at > 0
        plan = {
            "at": disturbance.at if disturbance else 0,
            "folders": [str(folder)],
            "counter": str(counter),
            "action": disturbance.action if disturbance and by_count else "",
        }
        process = subprocess.Popen(
            command,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(HOOK), str(ROOT)]),
                "MIXTURE_BUILDER_FAULT": json.dumps(plan),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_limits(disturbance),  # noqa: PLW1509  (no threads here)
        )
        try:
            hit = bool(disturbance and disturbance.limit)
            if disturbance is not None and disturbance.seconds:
                hit = _kill_after(process, disturbance)
            if watch is not None:
                watch(process)
            try:
                stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGUSR1)
                time.sleep(1)
                os.killpg(process.pid, signal.SIGKILL)
                stdout, stderr = process.communicate()
                stderr += f"\nTraceback: it hung for {TIMEOUT_SECONDS} seconds"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        _wait_for_group(process.pid)
        count = counter.stat().st_size if counter.exists() else 0
        if disturbance is not None and by_count:
            hit = count >= disturbance.at
        return Ended(
            code=process.returncode, stderr=stderr, stdout=stdout, operations=count, hit=hit
        )


def _limits(disturbance: Disturbance | None) -> Callable[[], None] | None:
    if disturbance is None or not disturbance.limit:
        return None
    kind = resource.RLIMIT_AS if disturbance.action == "memory" else resource.RLIMIT_FSIZE
    limit = disturbance.limit

    def apply() -> None:
        resource.setrlimit(kind, (limit, limit))

    return apply


def _kill_after(process: subprocess.Popen[str], disturbance: Disturbance) -> bool:
    """Whether there was something to kill."""
    try:
        process.wait(timeout=disturbance.seconds)
    except subprocess.TimeoutExpired:
        if disturbance.action == "group":
            os.killpg(process.pid, signal.SIGKILL)
            return True
        victims = _workers(process.pid)
        if victims:
            os.kill(random.Random(disturbance.seconds).choice(victims), signal.SIGKILL)
            return True
    return False


def _workers(pid: int) -> list[int]:
    """Worker processes of a build: children of its fork server."""
    import psutil

    try:
        children = psutil.Process(pid).children(recursive=True)
        return [child.pid for child in children if child.ppid() != pid]
    except psutil.Error:
        return []


def _wait_for_group(group: int) -> None:
    """Returns when no process of a group is left: workers end soon after their parent."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        except PermissionError:
            return
        time.sleep(0.01)
    os.killpg(group, signal.SIGKILL)


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder by their path, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def hidden_folders(folder: Path) -> list[str]:
    """Folders of unfinished work, empty ones too."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob(".*")
        if path.is_dir() and any(path.iterdir())
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Undisturbed:
    """A build that nobody disturbed.

    Attributes:
      files: of store, mixture and export, by path.
      operations: on files that it took.
      seconds: that it took.
    """

    job: Job
    files: Mapping[str, bytes]
    operations: int
    seconds: float


def undisturbed(job: Job, folder: Path) -> Undisturbed:
    """Builds a job in an empty folder."""
    start = time.monotonic()
    ended = run(job.command(folder), folder=folder)
    assert ended.code == 0, ended.stderr
    return Undisturbed(
        job=job,
        files=tree(folder),
        operations=ended.operations,
        seconds=time.monotonic() - start,
    )


class Trial:
    """One build that is disturbed, and then finished by the same command."""

    def __init__(self, expected: Undisturbed, folder: Path) -> None:
        self.expected = expected
        self.folder = folder
        self.hits = 0
        self.unsaid = 0
        self.found: list[str] = []

    def disturb(self, disturbance: Disturbance) -> Ended:
        """Runs the build with something going wrong; notes what must not be."""
        command = self.expected.job.command(self.folder)
        ended = run(command, folder=self.folder, disturbance=disturbance)
        self.hits += ended.hit
        if ended.hit and disturbance.action == "process" and ended.code == 0 and not ended.stderr:
            # A worker that was starting or had nothing to do may be replaced unseen.
            self.unsaid += 1
        for word in ("Traceback", "internal error"):
            if word in ended.stderr:
                self.found.append(f"{disturbance}: said {ended.stderr.strip()[-400:]}")
        self.found += [f"{disturbance}: {problem}" for problem in self._half_written()]
        return ended

    def finish(self) -> Ended:
        """Runs the same command with nothing going wrong."""
        ended = run(self.expected.job.command(self.folder), folder=self.folder)
        if ended.code != 0:
            self.found.append(f"the last run ended with {ended.code}: {ended.stderr[-400:]}")
        return ended

    def problems(self) -> list[str]:
        """In what the files differ from those of the undisturbed build, and what else was wrong."""
        files, expected = tree(self.folder), self.expected.files
        found = list(self.found)
        found += [f"lost: {name}" for name in sorted(expected.keys() - files.keys())]
        found += [f"left over: {name}" for name in sorted(files.keys() - expected.keys())]
        found += [f"left over: {name}" for name in hidden_folders(self.folder)]
        found += [
            f"other bytes: {name}"
            for name in sorted(files.keys() & expected.keys())
            if files[name] != expected[name]
        ]
        return found

    def _half_written(self) -> list[str]:
        """Files under a final name that are not whole, directly after the fault."""
        files = tree(self.folder)
        return [
            f"half-written: {name}"
            for name, data in files.items()
            if name in self.expected.files
            and data != self.expected.files[name]
            and not name.endswith("README.md")
        ]


def random_kill(random_: random.Random, expected: Undisturbed) -> Disturbance:
    """A kill at a random operation, or after a random time."""
    action = random_.choice(KILLS)
    if random_.random() < 0.6:
        return Disturbance(action=action, at=random_.randint(1, expected.operations))
    return Disturbance(action=action, seconds=random_.uniform(0.3, 0.9 * expected.seconds))


def random_error(random_: random.Random, expected: Undisturbed) -> Disturbance:
    """An error at a random operation."""
    return Disturbance(action=random_.choice(ERRORS), at=random_.randint(1, expected.operations))
