"""What is known of each value of the column `style`, worked out once for all shards of a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from mixture_builder.audit.layouts import DrawnStyle, ExemplarLayout, Layouts, OptionLayout
from mixture_builder.audit.text_column import Numbers
from mixture_builder.draw import Bits

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

MOST_STYLES = 50_000
"""So many whole styles are known from one stretch to the next: without exemplars there are not
many more."""

Ids = tuple[str, ...]

_NOTHING: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"options": (0, 0, 0, -1, -1, -1, -1), "dialog": (-1, -1, -1), "exemplars": (-1, -1)}
)
"""Numbers of a style that draws nothing, by the kinds of its parts."""

_IGNORED = "none that is known"
"""Kind of all other parts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """A part of a style: what is drawn of one kind, and its share of the numbers of the style."""

    ids: Ids
    numbers: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StretchStyles:
    """The different styles of a stretch, taken apart.

    Attributes:
      layouts: of the mixture.
      parts: of each kind, all that the book knows.
      chosen: of each kind, for each style the place of its part.
      numbers: a line for each style: whether it names a style of options, whether options have
        labels, whether lists can be read (see `Layouts.is_readable`), the number of its options'
        item, and for each pool of `DRAWN` the number of what is drawn from it. Numbers are places
        in the book; -1 is for nothing.
    """

    layouts: Layouts
    parts: Mapping[str, list[_Part]]
    chosen: Mapping[str, Numbers]
    numbers: Numbers

    def names_options(self, style: int) -> bool:
        """Whether a style, given by its place, names one of options."""
        return bool(self._ids("options", style))

    def options(self, style: int) -> OptionLayout | None:
        """How a style lists options; `None` if it does not, or names what no pool has."""
        return self.layouts.options_of(self._ids("options", style))

    @property
    def exemplar_places(self) -> Numbers:
        """For each style the place of the part that says how it sets off exemplars."""
        return self.chosen["exemplars"]

    def exemplars(self, style: int) -> ExemplarLayout | None:
        """How a style sets off exemplars; `None` likewise."""
        return self.exemplar_layout(int(self.chosen["exemplars"][style]))

    def exemplar_layout(self, place: int) -> ExemplarLayout | None:
        """The same for a part of styles, given by its place."""
        return self.layouts.exemplars_of(self.parts["exemplars"][place].ids)

    def _ids(self, kind: str, style: int) -> Ids:
        return self.parts[kind][int(self.chosen[kind][style])].ids


class StyleBook:
    """Parts of styles by their texts. Styles have no end, of parts that recur.

    Args:
      layouts: of the mixture.
    """

    def __init__(self, layouts: Layouts) -> None:
        self._layouts = layouts
        self._places: dict[str, tuple[str, int]] = {}
        self._hashes: Bits = np.zeros(0, dtype=np.uint64)
        self._lines: Numbers = np.zeros((0, len(_NOTHING)), dtype=np.int64)
        # The first part of each kind is that of styles without any.
        self._parts = {kind: [_Part(ids=(), numbers=none)] for kind, none in _NOTHING.items()}
        self._numbers = {kind: np.asarray([none]) for kind, none in _NOTHING.items()}
        self._ids: list[dict[str, int]] = [{} for _ in DRAWN]
        self._pools = {
            kind: [
                (numbered, place)
                for numbered, (of, place) in zip(self._ids, DRAWN.values(), strict=True)
                if of == kind
            ]
            for kind in _NOTHING
        }
        self._items: dict[str, int] = {}
        self.items: list[OptionLayout] = []
        """For each item of options a layout that has it: all of them have the same labels."""

    def read(self, styles: pa.Array, hashes: Bits) -> StretchStyles:
        """Takes styles apart.

        Args:
          styles: values of the column `style`.
          hashes: of their texts.
        """
        lines = self._lines_of(styles, hashes)
        chosen = {kind: lines[:, number] for number, kind in enumerate(_NOTHING)}
        by_kind = [self._numbers_of(kind)[found] for kind, found in chosen.items()]
        return StretchStyles(
            layouts=self._layouts,
            parts=self._parts,
            chosen=chosen,
            numbers=np.concatenate(by_kind, axis=1),
        )

    def _lines_of(self, styles: pa.Array, hashes: Bits) -> Numbers:
        """For each style the places of its parts, in the order of the kinds."""
        places = np.searchsorted(self._hashes, hashes)
        # No text is made of a style that was met before.
        known = np.append(self._hashes, np.uint64(0))[places] == hashes
        known &= places < len(self._hashes)
        lines = np.empty((len(hashes), len(_NOTHING)), dtype=np.int64)
        lines[known] = self._lines[places[known]]
        new = np.flatnonzero(~known)
        new = new[np.argsort(hashes[new])]
        if len(new):
            texts = styles.take(pa.array(new)).to_pylist()
            lines[new] = [self._line(text) for text in texts]
            self._hashes = np.insert(self._hashes, places[new], hashes[new])
            self._lines = np.insert(self._lines, places[new], lines[new], axis=0)
            if len(self._hashes) > MOST_STYLES:
                self._hashes, self._lines = self._hashes[:0], self._lines[:0]
        return lines

    def _line(self, style: str) -> list[int]:
        found = dict.fromkeys((*_NOTHING, _IGNORED), 0)
        for part in style.split(";"):
            kind, place = self._places.get(part) or self._place(part)
            found[kind] = place
        del found[_IGNORED]
        return list(found.values())

    def drawn(self, style: str) -> DrawnStyle:
        """One style, taken apart."""
        places = map(self._place, style.split(";"))
        return DrawnStyle(
            **{kind: self._parts[kind][at].ids for kind, at in places if kind != _IGNORED}
        )

    def ids(self, pool: int) -> list[str]:
        """What has been drawn from a pool, given by its place in `DRAWN`, by number."""
        return list(self._ids[pool])

    def _place(self, text: str) -> tuple[str, int]:
        """The kind of a part, and its place among the parts of that kind."""
        known = self._places.get(text)
        if known is not None:
            return known
        kind, _, listed = text.partition("=")
        if kind not in _NOTHING:
            return _IGNORED, 0
        ids = tuple(listed.split("/"))
        numbers = tuple(
            numbered.setdefault(ids[place], len(numbered)) if len(ids) > place else -1
            for numbered, place in self._pools[kind]
        )
        if kind == "options":
            numbers = self._of_options(ids) + numbers
        found = self._places[text] = kind, len(self._parts[kind])
        self._parts[kind].append(_Part(ids=ids, numbers=numbers))
        return found

    def _numbers_of(self, kind: str) -> Numbers:
        """The numbers of all parts of a kind, a line each."""
        held, parts = self._numbers[kind], self._parts[kind]
        if len(held) < len(parts):
            more = np.asarray([part.numbers for part in parts[len(held) :]])
            held = self._numbers[kind] = np.concatenate([held, more])
        return held

    def _of_options(self, ids: Ids) -> tuple[int, int, int, int]:
        """The first numbers of a style that names one of options."""
        item = self._layouts.item_of(ids)
        if item is None:
            return 1, 0, 0, -1
        number = self._items.setdefault(item.id, len(self._items))
        if number == len(self.items):
            layout = self._layouts.options_of(ids)
            assert layout is not None
            self.items.append(layout)
        return 1, int(bool(item.enumerate)), int(self._layouts.is_readable(ids)), number
