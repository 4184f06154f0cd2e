"""How the tasks of a part share among themselves: by rows, equally, tempered, or as written.

A rate is exact: also a tempered one, which is a power of a number of rows, is a fraction that
is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mixture_builder.globs import Globs
from mixture_builder.rates import exact

if TYPE_CHECKING:
    from mixture_builder.cards import TaskCard

DIGITS = 15
"""Significant digits that a tempered rate keeps."""

_WORKING = Context(prec=50, Emin=MIN_EMIN, Emax=MAX_EMAX, rounding=ROUND_HALF_EVEN)
_KEPT = Context(prec=DIGITS, Emin=MIN_EMIN, Emax=MAX_EMAX, rounding=ROUND_HALF_EVEN)


@lru_cache(maxsize=16_384)
def tempered(rows: int, temperature: Fraction) -> Fraction:
    """`rows ** (1 / temperature)`, to 15 significant digits.

    Worked out with 50 decimal digits and rounded half to even, so no floating-point unit and no
    library of mathematics decides a digit. As in multilingual T5 and its kin ("mT5", Xue et al.,
    2021), where a temperature of 1 is proportional and a high one nearly equal.

    Args:
      rows: at least 1.
      temperature: above 0.

    >>> tempered(9, Fraction(2)), tempered(1000, Fraction(1))
    (Fraction(3, 1), Fraction(1000, 1))
    >>> tempered(2, Fraction(2)) == Fraction("1.41421356237310")
    True
    """
    exponent = _WORKING.divide(Decimal(temperature.denominator), Decimal(temperature.numerator))
    return Fraction(_KEPT.plus(_WORKING.power(Decimal(rows), exponent)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Override:
    """Another rate for some tasks of a part; whatever it names must match.

    Attributes:
      tasks: globs of ids.
      categories: globs of categories.
      languages: globs of languages; one of a task's languages is enough.
      rate: takes the place of the task's rate; `None` if it is multiplied.
      times: what the task's rate is multiplied by.
    """

    tasks: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    rate: Fraction | None = None
    times: Fraction = Fraction(1)

    def matches(self, card: TaskCard) -> bool:
        """Whether it speaks of a task."""
        asked = (
            (self.tasks, (card.id,)),
            (self.categories, (card.category,)),
            (self.languages, card.languages),
        )
        return all(_any_matches(globs, found) for globs, found in asked if globs)


def _any_matches(globs: Sequence[str], found: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs for name in found)


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskRates:
    """How tasks of a part share.

    Attributes:
      kind: `proportional` (to rows, up to the cap), `tempered`, `equal` or `explicit`.
      cap: most rows that count for a task's rate; 0 for no cap. It bounds a rate, not rows.
      temperature: of tempered rates.
      explicit: glob and rate; the last glob that matches counts.
      explicit_globs: the globs of these.
      overrides: the last that matches a task counts.
    """

    kind: str = "proportional"
    cap: int = 0
    temperature: Fraction = Fraction(1)
    explicit: tuple[tuple[str, Fraction], ...] = ()
    overrides: tuple[Override, ...] = ()
    explicit_globs: Globs = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "explicit_globs", Globs(glob for glob, _ in self.explicit))

    def rate_of(self, card: TaskCard, rows: int) -> Fraction:
        """The rate of a task beside its siblings.

        Args:
          card: of the task.
          rows: that it can ask about.
        """
        rate = self._own_rate(card.id, min(self.cap, rows) if self.cap else rows)
        for override in reversed(self.overrides):
            if override.matches(card):
                return rate * override.times if override.rate is None else override.rate
        return rate

    def _own_rate(self, task: str, counted: int) -> Fraction:
        if self.kind == "proportional":
            return Fraction(counted)
        if self.kind == "tempered":
            return tempered(counted, self.temperature)
        if self.kind == "equal":
            return Fraction(1)
        place = self.explicit_globs.last(task)
        return self.explicit[place][1] if place >= 0 else Fraction(0)


BY_ROWS = TaskRates()
"""Proportional to rows, without a cap."""

TEMPERATURE = "temperature"
"""The key of `task_rates` that stands for no glob."""


def task_rates_from(raw: Mapping[str, Any], around: tuple[Override, ...]) -> TaskRates:
    """What the keys of a part say, after the overrides of the parts around it."""
    rates = raw.get("task_rates", "proportional")
    cap, overrides = raw.get("cap", 0), overrides_with(around, raw)
    if isinstance(rates, str):
        return TaskRates(kind=rates, cap=cap, overrides=overrides)
    if TEMPERATURE in rates:
        warmth = exact(rates[TEMPERATURE])
        return TaskRates(kind="tempered", cap=cap, temperature=warmth, overrides=overrides)
    explicit = tuple((glob, exact(rate)) for glob, rate in rates.items())
    return TaskRates(kind="explicit", cap=cap, explicit=explicit, overrides=overrides)


def overrides_with(around: tuple[Override, ...], raw: Mapping[str, Any]) -> tuple[Override, ...]:
    """The overrides of a part: those around it, and its own after them."""
    own = tuple(
        Override(
            tasks=tuple(one.get("tasks", ())),
            categories=tuple(one.get("categories", ())),
            languages=tuple(one.get("languages", ())),
            rate=exact(one["rate"]) if "rate" in one else None,
            times=exact(one.get("times", 1)),
        )
        for one in raw.get("overrides", ())
    )
    return around + own
