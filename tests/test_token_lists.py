"""Rules for many short lists of numbers held as two arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.token_lists import (
    TokenLists,
    constant_lists,
    joined,
    one_after_the_other,
    spans,
    starts_of,
    token_lists,
)

LISTS = st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=5), max_size=8)


@given(lists=LISTS)
def test_lists_come_back(lists: list[list[int]]):
    """Whatever lists are held, empty ones too, they are what went in."""
    assert token_lists(lists).to_lists() == lists


@given(pairs=st.lists(st.tuples(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))))
def test_joining_goes_list_by_list(pairs: list[tuple[list[int], list[int]]]):
    """The n-th list of each part becomes one list, the first part's tokens first."""
    first, second = token_lists([a for a, _ in pairs]), token_lists([b for _, b in pairs])
    end = constant_lists([99], count=len(pairs))

    assert joined([first, second, end]).to_lists() == [[*a, *b, 99] for a, b in pairs]


def test_joining_many_lists_piece_by_piece_changes_nothing():
    """More lists than are joined at a time give what each of them gives alone."""
    first = token_lists([[n] * (n % 3) for n in range(10_000)])
    second = token_lists([[-n] for n in range(10_000)])

    assert joined([first, second]).to_lists() == [[n] * (n % 3) + [-n] for n in range(10_000)]


@given(parts=st.lists(LISTS, max_size=4))
def test_parts_stand_one_after_the_other(parts: list[list[list[int]]]):
    """Lists of several parts keep their order, also where a part is empty."""
    together = one_after_the_other([token_lists(part) for part in parts])

    assert together.to_lists() == [item for part in parts for item in part]


@given(ranges=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 5))))
def test_spans_are_ranges(ranges: list[tuple[int, int]]):
    """A span is the numbers from its start on, as many as its length."""
    starts = np.array([start for start, _ in ranges], dtype=np.int64)
    lengths = np.array([length for _, length in ranges], dtype=np.int64)

    expected = [number for start, length in ranges for number in range(start, start + length)]
    assert spans(starts, lengths).tolist() == expected
    assert starts_of(lengths).tolist() == [int(lengths[:n].sum()) for n in range(len(lengths))]


def test_lengths_must_fit_the_values():
    """Lengths that say something else than the values are a mistake of the caller."""
    with pytest.raises(ValueError, match="must sum to the number of values"):
        TokenLists(values=np.zeros(3, dtype=np.int32), lengths=np.array([1, 1]))
