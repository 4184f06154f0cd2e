"""From records to rows: every record is a row, filtered, or has a reason why it is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.canonical import (
    ROW_REASONS,
    RowMaker,
    RowProblem,
    plain_values,
    row_identity,
    text_key,
)
from tests.makers import make_card


def made(record: dict[str, Any], *, keep: str = "", **fields: Any) -> Any:
    further = {k: fields.pop(k) for k in ("optional", "types") if k in fields}
    card = make_card(fields=fields, keep=keep, **further)
    return RowMaker(card.sources[0]).row(record)


def reason(record: dict[str, Any], **fields: Any) -> tuple[str, str]:
    problem = made(record, **fields)
    assert isinstance(problem, RowProblem), problem
    assert problem.reason in ROW_REASONS
    assert problem.detail
    return problem.reason, problem.field


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("  text kept as it is \n", "  text kept as it is \n"),
        (3, "3"),
        (0, "0"),
        (2.5, "2.5"),
        (True, "True"),
        ("日本", "日本"),
    ],
)
def test_texts_are_stored_as_they_are_and_numbers_as_their_text(value, stored):
    """Nothing is trimmed, cut or changed but by the card's own expression; 0 is a value."""
    assert made({"v": value}, text="v") == {"text": stored}


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (None, "string", "missing_field"),
        ("", "string", "missing_field"),
        (" \n\t\u3000", "string", "missing_field"),
        ([], "string", "missing_field"),
        (["x"], "string", "wrong_type"),
        ({"x": 1}, "string", "wrong_type"),
        (b"bytes", "string", "wrong_type"),
        ("x", "list", "wrong_type"),
        ([], "list", "missing_field"),
        ((), "list", "missing_field"),
        ([None, None], "list", "missing_field"),
        ([["x"]], "list", "wrong_type"),
        ("x", "int", "wrong_type"),
        (1.5, "int", "wrong_type"),
        (True, "int", "wrong_type"),
        (float("nan"), "int", "wrong_type"),
        (float("inf"), "int", "wrong_type"),
        (2**63, "int", "wrong_type"),
        ("9" * 5000, "int", "wrong_type"),
        (None, "int", "missing_field"),
    ],
)
def test_what_is_no_value_of_its_type_has_a_reason(value, kind, expected):
    """Missing, None, empty and mistyped values send the record to quarantine."""
    assert reason({"v": value}, text="v", types={"text": kind}) == (expected, "text")


@pytest.mark.parametrize(
    ("value", "stored"), [(3, 3), (3.0, 3), ("3", 3), (" -3 ", -3), (2**53 + 1, 2**53 + 1)]
)
def test_whole_numbers_come_from_numbers_and_texts(value, stored):
    """A whole number is one however the source spells it, and keeps all its digits."""
    assert made({"v": value}, number="v", types={"number": "int"}) == {"number": stored}


def test_lists_hold_texts_and_skip_nothing_but_nulls():
    """Numbers become texts; a null in a list is no answer."""
    assert made({"v": ["a", 1, None, ""]}, words="v", types={"words": "list"}) == {
        "words": ["a", "1", ""]
    }


@pytest.mark.parametrize("record", [{}, {"v": None}, {"v": ""}, {"v": []}, {"w": {"x": 1}}])
@pytest.mark.parametrize(("kind", "empty"), [("string", ""), ("list", []), ("int", 0)])
def test_an_optional_field_may_be_missing(record, kind, empty):
    """Missing, failing and empty optional fields are stored as empty."""
    row = made({**record, "q": "q"}, q="q", text="v", optional=["text"], types={"text": kind})

    assert row == {"q": "q", "text": empty}


def test_an_expression_that_fails_has_its_message_as_detail():
    """The reason names the field; the detail is Jinja's."""
    problem = made({"v": ["a"]}, first="v[0]", second="v[1]")

    assert isinstance(problem, RowProblem)
    assert (problem.reason, problem.field) == ("field_error", "second")
    assert "1" in problem.detail


def test_keep_filters_quietly_and_fails_loudly():
    """A false condition filters; one that cannot be evaluated quarantines."""
    assert made({"v": "x", "label": -1}, keep="label != -1", text="v") is None
    assert made({"v": "x", "label": 1}, keep="label != -1", text="v") == {"text": "x"}
    assert reason({"v": "x"}, keep="label != -1", text="v") == ("keep_error", "keep")


OPTIONS = {"options": "o", "answer_index": "i"}


@pytest.mark.parametrize(
    ("options", "index"),
    [
        (["a"], 0),
        (["a", "b"], 2),
        (["a", "b"], -1),
        (["a", ""], 0),
        (["a", " "], 0),
        (["a", "b", "a"], 0),
        (["a", "b", "a"], 2),
    ],
)
def test_options_without_one_right_answer_have_a_reason(options, index):
    """Two options at least, none empty, and exactly one of them right."""
    assert reason({"o": options, "i": index}, **OPTIONS) == ("bad_options", "options")


