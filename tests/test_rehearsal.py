"""The dress rehearsal in small: every task of Flan 2022 from its card to examples, offline."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from benchmarks import rehearsal

EXAMPLES = 10_000
"""Enough for every task to get an example, and for a build of seconds once rows are stored."""

pytestmark = pytest.mark.slow


def test_no_task_of_flan_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing of upstream is kept, rows grown from the samples bring all tasks through."""
    monkeypatch.setenv("MIXTURE_BUILDER_SHARED", str(tmp_path / "nothing"))

    status = rehearsal.main(["--examples", str(EXAMPLES), "--folder", str(tmp_path / "made")])

    report = json.loads((tmp_path / "made" / "report.json").read_text(encoding="utf-8"))
    with (tmp_path / "made" / "tasks.csv").open(encoding="utf-8", newline="") as table:
        tasks = list(csv.DictReader(table))
    assert report["missing"] == {}
    assert status == 0
    assert len(tasks) == 1836
    assert all(int(task["realised"]) >= 1 for task in tasks)
    assert {task["rows_are"] for task in tasks} == {"grown"}
    assert sum(int(task["realised"]) for task in tasks) == report["examples"]
    for part in report["parts"].values():
        assert part["realised"] + sum(part["dropped"].values()) == part["asked"]
