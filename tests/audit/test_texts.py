"""Texts, their sizes and their scripts: each planted fault fires its check, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from mixture_builder.audit import lengths
from mixture_builder.audit.hits import Evidence
from mixture_builder.audit.languages import scripts_of
from mixture_builder.audit.size_sketch import Sketch
from tests.audit.conftest import Clean, checks_of, findings_of

Record = dict[str, Any]


def zero_shot(record: Record) -> bool:
    return bool(record["variant"] == "zs_noopt")


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u00a0\u3000", "\u200b"])
def test_texts_of_nothing_are_found(clean: Clean, text: str):
    """A prompt or a target in which nothing can be seen is an error."""
    told = clean.with_fault(zero_shot, lambda r: {**r, "inputs": text})
    assert "text/empty_input" in checks_of(told)
    told = clean.with_fault(zero_shot, lambda r: {**r, "targets": text})
    assert "text/empty_target" in checks_of(told)


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f"])
def test_control_characters_are_found(clean: Clean, character: str):
    """A control character is found, with the text around it."""
    told = clean.with_fault(zero_shot, lambda r: {**r, "targets": r["targets"] + character})
    (found,) = findings_of(told, "text/control_character")

    assert character in found["evidence"][0]["text"]


@pytest.mark.parametrize("character", ["\x80", "\x9f", "\ufffd", "\ufeff"])
def test_damaged_characters_are_found(clean: Clean, character: str):
    """What a wrong encoding leaves is found."""
    told = clean.with_fault(zero_shot, lambda r: {**r, "targets": r["targets"] + character})

    assert "text/damaged_character" in checks_of(told)


@pytest.mark.parametrize("sound", ["\u2019", "\u201c", "\u2014", "\u00e9", "\u00fc", "\u00a3"])
@pytest.mark.parametrize("column", ["inputs", "targets"])
def test_utf_8_read_as_windows_1252_is_found(clean: Clean, sound: str, column: str):
    """A character of UTF-8 whose bytes were taken for one each is found, also among sound ones."""
    damaged = sound.encode().decode("windows-1252", "replace").replace("\ufffd", "")
    text = f" caf\u00e9 \u00e2me it{damaged}s"
    told = clean.with_fault(zero_shot, lambda r: {**r, column: r[column] + text})

    assert "text/damaged_character" in checks_of(told)


@pytest.mark.parametrize(
    "text",
    ["\u00c3O \u00c2ngulo \u00e2ge", "it\u2019s \u20ac5", "\u00e2 \u20ac", "\u00abS\u00c3O\u00bb"],
)
def test_letters_with_accents_are_sound(clean: Clean, text: str):
    """Letters that misread texts are full of are no fault by themselves."""
    told = clean.with_fault(zero_shot, lambda r: {**r, "targets": f"{r['targets']} {text}"})

    assert "text/damaged_character" not in checks_of(told)


def test_few_damaged_characters_are_a_note_and_many_a_warning(clean: Clean):
    """Sources have such characters here and there; a tenth of a task's records is another thing."""
    for times, severity in ((1, "note"), (50, "warning")):
        told = clean.with_fault(
            lambda r: r["task_id"] == "quickstart/summaries",
            lambda r: {**r, "targets": r["targets"] + "\ufffd"},
            times=times,
        )
        assert findings_of(told, "text/damaged_character")[0]["severity"] == severity


@pytest.mark.parametrize(
    "text", ["{{ question }}", "{{question|trim}}", "{% if options_text %}", "{%- endif %}"]
)
def test_jinja_that_was_not_rendered_is_found(clean: Clean, text: str):
    """A print of a field, and a statement, are errors."""
    told = clean.with_fault(
        lambda r: r["task_id"] == "quickstart/sums",
        lambda r: {**r, "targets": f"{r['targets']} {text}"},
    )

    assert "text/unrendered" in checks_of(told)


@pytest.mark.parametrize("text", ["{{ not_a_field_of_ours }}", "\\frac{{a}}{{b}}", "{{}}", "{ x }"])
def test_braces_of_the_data_are_let_be(clean: Clean, text: str):
    """Braces that rows bring are no Jinja of ours."""
    told = clean.with_fault(
        lambda r: r["task_id"] == "quickstart/sums",
        lambda r: {**r, "targets": f"{r['targets']} {text}"},
    )

    assert "text/unrendered" not in checks_of(told)


@pytest.mark.parametrize("value", ["None", "nan", "null"])
def test_values_of_a_program_are_found(clean: Clean, value: str):
    """A target that is how a program writes a missing value is a warning."""
    told = clean.with_fault(
        lambda r: r["task_id"] == "quickstart/summaries" and zero_shot(r),
        lambda r: {**r, "targets": value},
    )

    assert "text/program_value" in checks_of(told)


