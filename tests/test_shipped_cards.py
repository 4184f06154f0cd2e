"""All 1,836 cards: each is complete, and its samples go through its templates and variants."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixture_builder.card_files import load_card_file, load_cards
from mixture_builder.cards import TaskCard
from mixture_builder.shipped import cards_folder, templates_folder
from mixture_builder.template_files import template_names
from mixture_builder.testing import assert_card_is_sound, make_rows

FLAN = {"muffin": 80, "t0_sf": 193, "niv2": 1554, "cot": 9}
"""Tasks of each submixture of Flan 2022."""

FILES = sorted(
    path.relative_to(cards_folder()).as_posix()
    for path in cards_folder().rglob("*.yaml")
    if path.relative_to(cards_folder()).parts[0] in FLAN
)


@pytest.fixture(scope="module")
def cards() -> dict[str, TaskCard]:
    """The cards of Flan 2022, by id."""
    found, findings = load_cards(cards_folder())
    assert not findings
    return {task: card for task, card in found.items() if card.submixture in FLAN}


def test_there_are_1836_of_them(cards: dict[str, TaskCard]) -> None:
    """80 of Muffin, 193 of T0-SF, 1,554 of Natural Instructions and 9 with chains of thought."""
    assert Counter(card.submixture for card in cards.values()) == FLAN
    assert len(cards) == 1836


def test_no_two_stand_for_the_same_task(cards: dict[str, TaskCard]) -> None:
    """Ids differ in more than case, since they name folders, and so do the names in Flan."""
    names = Counter((card.submixture, flan_name(card)) for card in cards.values())

    assert max(Counter(task.lower() for task in cards).values()) == 1
    assert max(names.values()) == 1


def test_every_card_says_what_a_reader_needs(cards: dict[str, TaskCard]) -> None:
    """How each source was checked, licence, size, citation or its absence, two samples or more."""
    there = set(template_names(templates_folder()))
    for task, card in cards.items():
        for alternative in card.sources:
            assert alternative.checked, task
            assert {"address", "columns"} <= alternative.checked.keys(), task
            assert alternative.source.revision, task
        assert card.licence["id"], task
        assert card.licence["id"] == "unknown" or card.licence.get("read_at"), task
        assert "rows" in card.size, task
        assert card.size["rows"] is None or card.size.get("from"), task
        assert card.citation is None or card.citation.strip().startswith("@"), task
        assert len(card.sample) >= 2, task
        assert card.templates in there, task
        assert card.availability, task


@pytest.mark.parametrize("file", FILES)
def test_samples_go_through_fields_templates_and_variants(file: str) -> None:
    """No sample fails, no template comes out empty, and each variant meets a sample."""
    assert_card_is_sound(cards_folder() / file)


def test_a_member_of_a_family_is_sound_alone() -> None:
    """A card may be checked by itself, whatever file it came from."""
    members, _ = load_card_file(cards_folder() / "niv2" / "family.yaml", shown_as="family.yaml")

    for card in members[::400]:
        assert_card_is_sound(card)


REPAIRS = [
    (
        "muffin/imdb_reviews",
        {"text": 'Odd\x97but good. <br />"Oh\x85"', "sentiment": "pos", "rating": "8"},
        {"review": 'Odd—but good.\n"Oh…"'},
    ),
    ("muffin/e2e_nlg", {"ref": "The Mill  is a pub ."}, {"answer": "The Mill is a pub ."}),
    ("muffin/qnli", {"question": "Who was there"}, {"question": "Who was there?"}),
    ("muffin/qnli", {"sentence": "Of the speed of light A."}, {"whole_sentence": "yes"}),
    ("muffin/qnli", {"sentence": "Among these are"}, {"whole_sentence": ""}),
    (
        "niv2/task1370_newscomm_classification",
        {"definition": "1) Zhuang", "output": ["Czeck"]},
        {"definition": "1) Chinese", "answers": ["Czech"]},
    ),
    (
        "niv2/task195_sentiment140_classification",
        {"input": "I &lt;3 it &amp; you"},
        {"input": "I <3 it & you"},
    ),
    (
        "niv2/task001_quoref_question_generation",
        {"input": "A &amp; B", "definition": "Name it in Zhuang."},
        {"input": "A &amp; B", "definition": "Name it in Zhuang."},
    ),
]


@pytest.mark.parametrize(("task", "upstream", "mended"), REPAIRS)
def test_what_is_broken_upstream_is_mended_in_the_card(
    cards: dict[str, TaskCard], task: str, upstream: dict[str, Any], mended: dict[str, Any]
) -> None:
    """Where a source is known to be broken its card mends it, and other cards do not."""
    card = cards[task]
    record = {**card.sample[0], **upstream}

    [row] = make_rows(replace(card, sample=(record,)))

    assert {name: row[name] for name in mended} == mended


@pytest.mark.shared
def test_ids_and_names_are_those_of_the_task_list(cards: dict[str, TaskCard], shared: Path) -> None:
    """The 1,836 are those that were read out of paper and release, one card for each."""
    with (shared / "flan2022" / "tasks.csv").open(encoding="utf-8", newline="") as table:
        listed = {(row["submixture"], row["flan_name"]): row for row in csv.DictReader(table)}
    carded = {(card.submixture, flan_name(card)): card for card in cards.values()}

    assert carded.keys() == listed.keys()
    for key, card in carded.items():
        assert card.cot == (listed[key]["is_cot"] == "yes"), card.id
        bare = key[1].removeprefix("cot_").removeprefix("stream_")
        # Outside NIV2 ids are in lower case, and plain.
        plain = re.sub(r"[^a-z0-9]+", "_", bare.lower()).strip("_")
        expected = bare if key[0] == "niv2" else plain
        assert card.id == f"{key[0]}/{expected}"


def flan_name(card: TaskCard) -> str:
    """What the release calls the task; where the card does not say, what follows the slash."""
    return card.flan_name or card.id.split("/")[1]
