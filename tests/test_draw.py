"""The draw: pure functions of seed and counter, each pass over the rows complete."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixture_builder.blocks import BLOCK_ROWS
from mixture_builder.draw import (
    below,
    counted_order,
    cycled,
    derive_seed,
    distinct,
    drawn_rows,
    identity,
    order_of,
    permutation,
    permutations,
    random_bits,
    random_bits_of,
    runs_of,
)

SEEDS = st.integers(min_value=0, max_value=2**64 - 1)


@given(
    seed=SEEDS,
    rows=st.one_of(
        st.integers(1, 40),
        st.sampled_from([BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS, 1000, 1025]),
    ),
    passes=st.integers(1, 3),
)
@settings(max_examples=60)
def test_each_pass_visits_each_row_once_before_any_comes_again(seed, rows, passes):
    """No row comes twice before all came once, in every pass, at every size of the last block."""
    drawn = drawn_rows(seed, rows, np.arange(passes * rows)).reshape(passes, rows)

    assert (np.sort(drawn, axis=1) == np.arange(rows)).all()


@given(seed=SEEDS, rows=st.integers(1, 600), draws=st.lists(st.integers(0, 2000), max_size=30))
@settings(max_examples=60)
def test_a_draw_does_not_depend_on_the_draws_around_it(seed, rows, draws):
    """Draw k is a function of seed, rows and k: asked alone, in any company, in any order."""
    together = drawn_rows(seed, rows, np.asarray(draws, dtype=np.int64)).tolist()

    assert together == [int(drawn_rows(seed, rows, [k])[0]) for k in draws]


def test_passes_and_seeds_draw_other_orders():
    """Two passes, and two seeds, go through the same rows in different orders."""
    first = drawn_rows(1, 500, np.arange(1000))
    second = drawn_rows(2, 500, np.arange(1000))

    assert (first[:500] != first[500:]).mean() > 0.9
    assert (first != second).mean() > 0.9


def test_consecutive_draws_read_neighbouring_rows():
    """While a block lasts, its rows are drawn from it alone."""
    drawn = drawn_rows(7, 4 * BLOCK_ROWS, np.arange(4 * BLOCK_ROWS)) // BLOCK_ROWS

    changes = int((drawn[1:] != drawn[:-1]).sum())
    assert changes == 3


@given(seed=SEEDS, size=st.integers(1, 50), rounds=st.integers(1, 4), rest=st.integers(0, 49))
@settings(max_examples=60)
def test_a_cycle_visits_all_items_before_it_repeats(seed, size, rounds, rest):
    """After any number of positions the counts of two items differ by at most one."""
    length = rounds * size + min(rest, size - 1)
    counts = Counter(cycled(seed, size, np.arange(length)).tolist())

    assert sum(counts.values()) == length
    assert {counts[i] for i in range(size)} <= {length // size, -(-length // size)}


@given(seed=SEEDS, size=st.integers(0, 300))
@settings(max_examples=60)
def test_a_permutation_holds_each_number_once(seed, size):
    """A permutation, alone or in a row of them, is one."""
    assert sorted(permutation(seed, size).tolist()) == list(range(size))
    for row in permutations(seed, [0, 5, 2**40], size).tolist():
        assert sorted(row) == list(range(size))


def test_known_values_never_change():
    """The streams are part of what a fingerprint promises: the same bits on every machine."""
    assert derive_seed(0, "task", "cot/gsm8k") == 15994115372207812470
    assert derive_seed(2**63, "rows") == 11360465718993474618
    assert drawn_rows(5, 10, np.arange(12)).tolist() == [2, 5, 4, 1, 7, 9, 0, 8, 6, 3, 0, 3]
    # Published first outputs of splitmix64 for the seed 1234567.
    assert random_bits(1234567, np.arange(3)).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_parts_of_a_seed_do_not_run_together():
    """Equal letters in other parts, or for another purpose, give another seed."""
    seeds = {
        derive_seed(0, "ab", "c"),
        derive_seed(0, "a", "bc"),
        derive_seed(0, "abc"),
        derive_seed(0, "ab", "c", ""),
        derive_seed(1, "ab", "c"),
    }
    assert len(seeds) == 5


@pytest.mark.parametrize("bound", [1, 2, 3, 10, 1000, 2**31 - 1])
def test_numbers_below_a_bound_stay_below_it(bound):
    """The least and the most bits give the least and the most number."""
    bits = np.asarray([0, 2**64 - 1], dtype=np.uint64)

    assert below(bits, bound).tolist() == [0, bound - 1]


def test_numbers_below_a_bound_are_even():
    """60,000 draws below 6 come out even (chi-square with 5 degrees of freedom)."""
    counts = np.bincount(below(random_bits(3, np.arange(60_000)), 6), minlength=6)

    assert ((counts - 10_000) ** 2 / 10_000).sum() < 25


@given(st.binary(max_size=40))
def test_an_identity_fits_a_signed_number(value):
    """Identities are stored as signed 64-bit numbers and never negative."""
    assert 0 <= identity(value) < 2**63


NUMBERS = st.lists(
    st.one_of(st.integers(0, 20), st.integers(0, 70_000), st.integers(0, 10**12)), max_size=60
).map(lambda numbers: np.asarray(numbers, dtype=np.int64))


@given(numbers=NUMBERS)
def test_numbers_are_told_apart_close_together_or_far(numbers):
    """Counted or sorted, each number is found at its place among those that occur."""
    met, which = distinct(numbers)

    assert met.tolist() == sorted(set(numbers.tolist()))
    assert met[which].tolist() == numbers.tolist()
    runs = {number: np.arange(len(numbers))[places].tolist() for number, places in runs_of(numbers)}
    assert runs == {n: np.flatnonzero(numbers == n).tolist() for n in set(numbers.tolist())}


@given(numbers=NUMBERS, bound=st.sampled_from([21, 1 << 16, 70_001]))
def test_equal_numbers_keep_their_order(numbers, bound):
    """Whether numbers fit sixteen bits or not."""
    small = numbers % bound

    assert counted_order(small, bound).tolist() == sorted(
        range(len(small)), key=small.tolist().__getitem__
    )


@given(bits=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=70))
def test_bits_are_ordered_but_for_those_that_a_place_takes(bits):
    """Numbers that differ in their lowest bits only stand as they were, on every machine."""
    width = (len(bits) - 1).bit_length()
    order = order_of(np.asarray([bits], dtype=np.uint64))[0].tolist()

    assert order == sorted(range(len(bits)), key=lambda at: bits[at] >> width)


@given(seeds=st.lists(SEEDS, min_size=1, max_size=4), counters=st.lists(st.integers(0, 99)))
def test_a_seed_for_each_counter_draws_what_it_draws_alone(seeds, counters):
    """And what is given is not changed on the way."""
    rows = np.asarray([counters] * len(seeds), dtype=np.int64)
    drawn = random_bits_of(np.asarray(seeds, dtype=np.uint64)[:, None], rows)

    assert drawn.tolist() == [random_bits(seed, counters).tolist() for seed in seeds]
    assert rows.tolist() == [counters] * len(seeds)
