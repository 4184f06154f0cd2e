"""Tests of counts against what chance would give, cautious enough for many tests at once.

With millions of records any difference is significant, and of thousands of tests some come out
unlikely. So a test speaks up only if its p value is small after Holm's correction (1979) for all
tests of its kind, and the difference is large: Cohen's w (1988), the root of chi-square over
the number of records, of which he calls 0.1 small, 0.3 medium and 0.5 large.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

ALPHA = 0.001
"""A test speaks up below this p value, corrected: of a thousand sound mixtures one has a false
alarm of a kind."""

EFFECT = 0.1
"""A difference smaller than this is told in the figures, and is no finding."""

SMALLEST_EXPECTED = 5.0
"""Cochran's rule (1954): chi-square holds where so many are expected of each kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CountTest:
    """Counts against what was expected of them.

    Attributes:
      records: how many there are.
      chi_square: its value.
      freedom: degrees of freedom.
      p: that chance alone gives a value as large.
      effect: Cohen's w.
    """

    records: int
    chi_square: float
    freedom: int
    p: float
    effect: float

    def to_json(self) -> dict[str, Any]:
        """Plain data, with as many digits as mean something."""
        return {
            "records": self.records,
            "chi_square": _short(self.chi_square),
            "freedom": self.freedom,
            "p": _short(self.p),
            "effect": _short(self.effect),
        }


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def chance_of(freedom: int, chi_square: float) -> float:
    """The chance that chi-square is as large or larger, for whole degrees of freedom.

    A finite sum of positive terms, so that nothing cancels (Abramowitz and Stegun 26.4.4 and
    26.4.5); importing a library for it would take longer than all tests of an audit.

    >>> round(chance_of(1, 3.841458820694124), 12), round(chance_of(10, 18.307038053275146), 12)
    (0.05, 0.05)

    Args:
      freedom: 1 or more.
      chi_square: 0 or more.
    """
    half, odd = chi_square / 2, freedom % 2
    if half <= 0:
        return 1.0
    log = math.log(half)
    powers = (number + odd / 2 for number in range(freedom // 2))
    terms = [math.exp(power * log - half - math.lgamma(power + 1)) for power in powers]
    return min(1.0, math.fsum([math.erfc(math.sqrt(half)) if odd else 0.0, *terms]))


def count_test(found: Sequence[int], weights: Sequence[float]) -> CountTest | None:
    """Chi-square of counts for kinds that are expected by their weights.

    Kinds are put together from the rarest on until enough of each are expected; `None` if then
    only one is left.

    >>> count_test([50, 50], [1, 1]).p
    1.0
    >>> count_test([90, 10], [1, 1]).effect
    0.8
    """
    counts = np.asarray(found, dtype=np.float64)
    shares = np.asarray(weights, dtype=np.float64)
    records = counts.sum()
    if not records or not shares.sum():
        return None
    expected = records * shares / shares.sum()
    order = np.argsort(expected, kind="stable")
    groups: list[tuple[float, float]] = []
    held = (0.0, 0.0)
    for place in order.tolist():
        held = (held[0] + counts[place], held[1] + expected[place])
        if held[1] >= SMALLEST_EXPECTED:
            groups.append(held)
            held = (0.0, 0.0)
    if groups:
        groups[-1] = (groups[-1][0] + held[0], groups[-1][1] + held[1])
    if len(groups) < 2:
        return None
    value = float(sum((f - e) ** 2 / e for f, e in groups))
    freedom = len(groups) - 1
    return CountTest(
        records=int(records),
        chi_square=value,
        freedom=freedom,
        p=chance_of(freedom, value),
        effect=float(np.sqrt(value / records)),
    )


def corrected(p_values: Sequence[float]) -> list[float]:
    """Holm's correction: p values that hold for all tests together.

    >>> corrected([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    result = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        result[place] = highest
    return result


def speaks_up(test: CountTest, p: float) -> bool:
    """Whether a test is a finding, for its corrected p value."""
    return p < ALPHA and test.effect >= EFFECT
