"""Prompts and targets against what their columns say: each planted fault fires its check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mixture_builder.audit.frames import frame_of
from tests.audit.conftest import Clean, checks_of, findings_of

Record = dict[str, Any]


def few_shot(record: Record) -> bool:
    return bool(record["num_exemplars"] > 1)


def labelled(record: Record) -> bool:
    """Whether the target is a label such as (A)."""
    return (
        record["variant"] == "zs_opt"
        and "paren" in record["style"]
        and record["targets"].startswith("(")
        and len(record["targets"]) == 3
    )


def bulleted(record: Record) -> bool:
    return record["variant"] == "zs_opt" and "/dash/" in record["style"]


def changed(column: str, change: Callable[[str], str]) -> Callable[[Record], Record]:
    return lambda record: {**record, column: change(record[column])}


def test_a_cut_prompt_is_found(clean: Clean):
    """A prompt that lost the words with which its template ends is an error."""
    template = next(
        t.id
        for t in clean.context.tasks["quickstart/sums"].templates
        if frame_of(t.input, shows_options=False).words[-1] and t.direction == "direct"
    )
    told = clean.with_fault(
        lambda r: (
            (r["task_id"], r["template_id"]) == ("quickstart/sums", template)
            and not r["num_exemplars"]
        ),
        changed("inputs", lambda text: text[: len(text) // 2]),
    )

    assert "template/words" in checks_of(told)


def test_the_words_of_another_template_are_found(clean: Clean):
    """A prompt that is said with another template than its column names is an error."""
    told = clean.with_fault(
        lambda r: r["variant"] == "zs_noopt" and r["task_id"] == "quickstart/sums",
        lambda r: {**r, "inputs": "How much is one and one?"},
        times=12,
    )

    assert findings_of(told, "template/words")[0]["task"] == "quickstart/sums"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Premise: a dog barks\nHypothesis: a cat", ""),
        ("Premise: \nHypothesis: a cat", "gap"),
        ("Premise: \n\nHypothesis: a cat", "gap"),
        ("Premise: a dog barks\nHypothesis:", "words"),
        ("Premise: a dog barks\nConclusion: a cat", "words"),
        ("Premise: x\nHypothesis: y\nHypothesis: z", ""),
    ],
)
def test_a_lost_field_is_told_from_lost_words(text: str, fault: str):
    """Nothing where a field is printed is a gap; words that are not there are words."""
    frame = frame_of("Premise: {{ premise }}\nHypothesis: {{ other }}", shows_options=False)
    data = b"before" + text.encode() + b"after"

    assert frame.fault(data, 6, 6 + len(text.encode())) == fault


def test_what_stands_under_an_if_may_be_missing():
    """A field that is printed on a condition may be empty; options are known to be there or not."""
    source = (
        "{{ a }}{% if b %} ({{ b }}){% endif %}{% if options_text %}\n{{ options_text }}{% endif %}"
    )
    without = frame_of(source, shows_options=False)
    shown = frame_of(source, shows_options=True)

    assert without.fault(b"text", 0, 4) == ""
    assert shown.fault(b"text", 0, 4) == "words"
    assert shown.fault(b"text\n- yes", 0, 10) == ""


def test_a_dropped_separator_is_found(clean: Clean):
    """Exemplars that run into one another are an error."""
    layouts = clean.context.layouts

    def without_separator(record: Record) -> Record:
        layout = layouts.exemplars(clean.context.style_book.drawn(record["style"]))
        assert layout is not None
        text = record["inputs"].replace(layout.marker.decode(), " ", 1)
        return {**record, "inputs": text}

    told = clean.with_fault(few_shot, without_separator)

    assert "shots/separator" in checks_of(told)


def test_a_few_shot_prompt_that_is_cut_is_found(clean: Clean):
    """A few-shot prompt that does not end with the label of its target is an error."""
    told = clean.with_fault(
        lambda r: few_shot(r) and "question_answer" in r["style"],
        changed("inputs", lambda text: text[:-3]),
    )

    assert "shots/query_label" in checks_of(told)


def test_a_style_that_is_none_is_found(clean: Clean):
    """A few-shot record whose style names no layout of exemplars is an error."""
    told = clean.with_fault(few_shot, lambda r: {**r, "style": ""})

    assert "shots/style" in checks_of(told)


def test_the_query_as_an_exemplar_is_found(clean: Clean):
    """A prompt whose exemplar is the query is an error, by its row and by its text."""
    layouts = clean.context.layouts

    def with_query(record: Record) -> Record:
        layout = layouts.exemplars(clean.context.style_book.drawn(record["style"]))
        assert layout is not None
        marker, between = layout.marker.decode(), layout.between.decode()
        above, query = record["inputs"].rsplit(marker, 1)
        query = query[: len(query) - len(layout.tail.decode())]
        first, rest = above.split(marker, 1)
        text = first + marker + query + between + record["targets"]
        # What was the second exemplar gives its place away.
        further = rest.split(marker)[1:]
        return {
            **record,
            "inputs": marker.join([text, *further, record["inputs"].rsplit(marker, 1)[1]]),
            "exemplar_rows": [
                record["exemplar_rows"][0],
                record["row"],
                *record["exemplar_rows"][2:],
            ],
        }

    told = clean.with_fault(
        lambda r: (
            few_shot(r)
            and "question_answer/" in r["style"]
            and r["task_id"] == "quickstart/sums"
            and not clean.is_inverted(r)
        ),
        with_query,
    )

    assert {"shots/query_shown", "shots/query_row"} <= checks_of(told)


def test_an_exemplar_that_comes_twice_is_found(clean: Clean):
    """A prompt with the same row twice among its exemplars is an error."""
    told = clean.with_fault(
        few_shot,
        lambda r: {**r, "exemplar_rows": [r["exemplar_rows"][0]] * r["num_exemplars"]},
    )

    assert checks_of(told) == {"shots/exemplar_twice"}


def test_an_answer_among_the_exemplars_is_found(clean: Clean):
    """A long target that stands in an exemplar is an error, in a task without options."""
    tasks = clean.context.tasks

    def leaking(record: Record) -> Record:
        layout = clean.context.layouts.exemplars(clean.context.style_book.drawn(record["style"]))
        assert layout is not None
        parts = record["inputs"].split(layout.marker.decode())
        parts[-2] += " " + record["targets"]
        return {**record, "inputs": layout.marker.decode().join(parts)}

    told = clean.with_fault(
        lambda r: (
            few_shot(r)
            and len(r["targets"]) >= 40
            and not tasks[r["task_id"]].lists_options
            and "question_answer/" in r["style"]
        ),
        leaking,
    )

    assert "shots/answer_shown" in checks_of(told)


def test_a_blank_line_within_a_list_is_no_separator(clean: Clean):
    """What follows it is the rest of a list, though a query might look like that as well."""

    def listed(question: str, *options: str) -> str:
        lines = [f"({place}) {option}" for place, option in enumerate(options, 1)]
        lead = "You may answer with one of the following."
        return "\n".join([question, lead, "", *lines, "Answer:"])

    prompt = "\n\n".join(
        [
            "In each list, cross out every option that is wrong and give the one that is left.",
            listed("What pulls a stone to the ground?", "magnetism", "gravity") + " (2)",
            listed("Which of these eats only plants?", "a cow", "a wolf") + " (1)",
            listed("Where is food taken up into the blood?", "in the mouth", "in the bowels"),
        ]
    )
    style = "options=what_you_can_say/digits_paren/none;exemplars=answer_only/blank_line"
    asked = "quickstart/science_choice", "eliminate_wrong_ones"
    told = clean.with_fault(
        lambda r: (r["task_id"], r["template_id"]) == asked and r["num_exemplars"] == 2,
        lambda r: {**r, "inputs": prompt, "targets": "(2)", "style": style, "variant": "fs_opt"},
    )

    assert not {"options/no_list", "template/words", "shots/separator"} & checks_of(told)


def test_a_label_without_a_list_is_found(clean: Clean):
    """A prompt that should list options, and does not, is an error."""
    told = clean.with_fault(
        labelled, changed("inputs", lambda text: text.replace("(", "").replace(")", ""))
    )

    assert "options/no_list" in checks_of(told)


def test_options_without_a_style_are_found(clean: Clean):
    """A record of a variant with options must name their style."""
    told = clean.with_fault(labelled, lambda r: {**r, "style": ""})

    assert "options/no_list" in checks_of(told)


def test_a_label_beyond_the_list_is_found(clean: Clean):
    """The letter of an option that is not there is an error."""
    told = clean.with_fault(
        lambda r: labelled(r) and r["targets"].isupper(), lambda r: {**r, "targets": "(Z)"}
    )

    assert "options/label_beyond_list" in checks_of(told)


def test_a_target_that_is_no_label_is_found(clean: Clean):
    """Where options have labels the target must be one."""
    told = clean.with_fault(labelled, lambda r: {**r, "targets": "banana"})

    assert "options/no_label" in checks_of(told)


def test_a_target_that_is_not_listed_is_found(clean: Clean):
    """Where options have no labels the target must be one of them."""
    told = clean.with_fault(
        lambda r: (
            bulleted(r)
            and r["task_id"] == "quickstart/reviews"
            and r["targets"] in {"positive", "negative"}
        ),
        lambda r: {**r, "targets": "an answer of another task"},
    )

    assert "options/target_not_listed" in checks_of(told)


def test_a_list_that_is_not_wanted_is_found(clean: Clean):
    """A record of a variant without options may not name a style of them."""
    told = clean.with_fault(
        lambda r: r["variant"] == "zs_noopt", lambda r: {**r, "style": "options=none/dash/none"}
    )

    assert "options/unwanted_list" in checks_of(told)


def test_right_options_at_one_place_are_found(clean: Clean):
    """Labels that are always the first make the places of right options uneven."""
    shards = clean.shards()
    for records in shards:
        for record in records:
            style = clean.context.layouts.options(clean.context.style_book.drawn(record["style"]))
            if style is not None and style.label_index(record["targets"]) > 0:
                record["targets"] = style.item.label_of(0)
    found = findings_of(clean.audit(shards), "options/positions")

    assert found
    assert all(f["severity"] == "error" for f in found)


def test_a_template_that_shows_the_answer_is_found(clean: Clean):
    """Targets that stand in the prompts of one template, and of no other, are a warning."""
    shards = clean.shards()
    for records in shards:
        for record in records:
            if (record["task_id"], record["template_id"]) == (
                "quickstart/conversations",
                "what_comes_next",
            ) and record["num_exemplars"] == 0:
                record["inputs"] = record["inputs"] + "\n" + record["targets"]
    found = findings_of(clean.audit(shards), "text/target_in_prompt")

    assert [f["task"] for f in found] == ["quickstart/conversations"]
