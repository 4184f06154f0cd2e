"""What is known of each value of the column `style`, worked out once for all shards of a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mixture_builder.audit.layouts import DrawnStyle, Layouts, OptionLayout

DRAWN: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "option lead-ins": ("options", 0),
        "option items": ("options", 1),
        "option endings": ("options", 2),
        "dialog lead-ins": ("dialog", 0),
        "dialog speakers": ("dialog", 1),
        "dialog turn ends": ("dialog", 2),
        "exemplar labels": ("exemplars", 0),
        "exemplar separators": ("exemplars", 1),
    }
)
"""Where the style of each pool stands in what a record has drawn."""

NAMED, LETTERED, READABLE, ITEM, FIRST_POOL = range(5)
"""Places in the numbers of a style; those of the pools of `DRAWN` follow."""


KEPT = 10_000
"""Styles whose facts are kept. Few-shot prompts have no end of them, of parts that recur."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleFacts:
    """What is known of a style.

    Attributes:
      drawn: taken apart.
      options: how it lists options; `None` if it does not, or names what no pool has.
      numbers: whether it names a style of options, whether options have labels, whether lists can
        be read (see `is_readable`), the number of its options' item, and for each pool of `DRAWN`
        the number of what is drawn from it. Numbers are places in the book; -1 is for nothing.
    """

    drawn: DrawnStyle
    options: OptionLayout | None
    numbers: tuple[int, ...]


class StyleBook:
    """Facts of styles by their texts.

    Args:
      layouts: of the mixture.
    """

    def __init__(self, layouts: Layouts) -> None:
        self._layouts = layouts
        self._facts: dict[str, StyleFacts] = {}
        self._parts: dict[str, tuple[str, tuple[str, ...], tuple[int, ...]]] = {}
        self._ids: list[dict[str, int]] = [{} for _ in DRAWN]
        self._items: dict[str, int] = {}
        self._option_numbers: dict[tuple[str, ...], tuple[int, ...]] = {(): (0, 0, 0, -1)}
        self.items: list[OptionLayout] = []
        """For each item of options a layout that has it: all of them have the same labels."""

    def of(self, text: str) -> StyleFacts:
        """The facts of a style."""
        found = self._facts.get(text)
        if found is None:
            if len(self._facts) >= KEPT:
                self._facts.clear()
            found = self._facts[text] = self._found(text)
        return found

    def ids(self, pool: int) -> list[str]:
        """What has been drawn from a pool, given by its place in `DRAWN`, by number."""
        return list(self._ids[pool])

    def _found(self, text: str) -> StyleFacts:
        kinds: dict[str, tuple[str, ...]] = {}
        pools: dict[str, tuple[int, ...]] = dict(_NONE)
        for part in text.split(";"):
            known = self._parts.get(part)
            if known is None:
                known = self._parts[part] = self._of_part(part)
            kind, ids, numbers = known
            if kind in _NONE:
                kinds[kind], pools[kind] = ids, numbers
        drawn = DrawnStyle(**kinds)
        options = self._layouts.options(drawn)
        first = self._option_numbers.get(drawn.options)
        if first is None:
            first = self._option_numbers[drawn.options] = self._of_options(options)
        return StyleFacts(
            drawn=drawn,
            options=options,
            numbers=first + pools["options"] + pools["dialog"] + pools["exemplars"],
        )

    def _of_part(self, part: str) -> tuple[str, tuple[str, ...], tuple[int, ...]]:
        """The kind of a part of a style, its ids, and their numbers."""
        kind, _, listed = part.partition("=")
        ids = tuple(listed.split("/"))
        numbers = [
            known.setdefault(ids[place], len(known)) if len(ids) > place else -1
            for known, (of, place) in zip(self._ids, DRAWN.values(), strict=True)
            if of == kind
        ]
        return kind, ids, tuple(numbers)

    def _of_options(self, options: OptionLayout | None) -> tuple[int, ...]:
        """The first numbers of a style that names one of options."""
        if options is None:
            return 1, 0, 0, -1
        item = self._items.setdefault(options.item.id, len(self._items))
        if item == len(self.items):
            self.items.append(options)
        return 1, int(bool(options.item.enumerate)), int(is_readable(options)), item


_NONE: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"options": (-1, -1, -1), "dialog": (-1, -1, -1), "exemplars": (-1, -1)}
)


def is_readable(options: OptionLayout | None) -> bool:
    """Whether a list can be told apart from what follows: it has marks, and lines of its own."""
    return bool(
        options and options.item.enumerate and not options.inline and options.lead_in.strip()
    )
