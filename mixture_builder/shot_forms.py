"""Forms of few-shot prompts that a recipe asks for by name.

A form says how many exemplars a prompt has, whether each is said with a template of its own,
and whether they are drawn for each prompt or the same for all. The names are those of the
Flan 2022 release; what the release does beside (and this does not) is told in
`docs/reference/flan-differences.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

Counts = tuple[tuple[int, Fraction], ...]
"""Numbers of exemplars, and the rate of each."""

OWN_FORM = "counts"
"""The form that a recipe spells out itself, with `shots.counts` and `shots.templates`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShotForm:
    """One way of making few-shot prompts.

    Attributes:
      counts: numbers of exemplars, and the rate of each.
      mixed_templates: whether each exemplar has a template of its own.
      fixed: whether all prompts of a task show the same exemplars, the first of its pool that
        may stand beside the query.
    """

    counts: Counts
    mixed_templates: bool = False
    fixed: bool = False

    @property
    def mean(self) -> Fraction:
        """The mean number of exemplars."""
        total = sum((rate for _, rate in self.counts), Fraction(0))
        return sum((n * rate for n, rate in self.counts), Fraction(0)) / total


def _always(count: int) -> Counts:
    return ((count, Fraction(1)),)


NAMED_FORMS: Mapping[str, ShotForm] = {
    "five_shot": ShotForm(counts=_always(5), mixed_templates=True),
    # Of the release's ten templates six come with three exemplars and four with two.
    "x_shot": ShotForm(counts=((2, Fraction(2)), (3, Fraction(3)))),
    "one_fixed": ShotForm(counts=_always(1), fixed=True),
    "two_fixed": ShotForm(counts=_always(2), fixed=True),
}
"""Five exemplars in mixed templates; two or three in one, 2.6 in the mean; the same one or two
for every prompt of a task."""
