"""Labels of targets against those of the rows: a shift is found, and what a build does is none."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.audit.faults import Record
from tests.audit.mutation import Mutations
from tests.cli.helpers import PLAIN, Workspace, run

REVIEWS = "quickstart/reviews"


@pytest.fixture(scope="module")
def mutations(quickstart_folders: tuple[Path, Path]) -> Mutations:
    """The mixture of the shipped recipe, and its rows."""
    return Mutations(*quickstart_folders)


def told_of(mutations: Mutations, records: list[Record]) -> dict[str, Any]:
    return mutations.document({REVIEWS: records})


def with_targets(mutations: Mutations, old: str, new: str, *, share: float) -> list[Record]:
    """The reviews, of which a share of one answer is another, where it stands as a text."""
    random = Random(0)
    return [
        {**r, "targets": new} if r["targets"] == old and random.random() < share else r
        for r in mutations.records[REVIEWS]
    ]


def test_answers_are_those_of_the_rows(mutations: Mutations):
    """Of a clean mixture answers, letters among them, are counted and have no finding."""
    told = mutations.document()
    [answers] = told["tasks"][REVIEWS]["labels"]
    direct = [r for r in mutations.records[REVIEWS] if r["targets"] in answers["source"]]

    assert told["labels"]["tested"] >= 3
    assert set(answers["source"]) == set(answers["found"])
    assert sum(answers["found"].values()) > len(direct)
    assert answers["p_corrected"] > 0.001


def test_answers_in_other_shares_are_found(mutations: Mutations):
    """One answer in place of nine tenths of another is a warning that names shares."""
    labels = list(mutations.document()["tasks"][REVIEWS]["labels"][0]["source"])
    told = told_of(mutations, with_targets(mutations, labels[0], labels[1], share=0.9))
    [finding] = [f for f in told["findings"] if f["check"] == "labels/balance"]

    assert finding["severity"] == "warning"
    assert finding["task"] == REVIEWS
    assert repr(labels[0]) in finding["message"] or repr(labels[1]) in finding["message"]


def test_an_answer_that_no_row_has_is_found(mutations: Mutations):
    """One target that is no answer of any row is an error with its record."""
    labels = list(mutations.document()["tasks"][REVIEWS]["labels"][0]["source"])
    records = list(mutations.records[REVIEWS])
    place = next(n for n, r in enumerate(records) if r["targets"] == labels[0])
    records[place] = {**records[place], "targets": "sorrel"}
    told = told_of(mutations, records)
    [finding] = [f for f in told["findings"] if f["check"] == "labels/unknown"]

    assert finding["count"] == 1
    assert finding["evidence"][0]["text"] == "sorrel"


def test_rows_that_are_too_long_for_a_prompt_are_no_imbalance(tmp_path: Path):
    """Where all long rows have one answer, and give way to others, nothing is found."""
    made = Workspace(tmp_path)
    made.template_file("tiny/questions", [PLAIN])
    made.task(
        "sums",
        [
            {"question": f"question {n} " + "word " * (400 if n % 3 == 0 else 3), "answer": answer}
            for n in range(300)
            for answer in ["yes" if n % 3 == 0 or n % 2 else "no"]
        ],
    )
    made.write_recipe(size={"examples": 600}, limits={"input_chars": 800})
    out = tmp_path / "out"
    built = run("build", made.recipe, *made.options, "--out", out, "--workers", 0)
    done = run("audit", out, "--store", made.store, "--workers", 0, "--json", "-")
    told = json.loads(done.stdout)
    [answers] = told["tasks"]["tiny/sums"]["labels"]

    assert built.exit_code == 0, built.output
    assert answers["found"]["no"] * 300 > 1.2 * answers["source"]["no"] * 600
    assert not [f for f in told["findings"] if f["check"].startswith("labels/")]
