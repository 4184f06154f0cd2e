"""What tests of faults share: a recipe, and a build of it that nobody disturbed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("signals and limits are POSIX", allow_module_level=True)

from tests.cli.helpers import PLAIN, QUESTIONS, Workspace
from tests.faults.harness import Job, Undisturbed, undisturbed, write_recipe


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Eight shards of the quickstart tasks, in two thousand examples."""
    recipe = write_recipe(tmp_path_factory.mktemp("recipe"), examples=2_000)
    return undisturbed(Job(recipe=recipe, shards=8), tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture(scope="session")
def stored(expected: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose store holds all rows, and nothing is built."""
    folder = tmp_path_factory.mktemp("stored")
    for name, data in expected.files.items():
        if name.startswith("store/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A recipe of one task, `tiny/sums`."""
    made = Workspace(tmp_path)
    made.task("sums", QUESTIONS)
    made.template_file("tiny/questions", [PLAIN])
    made.write_recipe()
    return made
