"""The dress rehearsal in small: every task of Flan 2022 from its card to examples, offline."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from benchmarks import rehearsal
from benchmarks.grown_sources import grow_sources
from mixture_builder.canonical import RowMaker, row_identity
from mixture_builder.cards import CardSource, TaskCard
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import SourceRecord, is_mirrored, read_source
from mixture_builder.jobs.ingest.planning import order_of_sources

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


@pytest.mark.parametrize("part", ["muffin", "t0_sf", "cot"])
def test_grown_records_are_read_back_from_files_of_upstream(part: str, tmp_path: Path) -> None:
    """What is written for a source gives the rows that were grown, all of them different."""
    nothing = Mirror.empty(offline=True)
    cards = {t: card for t, card in rehearsal.flan_cards().items() if card.submixture == part}
    entries, _ = grow_sources(
        cards, read_from={}, mirror=nothing, folder=tmp_path, rows=rehearsal.GROWN_ROWS
    )
    mirror = Mirror(sources=entries, offline=True)

    for task, card in cards.items():
        order = order_of_sources(card, mirror=mirror)
        rows = next(filter(None, (rows_of(card.sources[n], card, mirror) for n in order)))
        assert len(rows) >= 20, task


def rows_of(alternative: CardSource, card: TaskCard, mirror: Mirror) -> set[int]:
    """Identities of the rows of a source; none where it is not mirrored as a whole."""
    if not is_mirrored(alternative.source, mirror=mirror):
        return set()
    maker = RowMaker(alternative)
    made = [
        maker.row(dict(item.record))
        for item in read_source(alternative.source, base=card.folder, mirror=mirror)
        if isinstance(item, SourceRecord)
    ]
    return {row_identity(row, tuple(row)) for row in made if isinstance(row, dict)}
