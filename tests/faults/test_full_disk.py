"""Disks that fill up: a small file system of its own stands for the disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import Job, Undisturbed, hidden_folders, run, tree

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux" or os.getuid() != 0, reason="a small disk is mounted by root only"
    ),
]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MB, empty."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no disk can be mounted here: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def resize(disk: Path, *, kilobytes: int) -> None:
    """Changes how much the disk holds in all."""
    options = f"remount,size={kilobytes}k"
    subprocess.run(["mount", "-o", options, "tmpfs", str(disk)], check=True)


def used(disk: Path) -> int:
    """Kilobytes that are taken."""
    usage = shutil.disk_usage(disk)
    return (usage.used + 1023) // 1024


@pytest.mark.parametrize("room", [0, 60, 400])
def test_a_full_disk_ends_a_build_and_loses_nothing(
    expected: Undisturbed, stored: Path, disk: Path, room: int
) -> None:
    """The message says that there is no space and what to do; with room, the same bytes come."""
    shutil.copytree(stored, disk, dirs_exist_ok=True)
    resize(disk, kilobytes=used(disk) + room)
    ended = run(expected.job.command(disk), folder=disk)

    assert ended.code == 1
    assert "No space left on device" in ended.stderr
    assert "ake room" in ended.stderr
    assert "Traceback" not in ended.stderr
    files = tree(disk)
    assert [n for n in files if n.endswith(".partial")] == []
    assert [n for n in files if n in expected.files and files[n] != expected.files[n]] == []

    resize(disk, kilobytes=16_000)
    assert run(expected.job.command(disk), folder=disk).code == 0
    assert tree(disk) == expected.files
    assert hidden_folders(disk) == []


def test_a_full_store_is_no_fault_of_a_task(expected: Undisturbed, disk: Path) -> None:
    """Where rows cannot be stored the build ends; no task is left out for it."""
    resize(disk, kilobytes=300)
    job = expected.job
    lenient = [word for word in job.command(disk) if word != "--strict"]
    ended = run(lenient, folder=disk)

    assert ended.code == 1
    assert "No space left on device" in ended.stderr
    assert "left out" not in ended.stderr
    assert not (disk / "mixture" / "manifest.json").exists()

    resize(disk, kilobytes=16_000)
    assert run(lenient, folder=disk).code == 0
    assert tree(disk) == expected.files


def test_a_disk_too_full_for_rounds_says_so(
    expected: Undisturbed, stored: Path, disk: Path
) -> None:
    """Rendered tasks that wait for their shards take room too; what is missing is said."""
    job = Job(recipe=expected.job.recipe, shards=1_000)
    shutil.copytree(stored, disk, dirs_exist_ok=True)
    resize(disk, kilobytes=used(disk) + 200)
    ended = run(job.command(disk), folder=disk)

    assert ended.code == 1
    assert "No space left on device" in ended.stderr
    assert "internal error" not in ended.stderr
