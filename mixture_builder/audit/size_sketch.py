"""How large many things are, in little: counts in bins, from which quantiles are told.

The borders of bins grow by a tenth of a tenth, as in DDSketch (Masson, Rim and Lee, 2019): a
quantile is right to one per cent, whatever the order of what is measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mixture_builder.audit.hits import Evidence

RATIO = 1.02
"""Of the borders of neighbouring bins: values in a bin are within one per cent of its middle."""

Extreme = tuple[int, Evidence]
"""A size, and the record that has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sketch:
    """Sizes of some texts.

    Attributes:
      bins: how many fall in each bin; -1 is for 0.
      count: texts.
      total: of all sizes.
      shortest, longest: with their records.
    """

    bins: Mapping[int, int]
    count: int
    total: int
    shortest: Extreme
    longest: Extreme

    def merged(self, other: Sketch) -> Sketch:
        """The sizes of both."""
        bins = dict(self.bins)
        for number, count in other.bins.items():
            bins[number] = bins.get(number, 0) + count
        mine, others = (self.shortest, self.longest), (other.shortest, other.longest)
        shortest, longest = further(mine, others)
        return Sketch(
            bins=bins,
            count=self.count + other.count,
            total=self.total + other.total,
            shortest=shortest,
            longest=longest,
        )

    def quantile(self, share: float) -> int:
        """The size below which a share of the texts lie, to one per cent."""
        rank = share * (self.count - 1)
        seen = 0
        for number, count in sorted(self.bins.items()):
            seen += count
            if seen > rank:
                return max(self.shortest[0], min(self.longest[0], middle_of(number)))
        return self.longest[0]

    def spread(self) -> float:
        """A robust standard deviation of logarithms: 1.4826 times the median distance."""
        median = math.log(max(1, self.quantile(0.5)))
        distances = sorted(
            (abs(math.log(max(1, middle_of(number))) - median), count)
            for number, count in self.bins.items()
        )
        seen = 0
        for distance, count in distances:
            seen += count
            if 2 * seen >= self.count:
                return 1.4826 * distance
        return 0.0


def middle_of(number: int) -> int:
    """The size in the middle of a bin."""
    return 0 if number < 0 else round(RATIO ** (number + 0.5))


def further(
    one: tuple[Extreme, Extreme], other: tuple[Extreme, Extreme]
) -> tuple[Extreme, Extreme]:
    """The shortest and the longest of both; of equals, what stands first."""
    shortest = min(one[0], other[0])
    return shortest, min(one[1], other[1], key=lambda found: (-found[0], found[1]))