def test_a_wrong_option_may_stand_twice():
    """Upstream sets hold such rows; their answer is clear."""
    assert made({"o": ["a", "b", "b"], "i": 0}, **OPTIONS) == {
        "options": ["a", "b", "b"],
        "answer_index": 0,
    }


VALUES = st.one_of(st.text(max_size=6), st.lists(st.text(max_size=3), max_size=3))
NASTY = st.text(alphabet="ab\x1d\x1e\x1f,1", max_size=5)
NASTY_VALUES = st.one_of(NASTY, st.lists(NASTY, max_size=3))


@given(
    st.fixed_dictionaries({"a": NASTY, "b": st.lists(NASTY, max_size=3)}),
    st.fixed_dictionaries({"a": NASTY, "b": st.lists(NASTY, max_size=3)}),
)
def test_two_rows_share_an_identity_only_if_they_are_the_same(one, other):
    """No separator inside a text, and no empty item, makes different rows look like copies."""
    assert (row_identity(one, ("a", "b")) == row_identity(other, ("b", "a"))) == (one == other)


@given(st.fixed_dictionaries({"a": VALUES, "b": VALUES}))
def test_copies_are_told_apart_by_their_occurrence(row):
    """Kept copies have identities of their own, and field order does not matter."""
    identities = {row_identity(row, ("a", "b"), n) for n in range(5)}

    assert len(identities) == 5
    assert all(0 <= identity < 2**63 for identity in identities)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Who wrote it?", "who  wrote it"),
        ("It's_here -- now.", "ITS HERE NOW"),
        ("Straße", "STRASSE"),
        ("« Oui ! »", "oui"),
        (["a", "b"], "a b"),
    ],
)
def test_texts_that_say_the_same_have_one_key(one, other):
    """Case, spacing and punctuation do not count."""
    assert text_key(one) == text_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Who wrote it?", "Who read it?"), ("?", "!"), ("", " "), ("日本", "日木")]
)
def test_texts_that_say_something_else_have_another_key(one, other):
    """Letters and digits count, and marks where there is nothing else."""
    assert text_key(one) != text_key(other)


DECOMPOSED, COMPOSED = "cafe\u0301 x\u00b2", "caf\u00e9 x\u00b2"


@pytest.mark.parametrize(
    ("form", "kept"), [(None, DECOMPOSED), ("NFC", COMPOSED), ("NFKC", "caf\u00e9 x2")]
)
def test_texts_are_brought_into_a_unicode_form_only_where_the_card_says_so(form, kept):
    """All texts of a row, those in lists too; without the key they stay as they are."""
    card = make_card(fields={"text": "t", "answers": "a"})
    row = RowMaker(card.sources[0], normalise=form).row({"t": DECOMPOSED, "a": [DECOMPOSED]})

    assert row == {"text": kept, "answers": [kept]}


def test_options_are_compared_in_the_form_that_is_stored():
    """Two spellings that become one would make the right option stand twice."""
    card = make_card(fields=OPTIONS)
    record = {"o": [DECOMPOSED, COMPOSED], "i": 0}

    assert isinstance(RowMaker(card.sources[0]).row(record), dict)
    problem = RowMaker(card.sources[0], normalise="NFC").row(record)
    assert isinstance(problem, RowProblem)
    assert problem.reason == "bad_options"


def test_half_a_surrogate_pair_cannot_be_stored():
    """What is no Unicode has no identity; ingest gives such a record its reason."""
    with pytest.raises(UnicodeEncodeError):
        row_identity({"a": "\ud800"}, ("a",))


@pytest.mark.parametrize(
    "value",
    [{"text": ["a", None], "start": [1]}, [[1], []], "", [], 3, 2.5, True, " kept \n", None],
)
def test_a_json_field_keeps_any_value_as_it_stands(value):
    """Nested values, numbers, empty ones and nothing at all come back as what they were."""
    row = made({"v": value}, v="v", types={"v": "json"}, optional=["v"])

    assert plain_values([row["v"]]) == [value]


def test_equal_json_values_are_equal_rows():
    """The order of keys is no part of a value."""
    one = made({"v": {"a": 1, "b": 2}}, v="v", types={"v": "json"})
    other = made({"v": {"b": 2, "a": 1}}, v="v", types={"v": "json"})

    assert one == other
    assert row_identity(one, ("v",)) == row_identity(other, ("v",))


@pytest.mark.parametrize(
    "value", [b"bytes", float("nan"), {"a": {1, 2}}, ["half \ud800"], {"x": object()}]
)
def test_what_json_cannot_hold_has_a_reason(value):
    """A value that would not come back the same is no value of a json field."""
    assert reason({"v": value}, v="v", types={"v": "json"}) == ("wrong_type", "v")
