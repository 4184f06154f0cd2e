"""Bars of work that is done in two halves."""

from __future__ import annotations

import io
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tqdm import tqdm

from mixture_builder.cli.progress import Bar


def shown(total: int) -> Any:
    """A bar of the library that draws into nothing."""
    return tqdm(total=total, file=io.StringIO())


@given(st.lists(st.integers(0, 1000), max_size=8), st.data())
def test_halves_and_wholes_come_to_the_total(counts, data):
    """However the first halves are told of, the bar ends at the number of examples."""
    first = data.draw(st.lists(st.integers(0, 1000), max_size=8))
    drawn = shown(sum(counts))
    bar = Bar(drawn)
    for count in first:
        bar.half(count)
    halves = sum(count // 2 for count in first)
    assert drawn.n == halves

    for count in counts:
        bar.whole(count)

    # Never more is taken off than has been told of before.
    assert drawn.n == max(sum(counts), sum(counts) + halves - sum(c // 2 for c in counts))


def test_what_was_there_already_has_no_halves():
    """Kept shards count whole, beside those that are built."""
    drawn = shown(30)
    bar = Bar(drawn)
    bar.half(20)
    bar.whole(10, already=True)
    assert (drawn.n, drawn.initial) == (20, 10)

    bar.whole(20)
    assert drawn.n == 30
