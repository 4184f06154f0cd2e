"""Dealing draws to cells: quotas to the example, and every stretch at the shares."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mixture_builder.dealing import deal
from mixture_builder.errors import RecipeError
from mixture_builder.rates import quotas
from mixture_builder.variants import MAX_CYCLE, Cell

WEIGHTS = st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(any)


def spend(weights: list[int], total: int) -> list[int]:
    """Quotas of cells as a plan works them out."""
    named = {f"{i:02d}": Fraction(w) for i, w in enumerate(weights)}
    return list(quotas(named, total=total).values())


def dealt(weights: list[int], total: int) -> list[tuple[int, int]]:
    cells, ordinals = deal(weights, spend(weights, total), np.arange(total))
    return list(zip(cells.tolist(), ordinals.tolist(), strict=True))


@given(weights=WEIGHTS, total=st.integers(0, 400))
def test_each_cell_gets_exactly_its_ordinals(weights, total):
    """Over all draws each cell gets the ordinals 0 to quota - 1, each once."""
    found = dealt(weights, total)

    wanted = [(cell, k) for cell, q in enumerate(spend(weights, total)) for k in range(q)]
    assert sorted(found) == wanted


@given(weights=WEIGHTS, total=st.integers(0, 300))
def test_every_prefix_holds_the_cells_at_their_shares(weights, total):
    """After n draws no cell is further from its share of n than rounding all of them can bring.

    Half an example for the cell's own rounding, and its share of half an example for each
    cell: below two examples for up to three cells, below 4.5 for eight. One more at the end,
    where quotas are brought to come out exactly.
    """
    whole = sum(weights)
    live = sum(w > 0 for w in weights)
    counts: Counter[int] = Counter()
    for drawn, (cell, _) in enumerate(dealt(weights, total), start=1):
        counts[cell] += 1
        for other, weight in enumerate(weights):
            share = Fraction(weight, whole)
            bound = Fraction(1, 2) + share * Fraction(live, 2)
            assert abs(counts[other] - share * drawn) <= bound + 1


@pytest.mark.parametrize("weights", [[1, 1, 1, 1], [10, 3], [5, 5, 1, 1], [40, 12, 40, 12]])
def test_prefixes_of_the_usual_shares_are_within_one_example(weights):
    """For the rates people write, every prefix is within one example of its shares."""
    total = 3 * sum(weights)
    counts: Counter[int] = Counter()
    for drawn, (cell, _) in enumerate(dealt(weights, total), start=1):
        counts[cell] += 1
        for other, weight in enumerate(weights):
            assert abs(counts[other] - Fraction(weight * drawn, sum(weights))) <= 1


@given(weights=WEIGHTS, total=st.integers(1, 300))
def test_a_quota_that_grows_by_one_changes_few_draws(weights, total):
    """Of the draws both quotas have, at most one for each cell serves another cell."""
    before, after = dealt(weights, total), dealt(weights, total + 1)[:total]

    assert sum(a != b for a, b in zip(before, after, strict=True)) <= 2 * len(weights)


@given(weights=WEIGHTS, total=st.integers(1, 300), data=st.data())
def test_a_draw_is_dealt_the_same_in_any_company(weights, total, data):
    """What a draw serves does not depend on the draws that are asked for with it."""
    spent = spend(weights, total)
    draws = data.draw(st.lists(st.integers(0, total - 1), max_size=20))
    cells, ordinals = deal(weights, spent, np.asarray(draws, dtype=np.int64))
    every = dealt(weights, total)

    assert list(zip(cells.tolist(), ordinals.tolist(), strict=True)) == [every[k] for k in draws]


@given(weights=WEIGHTS, total=st.integers(0, 200), scale=st.integers(2, 5))
def test_weights_count_beside_each_other_only(weights, total, scale):
    """Weights of another scale deal the same cells as often."""
    assume(total)
    scaled = Counter(cell for cell, _ in dealt([w * scale for w in weights], total))

    assert scaled == Counter(cell for cell, _ in dealt(weights, total))


def test_rates_of_too_many_digits_are_refused():
    """A cycle of more than a million draws is refused with the way out."""
    with pytest.raises(RecipeError, match="Write them with fewer digits"):
        deal([MAX_CYCLE, 1], [1, 0], [0])


def test_a_cell_is_called_by_its_variant_and_direction():
    """The name is the variant, and the direction where it is not the usual one."""
    made = [
        Cell(variant="fs_opt", direction=direction, weight=1, quota=1, templates=(0,))
        for direction in ("direct", "inverted")
    ]

    assert [cell.name for cell in made] == ["fs_opt", "fs_opt:inverted"]
    assert made[0].few_shot
    assert made[0].shows_options
