"""Quotas of nested parts: each part's quota is split among its own, level by level.

A task may have a bound: once its rows are used up it gets no more, and its siblings take over
what it leaves, by their rates. A part all of whose tasks are used up gives way likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from mixture_builder.rates import bounded_quotas, quotas, shares
from mixture_builder.recipe_model import Submixture


class QuotaTree:
    """The recipe's parts with the tasks that are left, for shares and quotas.

    Args:
      root: the outermost part.
      owners: the part of each task.
      rates: of the tasks beside their siblings.
      most: tasks that get no more than so many examples; all others have no bound.

    Attributes:
      shares: of the whole mixture, by task.
    """

    def __init__(
        self,
        root: Submixture,
        *,
        owners: Mapping[str, Submixture],
        rates: Mapping[str, Fraction],
        most: Mapping[str, int],
    ) -> None:
        self._tasks: dict[str, dict[str, Fraction]] = {}
        for task, rate in rates.items():
            self._tasks.setdefault(owners[task].path, {})[task] = rate
        self._root = root
        self._bounded = most
        # What a part's tasks and parts get at most; `None` for no bound.
        self._most: dict[str, int | None] = {}
        self._find_most(root)
        self.shares: dict[str, Fraction] = {}
        self._collect(root, Fraction(1))

    def _rates(self, part: Submixture) -> dict[str, Fraction]:
        """Rates of the parts of a part; one without any task counts nothing."""
        return {p.path: p.rate if self._has_tasks(p) else Fraction(0) for p in part.parts}

    def _has_tasks(self, part: Submixture) -> bool:
        own = self._tasks.get(part.path, {})
        return any(own.values()) or any(self._has_tasks(p) and p.rate for p in part.parts)

    def _collect(self, part: Submixture, share: Fraction) -> None:
        own = self._tasks.get(part.path)
        if own:
            parts = shares(own) if any(own.values()) else dict.fromkeys(own, Fraction(0))
            self.shares.update({task: share * s for task, s in parts.items()})
        rates = self._rates(part)
        split = shares(rates) if any(rates.values()) else dict.fromkeys(rates, Fraction(0))
        for inner in part.parts:
            self._collect(inner, share * split[inner.path])

    def _find_most(self, part: Submixture) -> int | None:
        own = self._tasks.get(part.path, {})
        found = [self._bounded.get(task) for task, rate in own.items() if rate]
        found += [
            most
            for inner in part.parts
            for most in [self._find_most(inner)]
            if inner.rate and self._has_tasks(inner)
        ]
        known = [most for most in found if most is not None]
        self._most[part.path] = sum(known) if len(known) == len(found) else None
        return self._most[part.path]

    def most(self) -> int | None:
        """The largest mixture there can be; `None` for no bound."""
        return self._most[self._root.path]

    def quotas(self, total: int, *, dry: bool = True) -> dict[str, int]:
        """Quota by task: each part's quota is split among its own by largest remainder.

        Args:
          total: of the mixture; at most `most()`.
          dry: whether bounds count; else quotas are what rates alone come to.
        """
        result: dict[str, int] = {}
        self._split(self._root, total, result, dry=dry and bool(self._bounded))
        return result

    def _split(self, part: Submixture, total: int, result: dict[str, int], *, dry: bool) -> None:
        own = self._tasks.get(part.path)
        if own and any(own.values()):
            most = {task: self._bounded.get(task) for task in own}
            result.update(
                bounded_quotas(own, total=total, most=most) if dry else quotas(own, total=total)
            )
        rates = self._rates(part)
        if any(rates.values()):
            found = (
                bounded_quotas(rates, total=total, most={path: self._most[path] for path in rates})
                if dry
                else quotas(rates, total=total)
            )
            for inner in part.parts:
                self._split(inner, found[inner.path], result, dry=dry)

    def largest_within(self, rows: Mapping[str, int]) -> int:
        """The largest total at which every quota is at most the task's rows.

        Args:
          rows: by task; tasks that are not named do not bound it. At least one that is has a rate.
        """

        def holds(total: int) -> bool:
            found = self.quotas(total)
            return all(found.get(task, 0) <= most for task, most in rows.items())

        total = self._bound(self._root, rows)
        assert total is not None
        if self._bounded:
            # What one task leaves raises the others, so the bound may be far off.
            most = self.most()
            return _largest(holds, total if most is None else min(total, most))
        while total and not holds(total):
            total -= 1
        return total

    def _bound(self, part: Submixture, rows: Mapping[str, int]) -> int | None:
        """No larger quota of a part can leave each of its tasks within its rows."""
        own = self._tasks.get(part.path, {})
        rates = own if any(own.values()) else self._rates(part)
        if own is rates:
            found = {task: rows.get(task) for task, rate in rates.items() if rate}
        else:
            found = {p.path: self._bound(p, rows) for p in part.parts if rates[p.path]}
        most = {name: bound for name, bound in found.items() if bound is not None}
        if not most:
            return None
        # A quota is more than share * total - 1, so total is below (most + 1) / share.
        split = shares(rates)
        near = [-(-(bound + 1) // split[name]) - 1 for name, bound in most.items()]
        return min(near) if len(most) < len(found) else min(sum(most.values()), *near)

    def largest_of_size(self, size: int, lengths: Mapping[str, Fraction]) -> int:
        """The largest total whose examples are expected to come to at most `size`.

        Args:
          size: in the unit of `lengths`.
          lengths: of an example of each task, in the mean.
        """
        mean = sum(
            (share * lengths[task] for task, share in self.shares.items() if share), Fraction(0)
        )
        if not mean:
            return 0
        if not self._bounded:
            return int(size / mean)

        def fits(total: int) -> bool:
            found = self.quotas(total)
            return sum(quota * lengths[task] for task, quota in found.items() if quota) <= size

        most, guess = self.most(), max(1, int(2 * size / mean))
        while fits(guess) and (most is None or guess < most):
            guess *= 2
        return _largest(fits, guess if most is None else min(guess, most))


def _largest(holds: Callable[[int], bool], bound: int) -> int:
    """A total at which something holds, while it does not at the next; at most `bound`."""
    if holds(bound):
        return bound
    low, high = 0, bound
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
