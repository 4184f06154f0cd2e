"""Killed workers and killed builds: nothing is lost, nothing is half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.cli.helpers import Workspace, command, environment
from tests.cli.test_build import contents

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX"),
]

SHARDS = 24


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart tasks in so many shards that a build is long under way after the first."""
    path = tmp_path_factory.mktemp("recipe") / "many.yaml"
    Workspace.write(
        path,
        {
            "name": "many",
            "size": {"examples": 8_000},
            "submixtures": {"all": {"rate": 1, "tasks": ["quickstart/*"]}},
            "output": {"shards": SHARDS},
        },
    )
    return path


@contextmanager
def building(recipe: Path, store: Path, out: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A build as a process group of its own; nothing of it is left afterwards."""
    process = subprocess.Popen(
        command("build", recipe, "--store", store, "--out", out, "--workers", 2),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for_shards(out: Path, process: subprocess.Popen[bytes], *, count: int) -> None:
    """Returns when so many shards are finished, while the build still goes on."""
    while len(list(out.glob(".work/*/shard-*.json"))) < count:
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.005)


@pytest.fixture(scope="module")
def undisturbed(
    recipe: Path, store: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The files of a build that nobody disturbs."""
    out = tmp_path_factory.mktemp("undisturbed")
    with building(recipe, store, out) as process:
        assert process.wait(timeout=120) == 0
    return contents(out)


def test_a_killed_worker_changes_nothing(
    recipe: Path, store: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """A worker that is killed is replaced, its shard is built again, every byte is as ever."""
    with building(recipe, store, tmp_path) as process:
        wait_for_shards(tmp_path, process, count=2)
        # Workers are children of the fork server, which is a child of the build.
        workers = [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if child.ppid() != process.pid
        ]
        workers[0].kill()
        assert process.wait(timeout=120) == 0

    assert contents(tmp_path) == undisturbed


def test_a_killed_build_goes_on_where_it_was(
    recipe: Path, store: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """After a kill the same command keeps finished shards and ends with the same bytes."""
    with building(recipe, store, tmp_path) as process:
        wait_for_shards(tmp_path, process, count=SHARDS // 4)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finished = {
        path.relative_to(tmp_path).as_posix(): path.stat().st_mtime_ns
        for path in tmp_path.glob("data/train-*.parquet")
    }
    kept = len(list(tmp_path.glob(".work/*/shard-*.json")))
    assert SHARDS // 4 <= kept < SHARDS
    assert not (tmp_path / "manifest.json").exists()

    with building(recipe, store, tmp_path) as process:
        assert process.wait(timeout=120) == 0

    assert contents(tmp_path) == undisturbed
    untouched = [n for n, when in finished.items() if (tmp_path / n).stat().st_mtime_ns == when]
    assert len(untouched) >= kept
