"""Builds that are killed, refused or starved at random: a few rounds of what `make faults` does."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.faults.harness import (
    Disturbance,
    Job,
    Trial,
    Undisturbed,
    random_error,
    random_kill,
    undisturbed,
    write_recipe,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals and limits are POSIX"),
]


@pytest.mark.parametrize("seed", range(3))
def test_a_build_that_was_killed_ends_with_the_same_bytes(
    expected: Undisturbed, tmp_path: Path, seed: int
) -> None:
    """Killed at a random point, the same command loses nothing, doubles nothing, leaves nothing."""
    trial = Trial(expected, tmp_path)
    trial.disturb(random_kill(random.Random(f"kill {seed}"), expected))
    trial.finish()

    assert trial.problems() == []


@pytest.mark.parametrize("seed", range(2))
def test_an_operation_that_fails_ends_a_build_with_a_message(
    expected: Undisturbed, tmp_path: Path, seed: int
) -> None:
    """An error of the system is one clear message; afterwards the same command finishes."""
    trial = Trial(expected, tmp_path)
    ended = trial.disturb(random_error(random.Random(f"error {seed}"), expected))
    trial.finish()

    assert trial.problems() == []
    assert not (ended.hit and ended.code) or "again" in ended.stderr


def test_a_worker_that_dies_is_said(expected: Undisturbed, tmp_path: Path) -> None:
    """A worker that the system killed is replaced, and the user is told what is done again."""
    trial = Trial(expected, tmp_path)
    for at in range(20, expected.operations, 10):
        ended = trial.disturb(Disturbance(action="process", at=at))
        if "worker process died" in ended.stderr:
            break

    assert ended.code == 0
    assert "a worker process died by SIGKILL, which is how the system ends" in ended.stderr
    assert "its work done again: " in ended.stderr
    assert trial.problems() == []


def test_a_limit_on_memory_is_said_and_does_no_harm(tmp_path: Path) -> None:
    """Too little memory ends a build with a message that says so; with enough, it is finished."""
    # Shards that take more than the libraries do: else it is an import that fails.
    whole, disturbed = tmp_path / "whole", tmp_path / "disturbed"
    whole.mkdir()
    disturbed.mkdir()
    job = Job(recipe=write_recipe(tmp_path, examples=80_000), shards=2)
    trial = Trial(undisturbed(job, whole), disturbed)
    for megabytes in range(600, 340, -20):
        ended = trial.disturb(Disturbance(action="memory", limit=megabytes << 20))
        if ended.code:
            break
    trial.finish()

    assert ended.code == 1
    assert "no memory is left. Use fewer workers" in ended.stderr
    assert trial.problems() == []


def test_a_limit_on_the_size_of_files_names_the_file(expected: Undisturbed, tmp_path: Path) -> None:
    """What the system refuses to write is named, and nothing half-written is left."""
    trial = Trial(expected, tmp_path)
    ended = trial.disturb(Disturbance(action="file_size", limit=20 << 10))
    trial.finish()

    assert ended.code == 1
    assert "cannot be written: File too large" in ended.stderr
    assert trial.problems() == []
