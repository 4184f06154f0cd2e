"""From rates to quotas: exact, order-free, and never a whole example off."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mixture_builder.errors import RecipeError
from mixture_builder.rates import (
    exact,
    largest_total_without_repeat,
    quotas,
    shares,
    whole_weights,
)

RATES = st.one_of(
    st.just(Fraction(0)),
    st.integers(1, 30_000).map(Fraction),
    st.fractions(min_value=Fraction(1, 10**9), max_value=10**6),
    st.sampled_from([Fraction(1, 10**12), Fraction(279, 1000), Fraction(10**12)]),
)
MIXES = st.dictionaries(
    st.text("abcdefgh/_", min_size=1, max_size=6), RATES, min_size=1, max_size=40
)
TOTALS = st.one_of(st.integers(0, 2000), st.sampled_from([10**6, 2**40, 10**15 + 7]))


@given(rates=MIXES, total=TOTALS)
def test_quotas_sum_to_the_total_and_stay_within_one_of_the_share(rates, total):
    """Quotas sum to the total; each is less than one example from its share; 0 gets none."""
    assume(any(rates.values()))
    result = quotas(rates, total=total)

    assert list(result) == list(rates)
    assert sum(result.values()) == total
    whole = sum(rates.values())
    for name, rate in rates.items():
        assert abs(result[name] - rate / whole * total) < 1
        if not rate:
            assert result[name] == 0


@given(rates=MIXES, total=TOTALS, data=st.data())
def test_quotas_do_not_depend_on_the_order_or_scale_of_rates(rates, total, data):
    """Only what rates are to each other decides, not where they stand or how large they are."""
    assume(any(rates.values()))
    shuffled = dict(data.draw(st.permutations(list(rates.items()))))
    scale = data.draw(st.fractions(min_value=Fraction(1, 1000), max_value=1000))
    scaled = {name: rate * scale for name, rate in shuffled.items()}

    assert quotas(scaled, total=total) == quotas(rates, total=total)


def test_equal_remainders_go_to_the_name_that_sorts_first():
    """Four equal rates over six examples: the first two names get the odd ones."""
    rates = dict.fromkeys("dbca", Fraction(1))

    assert quotas(rates, total=6) == {"d": 1, "b": 2, "c": 1, "a": 2}


def test_more_parts_than_the_whole_of_flan():
    """2,500 rates of all sizes, tiny ones and zeros among them, are split exactly."""
    rates = {
        f"t{i:04d}": Fraction(i % 7 * (i**3 % 4001), 1 + i % 13) + (i == 9) * Fraction(1, 10**30)
        for i in range(2500)
    }
    for total in (0, 1, 2499, 1_000_000, 10**18 + 1):
        result = quotas(rates, total=total)
        whole = sum(rates.values())
        assert sum(result.values()) == total
        assert all(abs(result[n] - r / whole * total) < 1 for n, r in rates.items())


@given(MIXES)
def test_shares_sum_to_exactly_one(rates):
    """Shares are fractions that sum to 1, in the order and proportions of their rates."""
    assume(any(rates.values()))
    result = shares(rates)

    assert list(result) == list(rates)
    assert sum(result.values()) == 1
    whole = sum(rates.values())
    assert all(result[name] == rate / whole for name, rate in rates.items())


@given(st.lists(RATES, max_size=12))
def test_whole_weights_are_to_each_other_as_the_rates(rates):
    """Weights are whole, proportional to the rates, and share no divisor."""
    weights = whole_weights(rates)

    assert all(
        w * other == v * rate
        for w, rate in zip(weights, rates, strict=True)
        for v, other in zip(weights, rates, strict=True)
    )
    if any(weights):
        assert all(any(w % prime for w in weights) for prime in (2, 3, 5, 7, 11))


@pytest.mark.parametrize("total", [1, 10])
def test_rates_that_are_all_zero_are_refused(total):
    """Where no rate is above 0 there is nobody to give an example to."""
    nothing = {"a": Fraction(0), "b": Fraction(0)}

    with pytest.raises(RecipeError, match="all of the rates of 'a', 'b' are 0"):
        quotas(nothing, total=total)
    with pytest.raises(RecipeError, match="at least one must be above 0"):
        shares(nothing)
    assert quotas(nothing, total=0) == {"a": 0, "b": 0}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (0.279, Fraction(279, 1000)),
        (1e-7, Fraction(1, 10**7)),
        (5, Fraction(5)),
        ("1/3", Fraction(1, 3)),
        (0.1 + 0.2, Fraction("0.30000000000000004")),
    ],
)
def test_a_rate_is_the_number_that_was_written(written, meant):
    """0.279 is 279/1000, not the nearest binary fraction."""
    assert exact(written) == meant


@pytest.mark.parametrize(
    "written", [-1, -0.5, float("nan"), float("inf"), "many", "1/0", Fraction(-1, 2), True]
)
def test_what_is_no_rate_is_refused(written):
    """Negative, infinite and meaningless rates are errors that show what was found."""
    with pytest.raises(RecipeError, match="expected a number of at least 0"):
        exact(written)


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 9)), min_size=1, max_size=5),
)
@settings(max_examples=150)
def test_the_largest_total_without_repeat_is_the_largest(parts):
    """At the total nobody is asked for more than it has; at any larger total somebody is."""
    rates = {f"t{i}": Fraction(rate) for i, (rate, _) in enumerate(parts)}
    rows = {f"t{i}": count for i, (_, count) in enumerate(parts)}
    assume(any(rates.values()))
    total = largest_total_without_repeat(rates, rows)

    def fits(size: int) -> bool:
        return all(q <= rows[name] for name, q in quotas(rates, total=size).items())

    assert fits(total)
    # Above the sum of all rows no total can fit.
    assert not any(fits(size) for size in range(total + 1, sum(rows.values()) + 2))
