"""From the rates a recipe asks for to the number of examples drawn.

A rate is what the recipe says, a share is the fraction of the mixture it comes to (all
shares sum to 1), a quota is the whole number of examples drawn. Nothing here reads a
file or draws at random, so each rule is testable with numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import TypeVar

from mixture_builder.errors import RecipeError

Name = TypeVar("Name", bound=str)


def exact(rate: int | float | str | Fraction) -> Fraction:
    """The number a person wrote: 0.279 is 279/1000, not the nearest binary fraction.

    Raises:
      RecipeError: if it is negative, infinite or no number.
    """
    try:
        value = rate if isinstance(rate, Fraction) else Fraction(str(rate))
    except (ValueError, ZeroDivisionError):
        raise RecipeError(f"found the rate {rate!r}; expected a number of at least 0") from None
    if value < 0:
        raise RecipeError(f"found the rate {rate!r}; expected a number of at least 0")
    return value


def shares(rates: Mapping[Name, Fraction]) -> dict[Name, Fraction]:
    """Each rate as a fraction of their sum.

    Args:
      rates: at least 0 each; a rate of 0 has a share of 0.

    Returns:
      Shares in the order of `rates`; they sum to exactly 1.

    Raises:
      RecipeError: if no rate is above 0.

    >>> shares({"a": Fraction(3), "b": Fraction(1)})
    {'a': Fraction(3, 4), 'b': Fraction(1, 4)}
    """
    weights = whole_weights(list(rates.values()))
    total = sum(weights)
    if not total:
        raise RecipeError(f"all of the rates of {_some(rates)} are 0; at least one must be above 0")
    return {name: Fraction(w, total) for name, w in zip(rates, weights, strict=True)}


def quotas(rates: Mapping[Name, Fraction], *, total: int) -> dict[Name, int]:
    """Splits `total` examples by largest remainder (Hamilton's method), exactly.

    Args:
      rates: at least 0 each, on any scale; only what they are to each other counts.
      total: examples to split, at least 0.

    Returns:
      Examples per name, in the order of `rates`. They sum to `total`; each is less than
      one example away from its share of `total`; a rate of 0 gets none. Equal remainders
      go to the name that sorts first, so the order of `rates` does not matter.

    Raises:
      RecipeError: if no rate is above 0 although `total` is.

    >>> quotas({"boolq": Fraction(2, 3), "wmt": Fraction(1, 3)}, total=10)
    {'boolq': 7, 'wmt': 3}
    """
    weights = dict(zip(rates, whole_weights(list(rates.values())), strict=True))
    whole = sum(weights.values())
    if not whole:
        if total:
            raise RecipeError(
                f"all of the rates of {_some(rates)} are 0; at least one must be above 0"
            )
        return dict.fromkeys(rates, 0)
    result: dict[Name, int] = {}
    remainders: list[tuple[int, Name]] = []
    for name, weight in weights.items():
        result[name], remainder = divmod(weight * total, whole)
        remainders.append((-remainder, name))
    missing = total - sum(result.values())
    for _, name in sorted(remainders)[:missing]:
        result[name] += 1
    return result


def bounded_quotas(
    rates: Mapping[Name, Fraction], *, total: int, most: Mapping[Name, int | None]
) -> dict[Name, int]:
    """Splits `total` as `quotas` does, but no name gets more than its most.

    What a name leaves goes to the others by their rates, again by largest remainder.

    Args:
      rates: as for `quotas`.
      total: at most what all names of a rate can take together.
      most: what each name gets at most; `None` for no bound.

    Returns:
      Quotas in the order of `rates`; they sum to `total`. Names that get less than their most are
      less than one example away from their share of what the others leave.

    Raises:
      RecipeError: if no rate is above 0 although `total` is.

    >>> bounded_quotas({"a": Fraction(1), "b": Fraction(1)}, total=10, most={"a": 2, "b": None})
    {'a': 2, 'b': 8}
    """
    fixed: dict[Name, int] = {}
    left = dict(rates)
    while True:
        rest = total - sum(fixed.values())
        found = quotas(left, total=rest)
        full = {n: bound for n, q in found.items() if (bound := most[n]) is not None and q > bound}
        if not full:
            return {name: fixed.get(name, found.get(name, 0)) for name in rates}
        # More is left for the others now, so none of these comes below its most again.
        fixed.update(full)
        left = {name: rate for name, rate in left.items() if name not in full}


def whole_weights(rates: Sequence[Fraction]) -> list[int]:
    """Whole numbers that are to each other as `rates` are, without a common divisor.

    >>> whole_weights([Fraction(1, 2), Fraction(1, 3)])
    [3, 2]
    """
    scale = lcm(*(r.denominator for r in rates)) if rates else 1
    weights = [int(r * scale) for r in rates]
    common = gcd(*weights)
    return [w // common for w in weights] if common > 1 else weights


def largest_total_without_repeat(rates: Mapping[Name, Fraction], rows: Mapping[Name, int]) -> int:
    """The largest total whose quotas ask of no name more than `rows` of it.

    Names of rate 0 do not bound it. Largest remainder is not monotone in the total, so the
    answer is checked and lowered until it holds.

    Raises:
      RecipeError: if no rate is above 0.
    """
    parts = shares(rates)
    bounds = [Fraction(rows[name] + 1) / share for name, share in parts.items() if share]
    total = int(min(bounds))
    while any(quota > rows[name] for name, quota in quotas(rates, total=total).items()):
        total -= 1
    return total


def _some(names: Mapping[Name, Fraction]) -> str:
    listed = [f"'{name}'" for name in names]
    return ", ".join(listed[:4]) + (f" and {len(listed) - 4} more" if len(listed) > 4 else "")
