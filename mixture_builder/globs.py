"""Names picked by globs, of which a recipe may have thousands, most of them names themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate

_SPECIAL = frozenset("*?[")


def is_name(glob: str) -> bool:
    """Whether a glob matches itself and nothing else."""
    return _SPECIAL.isdisjoint(glob)


class Globs:
    """Some globs in their order; matches as `fnmatch.fnmatchcase` does.

    A name costs as much as there are globs that are more than a name: asking for each of two
    thousand tasks whether it is one of two thousand took seconds.
    """

    __slots__ = ("_names", "_patterns")

    def __init__(self, globs: Iterable[str]) -> None:
        self._names: dict[str, int] = {}
        self._patterns: list[tuple[int, re.Pattern[str]]] = []
        for place, glob in enumerate(globs):
            if is_name(glob):
                self._names[glob] = place
            else:
                self._patterns.append((place, re.compile(translate(glob))))

    def match(self, name: str) -> bool:
        """Whether any of them matches."""
        return name in self._names or any(p.match(name) for _, p in self._patterns)

    def last(self, name: str) -> int:
        """The place of the last one that matches; -1 if none does."""
        found = self._names.get(name, -1)
        for place, pattern in reversed(self._patterns):
            if place < found:
                break
            if pattern.match(name):
                return place
        return found
