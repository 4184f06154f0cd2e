"""Fingerprints: equal data, equal hash, on every machine."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.fingerprint import (
    FINGERPRINT_LENGTH,
    canonical_json,
    fingerprint,
    fingerprint_of_large,
)

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(data, random):
    """Equal data has one fingerprint, whatever order its mappings were written in."""

    def shuffled(value):
        if isinstance(value, dict):
            items = [(k, shuffled(v)) for k, v in value.items()]
            random.shuffle(items)
            return dict(items)
        return [shuffled(v) for v in value] if isinstance(value, list) else value

    assert fingerprint(shuffled(data)) == fingerprint(data)


@given(PLAIN)
def test_data_that_passes_through_json_keeps_its_fingerprint(data):
    """Writing data to a file and reading it again changes nothing."""
    assert fingerprint(json.loads(json.dumps(data))) == fingerprint(data)


@given(PLAIN, PLAIN)
def test_the_hashed_text_says_all_there_is(one, other):
    """Two data with one spelling are the same data."""
    if canonical_json(one) == canonical_json(other):
        assert json.loads(canonical_json(one)) == json.loads(canonical_json(other))
    assert (fingerprint(one) == fingerprint(other)) == (
        canonical_json(one) == canonical_json(other)
    )


@given(st.dictionaries(st.text(), PLAIN, max_size=4))
def test_large_data_are_hashed_in_pieces_to_the_same(data):
    """Data that are spelled part by part have the fingerprint of the whole."""
    assert fingerprint_of_large(data) == fingerprint(data)


def test_known_values_never_change():
    """Locks and stores made elsewhere name the same content."""
    assert fingerprint({"b": [1, "ü"], "a": None}) == "987a9008d9c5720d6ba6517476011f34"
    assert len(fingerprint([])) == FINGERPRINT_LENGTH


@pytest.mark.parametrize(
    ("one", "other"),
    [([1, 2], [2, 1]), ({"a": 1}, {"a": "1"}), ([[]], []), (["ab"], ["a", "b"]), (1, 1.5)],
)
def test_what_differs_has_another_fingerprint(one, other):
    """Order of lists, types and nesting count."""
    assert fingerprint(one) != fingerprint(other)


def test_half_a_surrogate_pair_can_be_hashed():
    """JSON escapes can hold what is no Unicode; it hashes to something of its own."""
    assert fingerprint(json.loads('"\\ud800"')) != fingerprint("?")


@pytest.mark.parametrize("data", [float("nan"), float("inf")])
def test_numbers_json_has_no_word_for_are_refused(data):
    """NaN and infinities are mistakes in what is hashed."""
    with pytest.raises(ValueError, match="JSON compliant"):
        fingerprint([data])


@pytest.mark.parametrize("data", [{1, 2}, b"bytes", object()])
def test_types_json_has_no_word_for_are_refused(data):
    """Only plain data has a fingerprint."""
    with pytest.raises(TypeError):
        fingerprint([data])
