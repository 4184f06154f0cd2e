"""The frame of a template: its own words, and the gaps in which values of a row stand.

A finished text is held against the frame of its template. The words must be there, in their
order, the first at the beginning and the last at the end; and where the template prints a
field as it is, something must stand between them. This is found out from the text alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import nodes

from mixture_builder.audit.text_column import Numbers, TextColumn
from mixture_builder.jinja_parsing import parse

_KEEPING = frozenset(["trim", "upper", "lower", "capitalize", "title"])
"""Filters that give something for every text that is something."""

_SHORT = 16
"""A gap of as many bytes or more is not looked into."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Where values stand.

    Attributes:
      names: what is printed as it is, one name for each print.
      filled: whether something must stand there.
    """

    names: tuple[str, ...]
    filled: bool


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A template's text, taken apart: words and gaps take turns.

    Attributes:
      words: one more than there are gaps; the first and the last may be empty.
      gaps: between the words.
    """

    words: tuple[bytes, ...]
    gaps: tuple[Gap, ...]

    @property
    def lone_name(self) -> str:
        """The field that the whole text is; empty if it is more, or changed."""
        if self.words == (b"", b"") and len(self.gaps) == 1 and len(self.gaps[0].names) == 1:
            return self.gaps[0].names[0]
        return ""

    def fault(self, data: bytes, start: int, end: int) -> str:
        """What is wrong with a text: `words`, `gap`, or nothing.

        Args:
          data: bytes that hold the text.
          start: where it begins in them.
          end: where it ends.
        """
        words = self.words
        if not self.gaps:
            return "" if data[start:end] == words[0] else "words"
        first, last = words[0], words[-1]
        if not data.startswith(first, start, end) or not data.endswith(last, start, end):
            return "words"
        at, stop = start + len(first), end - len(last)
        if at > stop:
            return "words"
        suspicious = False
        for word, gap in zip(words[1:-1], self.gaps[:-1], strict=True):
            found = data.find(word, at, stop)
            if found < 0:
                return "words"
            suspicious |= gap.filled and found - at < _SHORT and not data[at:found].strip()
            at = found + len(word)
        suspicious |= self.gaps[-1].filled and stop - at < _SHORT and not data[at:stop].strip()
        # A value may begin with the very words that follow it; only then there are two ways.
        if suspicious and not self._fits(data[start:end]):
            return "gap"
        return ""

    def _fits(self, text: bytes) -> bool:
        # RE2, because its time is bounded whatever the text holds.
        array = pa.array([text.decode("utf-8", "replace")])
        found: bool = pc.match_substring_regex(array, self._pattern)[0].as_py()
        return found

    @property
    def _pattern(self) -> str:
        pieces = [re.escape(self.words[0].decode())]
        for gap, word in zip(self.gaps, self.words[1:], strict=True):
            pieces += [r"[\s\S]*\S[\s\S]*" if gap.filled else r"[\s\S]*", re.escape(word.decode())]
        return r"\A" + "".join(pieces) + r"\z"


@lru_cache(maxsize=20_000)
def frame_of(source: str, *, shows_options: bool) -> Frame:
    """The frame of a template's text.

    Args:
      source: Jinja.
      shows_options: whether `options_text` holds something, so that the right branch is taken.
    """
    words: list[str] = [""]
    gaps: list[Gap] = []

    def gap(names: tuple[str, ...], *, filled: bool) -> None:
        if words[-1] or not gaps:
            gaps.append(Gap(names=names, filled=filled))
            words.append("")
        else:
            last = gaps[-1]
            gaps[-1] = Gap(names=last.names + names, filled=last.filled or filled)

    def walk(body: list[nodes.Node]) -> None:
        for node in body:
            if isinstance(node, nodes.Output):
                for part in node.nodes:
                    if isinstance(part, nodes.TemplateData):
                        words[-1] += part.data
                    else:
                        name, filled = _printed(part, shows_options=shows_options)
                        gap((name,) if name else (), filled=filled)
            elif isinstance(node, nodes.If) and _asks_for_options(node):
                walk(node.body if shows_options else node.else_)
            else:
                gap((), filled=False)

    walk(parse(source).body)
    words[0] = words[0].lstrip()
    words[-1] = words[-1].rstrip()
    return Frame(words=tuple(w.encode() for w in words), gaps=tuple(gaps))


def _asks_for_options(node: nodes.If) -> bool:
    return isinstance(node.test, nodes.Name) and node.test.name == "options_text" and not node.elif_


