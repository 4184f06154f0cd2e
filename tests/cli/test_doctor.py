"""`doctor`: what this machine lacks, and what to do about it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mixture_builder.jobs.inspect import doctor
from tests.cli.helpers import run


@pytest.mark.slow
def test_a_machine_that_runs_these_tests_is_sound(store: Path) -> None:
    """Everything that a build needs is looked at, and named with what was found."""
    done = run("doctor", "--store", store, "--json")

    report = json.loads(done.stdout)
    found = {entry["name"]: entry for entry in report["found"]}
    assert done.exit_code == 0, done.stdout
    assert report["sound"] is True
    for name in ("Python", "pyarrow", "import apache_beam", "cores", "memory", "worker processes"):
        assert found[name]["found"]
    assert found["row store"]["found"].startswith("12 stored tasks with 1,075 rows")


def test_a_damaged_store_comes_with_a_remedy(store: Path, tmp_path: Path) -> None:
    """A description of stored rows that cannot be read is named with its folder."""
    shutil.copytree(store, tmp_path / "store")
    (meta,) = (tmp_path / "store").glob("quickstart/sums/*/meta.json")
    meta.write_text("{", encoding="utf-8")

    entry = doctor._store(tmp_path / "store")

    assert entry.state == "warning"
    assert entry.found.startswith("11 stored tasks")
    assert str(meta.parent) in entry.found
    assert "run ingest again" in entry.remedy


def test_a_library_that_does_not_import_is_an_error() -> None:
    """Libraries are imported in a process of their own; what they say is shown."""
    entry = doctor._import("no_such_library")

    assert entry.state == "error"
    assert "ModuleNotFoundError" in entry.found
    assert entry.remedy == "pip install --force-reinstall no-such-library"


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A file where a folder should be cannot hold a store."""
    (tmp_path / "file").write_text("", encoding="utf-8")

    entry = doctor._disk("disk of the store", tmp_path / "file")

    assert entry.state == "error"
    assert "--store" in entry.remedy
