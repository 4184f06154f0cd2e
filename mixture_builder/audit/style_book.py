"""What is known of each value of the column `style`, worked out once for all shards of a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mixture_builder.audit.layouts import DrawnStyle, Layouts, OptionLayout, parse_style

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
        self._ids: list[dict[str, int]] = [{} for _ in DRAWN]
        self._items: dict[str, int] = {}
        self.items: list[OptionLayout] = []
        """For each item of options a layout that has it: all of them have the same labels."""

    def of(self, text: str) -> StyleFacts:
        """The facts of a style."""
        found = self._facts.get(text)
        if found is None:
            found = self._facts[text] = self._found(text)
        return found

    def ids(self, pool: int) -> list[str]:
        """What has been drawn from a pool, given by its place in `DRAWN`, by number."""
        return list(self._ids[pool])

    def _found(self, text: str) -> StyleFacts:
        drawn = parse_style(text)
        options = self._layouts.options(drawn)
        item = -1
        if options is not None:
            item = self._items.setdefault(options.item.id, len(self._items))
            if item == len(self.items):
                self.items.append(options)
        pools = []
        for known, (kind, place) in zip(self._ids, DRAWN.values(), strict=True):
            ids: tuple[str, ...] = getattr(drawn, kind)
            pools.append(known.setdefault(ids[place], len(known)) if len(ids) > place else -1)
        lettered = bool(options and options.item.enumerate)
        numbers = (bool(drawn.options), lettered, is_readable(options), item, *pools)
        return StyleFacts(drawn=drawn, options=options, numbers=tuple(map(int, numbers)))


def is_readable(options: OptionLayout | None) -> bool:
    """Whether a list can be told apart from what follows: it has marks, and lines of its own."""
    return bool(
        options and options.item.enumerate and not options.inline and options.lead_in.strip()
    )
