"""Task cards: what is read from them, and what every mistake earns.

A folder of `tests/bad_cards` holds `card.yaml`, what it names, and `expected.txt`: the exact
report. Written anew with `UPDATE_EXPECTED=1`, to be read before it is kept.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mixture_builder.card_files import load_card_file, load_cards
from mixture_builder.cards import TaskCard
from mixture_builder.findings import Report
from mixture_builder.shipped import cards_folder
from mixture_builder.sources import Beside, Source
from mixture_builder.yaml_files import schema

CASES = Path(__file__).parent / "bad_cards"

CARD = """
id: demo/colours
title: What colour is it?
description: A row is a thing and its colour.
category: tests
kind: open_qa
languages: [en]
source: {files: [data.jsonl], split: train, revision: "1"}
fields:
  thing: "thing"
  answer: "colour"
templates: demo/colours
licence: {id: CC0-1.0}
size: {rows: null}
sample:
  - {thing: snow, colour: white}
"""


@pytest.mark.parametrize("case", sorted(p.name for p in CASES.iterdir()))
def test_a_bad_card_says_what_is_wrong_and_the_way_out(case):
    """Each mistake gives exactly the report its folder expects, all mistakes at once."""
    _, findings = load_card_file(CASES / case / "card.yaml", shown_as="card.yaml")
    found = Report(findings=tuple(findings)).format() + "\n"
    expected = CASES / case / "expected.txt"
    if os.environ.get("UPDATE_EXPECTED") and not expected.exists():
        expected.write_text(found, encoding="utf-8")

    assert findings
    assert found == expected.read_text(encoding="utf-8")


def written(folder: Path, text: str, name: str = "colours.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def card_of(folder: Path, text: str) -> TaskCard:
    cards, findings = load_card_file(written(folder, text), shown_as="colours.yaml")
    assert not findings, Report(findings=tuple(findings)).format()
    (card,) = cards
    return card


def test_a_sound_card_is_read_as_it_is_written(tmp_path):
    """Fields keep their order and expressions; paths start at the card's folder."""
    card = card_of(tmp_path, CARD)

    assert (card.id, card.submixture) == ("demo/colours", "demo")
    assert [(f.name, f.expression, f.type, f.optional) for f in card.fields] == [
        ("thing", "thing", "string", False),
        ("answer", "colour", "string", False),
    ]
    assert card.folder == str(tmp_path.resolve())
    assert card.template_names() == {"thing", "answer", "chance"}
    assert card.known_rows is None
    assert json.loads(json.dumps(card.to_json()))["id"] == "demo/colours"


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        (
            "{q: q, options: o, answer_index: i}",
            {"q", "options", "options_text", "answer", "answer_index", "answer_text"},
        ),
        ("{q: q, answers: a}", {"q", "answer"}),
        ("{turns: t, response: r}", {"turns", "response", "dialog_text"}),
    ],
)
def test_templates_see_the_fields_and_what_is_made_of_them(tmp_path, fields, names):
    """Options give an answer and its list, several answers one of them, turns a dialog."""
    before, after = CARD.split('fields:\n  thing: "thing"\n  answer: "colour"')
    card = card_of(tmp_path, f"{before}fields: {fields}{after}")

    assert card.template_names() == names | {"chance"}


def test_tasks_are_laid_over_defaults(tmp_path):
    """Fields and source are merged key by key, everything else is replaced."""
    text = (
        "defaults:\n"
        + "".join(f"  {line}\n" for line in CARD.strip().splitlines()[1:])
        + "tasks:\n"
        "  - {id: demo/one, source: {files: [one.jsonl]}}\n"
        "  - {id: demo/two, languages: [de], fields: {answer: 'colour | upper'}}\n"
    )
    cards, findings = load_card_file(written(tmp_path, text), shown_as="colours.yaml")

    assert not findings
    one, two = cards
    assert (one.id, one.sources[0].source.files, one.languages) == (
        "demo/one",
        ("one.jsonl",),
        ("en",),
    )
    assert one.sources[0].source.revision == "1"
    assert [f.expression for f in two.fields] == ["thing", "colour | upper"]
    assert two.languages == ("de",)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("loop.csv", "there is no such file"),
        ('"a\\0.csv"', "embedded null byte"),
        ("a" * 300, "File name too long"),
    ],
)
def test_a_table_whose_name_leads_nowhere_cannot_be_read(tmp_path, name, why):
    """A stranger's folder may hold links in a circle, and a card names that no file may have."""
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    family = written(tmp_path, f"family: demo\nmembers: {name}\ncard: {{id: x}}\n")

    _, (finding,) = load_card_file(family, shown_as="family.yaml")

    assert finding.message.startswith("the table '")
    assert why in finding.message


