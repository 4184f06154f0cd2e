"""The helpers that users test their own cards and transforms with."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from mixture_builder.card_files import load_card_file
from mixture_builder.shipped import cards_folder, templates_folder
from mixture_builder.testing import assert_card_is_sound, make_rows, run_eagerly
from mixture_builder.transforms.quiet_beam import beam

ENTAILMENT = cards_folder() / "quickstart" / "entailment.yaml"


def changed_card(folder: Path, **changes: object) -> Path:
    """The entailment card with some keys replaced."""
    card = yaml.safe_load(ENTAILMENT.read_text(encoding="utf-8"))
    path = folder / "entailment.yaml"
    path.write_text(yaml.safe_dump({**card, **changes}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "name", ["entailment", "sums", "conversations", "passage_answers", "arabic_english"]
)
def test_shipped_cards_are_sound(name: str):
    """Cards with options, rationales, turns and several answers pass as they are."""
    assert_card_is_sound(cards_folder() / "quickstart" / f"{name}.yaml")


def test_rows_are_those_of_the_sample():
    """A row holds the card's fields, with the values that their expressions give."""
    (card,), _ = load_card_file(ENTAILMENT, shown_as="entailment.yaml")

    rows = make_rows(card)

    assert rows[0] == {
        "premise": "The ferry was full, so the last six cars had to wait for the next one.",
        "hypothesis": "Some cars did not get onto the ferry.",
        "options": ["yes", "maybe", "no"],
        "answer_index": 0,
    }


def test_a_sample_that_gives_no_row_is_named(tmp_path: Path):
    """The message names card, record, field and what was found."""
    sample = [
        {"premise": "It rains.", "hypothesis": "It is wet.", "label": 0},
        {"premise": "", "hypothesis": "x", "label": 0},
    ]
    card = changed_card(tmp_path, sample=sample)

    with pytest.raises(
        AssertionError,
        match=r"quickstart/entailment: sample\[1\]: missing_field in 'premise': found an empty",
    ):
        assert_card_is_sound(card)


def test_a_sample_that_is_filtered_out_altogether_is_no_sample(tmp_path: Path):
    """A condition that keeps none of the samples leaves nothing to check the templates with."""
    with pytest.raises(AssertionError, match="'keep' is false for all"):
        assert_card_is_sound(changed_card(tmp_path, keep="label == 9"))


def test_findings_of_the_card_are_shown(tmp_path: Path):
    """A card that does not load fails with the findings that any command would show."""
    with pytest.raises(AssertionError, match="licence"):
        assert_card_is_sound(changed_card(tmp_path, licence="free"))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("{{ conclusion }}", "found the name 'conclusion', which the card quickstart/entailment"),
        ("{{ 'x' if premise == '' else '' }}", "'only': .*empty_target"),
    ],
)
def test_a_template_that_does_not_render_is_named(tmp_path: Path, target: str, message: str):
    """The message names the template and what came of it."""
    shutil.copytree(templates_folder() / "styles", tmp_path / "styles")
    (tmp_path / "quickstart").mkdir()
    template = {"id": "only", "input": "{{ premise }} So: {{ hypothesis }}?", "target": target}
    text = yaml.safe_dump({"about": "Does it follow?", "templates": [template]})
    (tmp_path / "quickstart" / "entailment.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(AssertionError, match=message):
        assert_card_is_sound(ENTAILMENT, templates=tmp_path)


def test_a_card_is_as_good_as_its_file():
    """A card that is loaded already is checked like the file it came from."""
    (card,), _ = load_card_file(ENTAILMENT, shown_as="entailment.yaml")

    assert_card_is_sound(card)
    with pytest.raises(AssertionError, match="'keep' is false for all"):
        assert_card_is_sound(replace(card, sources=(replace(card.sources[0], keep="false"),)))


def test_each_few_shot_variant_must_meet_two_samples(tmp_path: Path):
    """Samples that all ask the same, or lack what a template requires, show no exemplar."""
    sample = [{"premise": "It rains.", "hypothesis": "It is wet.", "label": n} for n in (0, 1)]

    with pytest.raises(AssertionError, match="no sample can be shown in the variant fs_noopt"):
        assert_card_is_sound(changed_card(tmp_path, sample=sample))


def test_run_eagerly_gives_what_comes_out():
    """Elements go through the transform, and its output comes back as a list."""
    doubled = run_eagerly([1, 2, 3], beam.Map(lambda number: number * 2))

    assert sorted(doubled) == [2, 4, 6]