def _printed(node: nodes.Node, *, shows_options: bool) -> tuple[str, bool]:
    """The name that is printed, if it is printed as it is, and whether it is always something."""
    plain, inner = True, node
    while isinstance(inner, nodes.Filter) and inner.node is not None:
        if inner.name not in _KEEPING or inner.args or inner.kwargs:
            return "", False
        plain &= inner.name == "trim"
        inner = inner.node
    if not isinstance(inner, nodes.Name):
        return "", False
    filled = inner.name != "options_text" or shows_options
    return (inner.name if plain else ""), filled


def least_fault(frames: Sequence[Frame], data: bytes, start: int, end: int) -> str:
    """The fault of a text with the frame that it fits best; nothing if there are no frames."""
    fault = ""
    for frame in frames:
        fault = frame.fault(data, start, end)
        if not fault:
            return ""
    return fault


_BLANK = np.zeros(256, dtype=np.bool_)
_BLANK[list(b" \t\n\r\x0b\x0c")] = True


def faults(
    column: TextColumn,
    frames: Sequence[Sequence[Frame]],
    codes: Numbers,
    rows: Numbers,
    begins: Numbers,
    ends: Numbers,
) -> list[tuple[int, str]]:
    """Texts that none of their frames fits, with the faults: `Frame.fault` for many at once.

    What a frame surely fits is found out for all texts word by word; only the others are looked
    at one by one.

    Args:
      column: the texts.
      frames: those that a text may have, by code.
      codes: of the texts.
      rows: numbers of the texts, given back with the faults.
      begins: where each begins in the bytes of the column.
      ends: where it ends.
    """
    data = column.data
    first = [tried[0] if tried and tried[0].gaps else None for tried in frames]
    unsure = np.asarray([f is None and bool(t) for f, t in zip(first, frames, strict=True)])[codes]
    at, stop = begins.copy(), ends.copy()

    def of_frames(values: Iterable[Any], kind: Any) -> npt.NDArray[Any]:
        listed = np.empty(len(first), dtype=kind)
        listed[:] = list(values)
        return listed

    for last, found_in in ((False, data.startswith), (True, data.endswith)):
        outer = [(f.words[-1] if last else f.words[0]) if f else b"" for f in first]
        sizes = of_frames(map(len, outer), np.int64)[codes]
        some = np.flatnonzero(sizes)
        wanted = of_frames(outer, object)[codes[some]].tolist()
        held = zip(wanted, begins[some].tolist(), ends[some].tolist(), strict=True)
        unsure[some] |= ~np.fromiter((found_in(w, a, b) for w, a, b in held), bool, len(some))
        if last:
            stop -= sizes
        else:
            at += sizes
    unsure |= at > stop
    counts = of_frames((len(f.gaps) if f else 0 for f in first), np.int64)[codes]
    filled = np.zeros(len(first), dtype=bool)
    words = np.full(len(first), b"", dtype=object)
    lengths = np.zeros(len(first), dtype=np.int64)
    able = [(code, frame) for code, frame in enumerate(first) if frame]
    for place in range(int(counts.max(initial=0))):
        # Most templates have few gaps.
        able = [(code, frame) for code, frame in able if place < len(frame.gaps)]
        for code, frame in able:
            filled[code] = frame.gaps[place].filled
            words[code] = word = frame.words[place + 1]
            lengths[code] = len(word)
        # The last gap ends where the last word begins.
        closing = np.flatnonzero((counts == place + 1) & ~unsure)
        blank = (at[closing] >= stop[closing]) | _BLANK[column.byte_at(at[closing])]
        unsure[closing] |= filled[codes[closing]] & blank
        inner = np.flatnonzero((counts > place + 1) & ~unsure)
        wanted = words[codes[inner]].tolist()
        held = zip(wanted, at[inner].tolist(), stop[inner].tolist(), strict=True)
        found = np.fromiter((data.find(w, a, b) for w, a, b in held), np.int64, len(inner))
        blank = (found <= at[inner]) | _BLANK[column.byte_at(at[inner])]
        unsure[inner] |= (found < 0) | (filled[codes[inner]] & blank)
        at[inner] = found + lengths[codes[inner]]
    result = []
    for place in np.flatnonzero(unsure).tolist():
        fault = least_fault(frames[codes[place]], data, int(begins[place]), int(ends[place]))
        if fault:
            result.append((int(rows[place]), fault))
    return result