def test_a_family_is_one_card_for_each_line_of_its_table(tmp_path):
    """A cell alone keeps its type, spaces part a list, an empty cell is nothing."""
    text = CARD.replace("demo/colours\ntitle: What colour is it?", "demo/${name}\ntitle: T ${name}")
    text = text.replace("[en]", "['${languages}']").replace("rows: null", "rows: '${rows}'")
    family = "family: demo\nmembers: members.csv\ncard:\n"
    family += "".join(f"  {line}\n" for line in text.strip().splitlines())
    written(tmp_path, 'name,languages,rows\na,en de,12\n"b.c",fr,\n', "members.csv")
    cards, findings = load_card_file(written(tmp_path, family), shown_as="family.yaml")

    assert not findings
    assert [(c.id, c.title, c.languages, c.known_rows) for c in cards] == [
        ("demo/a", "T a", ("en", "de"), 12),
        ("demo/b.c", "T b.c", ("fr",), None),
    ]


def test_alternatives_have_fields_and_conditions_of_their_own(tmp_path):
    """What an alternative does not say comes from the card."""
    text = CARD.replace(
        'source: {files: [data.jsonl], split: train, revision: "1"}',
        'keep: "thing"\nsource:\n'
        '  - {files: [data.jsonl], split: train, revision: "1"}\n'
        '  - {kind: hub, dataset: a/b, split: train, revision: "2", keep: "colour",\n'
        "     fields: {answer: \"['red', 'blue'][colour]\"}}\n",
    )
    first, second = card_of(tmp_path, text).sources

    assert [f.expression for f in first.fields] == ["thing", "colour"]
    assert [f.expression for f in second.fields] == ["thing", "['red', 'blue'][colour]"]
    assert (first.keep, second.keep) == ("thing", "colour")


def test_two_files_with_one_id_are_an_error(tmp_path):
    """The second is reported with the file of the first, and the first is kept."""
    written(tmp_path, CARD, "demo/a.yaml")
    written(tmp_path, CARD, "demo/b.yaml")
    written(tmp_path, "not: [a card", "demo/data/skipped.yaml")
    cards, findings = load_cards(tmp_path)

    assert list(cards) == ["demo/colours"]
    (finding,) = findings
    assert finding.file.endswith("demo/b.yaml")
    assert "demo/a.yaml has already" in finding.message


def test_only_what_decides_the_rows_names_the_stored_rows(tmp_path):
    """Texts about a task may be corrected without ingesting it again; its source may not."""
    base = card_of(tmp_path, CARD).rows_fingerprint()

    def changed(old: str, new: str) -> str:
        return card_of(tmp_path, CARD.replace(old, new)).rows_fingerprint()

    assert changed("What colour is it?", "Which colour?") == base
    assert changed("CC0-1.0", "MIT") == base
    assert changed("thing: snow", "thing: coal") == base
    others = {
        changed("data.jsonl", "other.jsonl"),
        changed('revision: "1"', 'revision: "2"'),
        changed('"colour"', '"colour | trim"'),
        changed("size:", 'keep: "thing"\nsize:'),
        changed("size:", "keep_duplicates: true\nsize:"),
        changed("size:", "normalise: NFC\nsize:"),
        changed("size:", "normalise: NFKC\nsize:"),
        changed('answer: "colour"', 'hue: "colour"'),
    }
    assert len(others) == 8
    assert base not in others


def test_a_card_without_a_unicode_form_names_its_rows_as_before_there_was_one(tmp_path):
    """Rows stored by an earlier version need not be ingested again."""
    card = card_of(tmp_path, CARD)

    assert card.normalise is None
    assert card.rows_fingerprint() == "1450c661d9aecce55816dcd18453d848"


@pytest.mark.parametrize("kind", [Source, Beside])
def test_the_schema_knows_every_key_a_source_has(kind):
    """What the reader can do can be written in a card, and the other way round."""
    properties = schema("task_card")["properties"]["source"]["properties"]
    if kind is Beside:
        properties = properties["beside"]["items"]["properties"]
    known = set(properties) - {"fields", "keep", "checked"}

    assert known == set(kind.__dataclass_fields__)


def test_the_cards_that_come_with_the_package_are_sound():
    """No finding, ids that fit their folders, and samples that are more than one."""
    cards, findings = load_cards(cards_folder())

    assert not findings, Report(findings=tuple(findings)).format()
    assert len(cards) > 1500
    for card in cards.values():
        assert card.file.split("/")[1] == card.submixture
