"""Fixtures of the command line's tests: the quickstart mixture, and a workspace of one task."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.browser import Browser, find_browser
from tests.cli.helpers import PLAIN, QUESTIONS, Workspace, run


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A row store that holds the tasks of the quickstart recipe."""
    folder = tmp_path_factory.mktemp("store")
    done = run("ingest", "quickstart", "--store", folder, "--workers", 0)
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="session")
def mixture(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart mixture; tests copy it before they change it."""
    out = tmp_path_factory.mktemp("mixture") / "quickstart"
    done = run("build", "quickstart", "--store", store, "--out", out, "--workers", 0)
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of one file."""
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium is installed, in which the page could be opened")
    opened = Browser(program)
    yield opened
    opened.close()


@pytest.fixture
def damaged(mixture: Path, tmp_path: Path) -> Path:
    """A copy of the quickstart mixture for a test to damage."""
    return Path(shutil.copytree(mixture, tmp_path / "damaged"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A recipe of one sound task, `tiny/sums`."""
    made = Workspace(tmp_path)
    made.task("sums", QUESTIONS)
    made.template_file(
        "tiny/questions",
        [
            PLAIN,
            {"id": "short", "input": "Answer briefly: {{ question }}", "target": "{{ answer }}"},
        ],
    )
    made.write_recipe()
    return made
