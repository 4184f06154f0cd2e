"""Every card whose upstream files are kept, ingested as a user with local copies does it."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mixture_builder.card_files import load_cards
from mixture_builder.cards import TaskCard
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import source_files
from mixture_builder.shipped import cards_folder
from tests.cli.helpers import call, run
from tests.shared_mirror import write_mirror

pytestmark = pytest.mark.shared

NOT_READ = {
    "muffin/wiki_lingua_english_en": "a pickle, which is never loaded",
    "muffin/wsc273": "a test set, which Flan leaves out",
    "t0_sf/rotten_tomatoes": "no task of Flan, which has the critics' opinions of it instead",
}
"""Folders of kept files that no card reads, and why."""

NOT_OF_FLAN = {
    r"task(66[4-7]|68[5-9]|69\d|7[0-2]\d|73[0-7])_mmmlu_.*": "MMLU, which Flan holds out",
    r"task(547|560)_alt_translation_.*": "the two that our list of 1,554 leaves out",
    r".*\.dev": "cuts of other tasks, kept for their odd names",
}
"""Kept task files of Natural Instructions that are none of the 1,554, and why."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What an ingest of all cards came to."""

    shared: Path
    mirror: Path
    store: Path
    summary: dict[str, Any]
    cards: dict[str, TaskCard]

    @property
    def options(self) -> list[object]:
        """Options that name its files."""
        return ["--mirror", self.mirror, "--store", self.store, "--offline"]

    def files_read(self) -> Iterator[tuple[str, Path]]:
        """Each task with the kept files its rows came from, below `data/`."""
        copies = Mirror.load(self.mirror, offline=True)
        for task, facts in self.summary["tasks"].items():
            source = self.cards[task].sources[facts["source"]].source
            for file in source_files(source, base=self.cards[task].folder, mirror=copies):
                for each in (file, *file.beside):
                    assert each.location is not None
                    yield task, Path(each.location).relative_to(self.shared / "data")


@pytest.fixture(scope="module")
def kept(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """All 1,836 tasks, as far as their files are kept."""
    folder = tmp_path_factory.mktemp("kept")
    mirror, store = folder / "mirror.yaml", folder / "store"
    write_mirror(shared, mirror)
    done = call(
        *("ingest", "flan2022", "--mirror", mirror, "--store", store, "--offline"),
        *("--workers", 2, "--json"),
        timeout=600,
    )
    assert done.returncode == 3, done.stderr
    cards, _ = load_cards(cards_folder())
    return Kept(
        shared=shared, mirror=mirror, store=store, summary=json.loads(done.stdout), cards=cards
    )


def test_every_record_is_accounted_for(kept: Kept) -> None:
    """Records are rows, copies, filtered or in quarantine; no task has lost one."""
    for task, facts in kept.summary["tasks"].items():
        away = facts["filtered"] + facts["duplicates"] + sum(facts["quarantined"].values())
        assert facts["records"] == facts["rows"] + away, task
        assert facts["rows"] > 0, task


def test_what_is_left_out_is_out_of_reach_and_nothing_else(kept: Kept) -> None:
    """No card fails on a file that is there."""
    tasks, left_out = kept.summary["tasks"], kept.summary["left_out"]

    assert len(tasks) + len(left_out) == 1836
    for task, why in left_out.items():
        for reason in why.split(" | "):
            assert "--offline keeps from reading it" in reason or "no readable file" in reason, task


def test_every_kept_dataset_is_read_by_its_card(kept: Kept) -> None:
    """A folder of kept files that no card reads has a reason."""
    with (kept.shared / "data" / "SOURCES.csv").open(encoding="utf-8", newline="") as table:
        files = [Path(row["file"]) for row in csv.DictReader(table)]
    folders = {"/".join(file.parts[:2]) for file in files if file.parts[0] != "niv2"}
    read = {"/".join(file.parts[:2]) for _, file in kept.files_read()}

    assert folders - read == NOT_READ.keys()


def test_every_kept_task_file_of_natural_instructions_is_read(kept: Kept) -> None:
    """Each is read by the card of its name, but for those that are no task of Flan."""
    names = {path.stem for path in (kept.shared / "data" / "niv2").rglob("task*.json")}
    read = {file.stem: task for task, file in kept.files_read() if file.parts[0] == "niv2"}
    others = {n for n in names if any(re.fullmatch(pattern, n) for pattern in NOT_OF_FLAN)}

    assert len(names) == 1254
    assert read.keys() == names - others
    assert len(read) == 1192
    assert all(task == f"niv2/{name}" for name, task in read.items())


def test_all_chains_of_thought_but_one_are_read(kept: Kept) -> None:
    """Of creak no file is kept."""
    tasks = {task for task in kept.cards if task.startswith("cot/")}

    assert tasks - kept.summary["tasks"].keys() == {"cot/creak"}


def test_records_go_to_quarantine_for_known_reasons_only(kept: Kept) -> None:
    """Explanations without their question, and instances without an output; nothing else."""
    bad = {
        task: facts["quarantined"]
        for task, facts in kept.summary["tasks"].items()
        if facts["quarantined"]
    }

    assert {reason for reasons in bad.values() for reason in reasons} == {
        "missing_field",
        "no_partner",
    }
    # Of the questions that the explanations belong to, only a third is kept.
    assert all(task.startswith("t0_sf/cos_e") for task, why in bad.items() if "no_partner" in why)


def test_the_page_of_coverage_is_true(kept: Kept) -> None:
    """What the reference says of cards and real rows is what an ingest gives."""
    page = Path(__file__).parents[2] / "docs" / "reference" / "coverage.json"
    said = json.loads(page.read_text(encoding="utf-8"))

    assert said == {
        task: {"records": facts["records"], "rows": facts["rows"]}
        for task, facts in kept.summary["tasks"].items()
    }, "run `python scripts/card_coverage.py` and `python docs/generate.py`"


def test_a_second_ingest_reads_nothing(kept: Kept) -> None:
    """All tasks are there already, and the last line says so."""
    again = run("ingest", "flan2022", *kept.options, "--workers", 0)

    assert again.exit_code == 3
    count = len(kept.summary["tasks"])
    assert again.stdout.splitlines()[-1].endswith(
        f"({count:,} were there already); {1836 - count:,} left out"
    )


def test_a_changed_card_is_ingested_alone(kept: Kept, tmp_path: Path) -> None:
    """Another expression in one card leaves the rows of all others where they are."""
    cards = Path(shutil.copytree(cards_folder(), tmp_path / "cards"))
    card = cards / "cot" / "gsm8k.yaml"
    text = card.read_text(encoding="utf-8")
    card.write_text(text.replace("answer: answer | trim", "answer: answer | trim | upper"))

    done = run(
        *("ingest", "flan2022", *kept.options, "--cards", cards, "--workers", 0, "--json"),
    )

    tasks = json.loads(done.stdout)["tasks"]
    assert [task for task, facts in tasks.items() if not facts["already_stored"]] == ["cot/gsm8k"]
    assert tasks["cot/gsm8k"]["rows"] == kept.summary["tasks"]["cot/gsm8k"]["rows"]