def test_a_target_none_that_the_prompt_names_is_an_answer(clean: Clean):
    """A label that the prompt names is let be."""
    told = clean.with_fault(
        lambda r: r["task_id"] == "quickstart/summaries" and zero_shot(r),
        lambda r: {**r, "inputs": r["inputs"] + " Say None.", "targets": "None"},
    )

    assert "text/program_value" not in checks_of(told)


def test_a_target_that_is_cut_is_found(clean: Clean):
    """Where all long targets end a sentence, one that does not is a warning, and is shown."""
    told = clean.with_fault(
        lambda r: (
            r["task_id"] == "quickstart/conversations"
            and len(r["targets"]) > 100
            and r["targets"].endswith(".")
        ),
        lambda r: {**r, "targets": r["targets"][:60].rstrip(".") + " and"},
    )
    (found,) = findings_of(told, "text/cut_target")

    assert found["count"] == 1
    assert found["evidence"][0]["text"].endswith(" and")


def test_targets_that_are_cut_at_a_size_are_found(clean: Clean):
    """Many targets of one, largest size are a warning."""
    told = clean.with_fault(
        lambda r: r["task_id"] == "quickstart/summaries",
        lambda r: {**r, "targets": f"{r['draw']} {'words ' * 1000}"[:5000]},
        times=60,
    )

    assert "text/cut_at_size" in checks_of(told)


def test_a_prompt_that_is_far_too_long_is_found(clean: Clean):
    """A text that is many times as long as those of its task is told, with its record."""
    told = clean.with_fault(
        lambda r: r["task_id"] == "quickstart/sums", lambda r: {**r, "inputs": "sum " * 90_000}
    )
    found = findings_of(told, "lengths/outlier")

    assert [f["found"] for f in found if f["task"] == "quickstart/sums"] == [360_000]


def test_records_in_a_foreign_script_are_found(clean: Clean):
    """Many records in a script of none of the card's languages are a warning."""
    told = clean.with_fault(
        lambda r: r["task_id"] == "quickstart/summaries",
        lambda r: {**r, "inputs": "Объясните, пожалуйста, что здесь написано."},
        times=60,
    )
    (found,) = findings_of(told, "language/foreign_script")

    assert found["task"] == "quickstart/summaries"


def test_a_language_that_is_missing_is_found(clean: Clean):
    """A Japanese task without Japanese is a warning."""
    shards = clean.shards()
    for records in shards:
        for record in records:
            if record["task_id"] == "quickstart/japanese_topics":
                for column in ("inputs", "targets"):
                    record[column] = "x" * len(record[column])
    (found,) = findings_of(clean.audit(shards), "language/no_script")

    assert found["task"] == "quickstart/japanese_topics"


@pytest.mark.parametrize(
    ("languages", "scripts"),
    [
        (["en"], {"Latin"}),
        (["ru", "en"], {"Cyrillic", "Latin"}),
        (["sr"], {"Cyrillic", "Latin"}),
        (["zh-Hant"], {"Han"}),
        (["ko"], {"Han", "Hangul"}),
        (["hi"], {"Indic"}),
    ],
)
def test_languages_have_their_scripts(languages: list[str], scripts: set[str]):
    """The scripts of a language are those it is written in."""
    assert scripts_of(languages) == scripts


def test_quantiles_are_right_to_one_per_cent(clean: Clean):
    """The sketch of sizes gives the quantiles of the sizes themselves."""
    told = clean.audit()
    sizes = sorted(len(r["inputs"]) for shard in clean.records for r in shard)
    for name, share in (("p5", 0.05), ("p50", 0.5), ("p99", 0.99)):
        exact = sizes[int(share * (len(sizes) - 1))]
        assert abs(told["lengths"]["input_chars"][name] - exact) <= 0.02 * exact
    assert told["lengths"]["input_chars"]["max"] == sizes[-1]
    assert told["lengths"]["input_chars"]["total"] == sum(sizes)


def test_it_does_not_matter_when_bins_are_added_up(clean: Clean, monkeypatch):
    """After every stretch or once in the end, the figures are the same."""
    once = clean.audit()
    monkeypatch.setattr(lengths, "_PENDING", 0)

    assert clean.audit() == once


def test_a_sketch_of_equal_sizes_has_no_spread():
    """Where all texts are as long, the median is that and the spread nothing."""
    record = (7, Evidence(shard="", row=0, text=""))
    sketch = Sketch(bins={98: 3}, count=3, total=21, shortest=record, longest=record)

    assert (sketch.quantile(0.5), sketch.spread()) == (7, 0.0)
