"""A column of texts with its bytes at hand: it is searched without making a text for each row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from mixture_builder.draw import Bits

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

_BLOCK = 1 << 16
"""Bytes that are looked at at a time: as many as stay in the cache of a core."""

_HASHED = 1 << 10
"""Texts that are hashed at a time: what is made for them stays in the cache of a core."""

_WORD, _WINDOW, _COMPARED = 8, 64, 512
"""Bytes of a number, those that are compared at once, and of a stretch at all."""


_RARE = 16
"""One byte in so many, or fewer, is worth being looked up by its place."""

_SPACE, _BRACE, _DELETE, _LEAD = 0x20, 0x7B, 0x7F, 0xC2
_LEAD_OF_THREE, _LEAD_OF_FOUR = 0xE0, 0xF0
_TAB, _NEW_LINE, _RETURN = b"\t\n\r"


@dataclass(frozen=True, kw_only=True, slots=True)
class Marks:
    """Where some bytes stand that most texts have few of.

    Attributes:
      controls: control characters of ASCII that have no place in a text.
      braces: opening ones.
      leads: first bytes of characters beyond ASCII.
    """

    controls: Numbers
    braces: Numbers
    leads: Numbers


class TextColumn:
    """A column of texts, with its bytes at hand.

    Args:
      column: of strings, in one piece.
    """

    def __init__(self, column: pa.Array) -> None:
        self.array = column
        offsets: Numbers = np.frombuffer(column.buffers()[1], dtype=np.int32)[
            column.offset : column.offset + len(column) + 1
        ].astype(np.int64)
        data = column.buffers()[2]
        first, last = int(offsets[0]), int(offsets[-1])
        # Of a slice, what the others hold is not looked at.
        self._buffer = data.slice(first, last - first) if data is not None else pa.py_buffer(b"")
        self.offsets: Numbers = offsets - first

    @cached_property
    def data(self) -> bytes:
        """The bytes of all texts, one after the other; those of text i from `offsets[i]` on."""
        # A copy of some MB: searching with bounds is only for real bytes.
        content: bytes = self._buffer.to_pybytes()
        return content

    @cached_property
    def numbers(self) -> Bytes:
        """The same bytes as numbers."""
        return np.frombuffer(self._buffer, dtype=np.uint8)

    @cached_property
    def sizes(self) -> Numbers:
        """Bytes of each text."""
        return np.diff(self.offsets)

    @cached_property
    def lengths(self) -> Numbers:
        """Characters of each text."""
        leads = self.marks.leads
        found: Numbers
        if len(leads) * _RARE > len(self.numbers):
            found = pc.utf8_length(self.array).to_numpy().astype(np.int64)
            return found
        # The first byte of a character says how many follow it; these are no characters.
        first = self.numbers[leads]
        more = 1 + (first >= _LEAD_OF_THREE) + (first >= _LEAD_OF_FOUR)
        more_of = np.bincount(self.rows_of(leads), weights=more, minlength=len(self.sizes))
        found = self.sizes - more_of.astype(np.int64)
        return found

    @cached_property
    def hashes(self) -> Bits:
        """A hash of each text."""
        return text_hashes(self)

    @cached_property
    def marks(self) -> Marks:
        """Places of bytes that checks ask for, all found in one pass."""
        none = np.zeros(0, dtype=np.int64)
        controls, braces, leads = [none], [none], [none]
        for start in range(0, len(self.numbers), _BLOCK):
            block = self.numbers[start : start + _BLOCK]
            # All that is looked for is no lower than a brace, or lower than a space.
            high = np.flatnonzero(block >= _BRACE)
            found = block[high]
            controls.append(high[found == _DELETE] + start)
            braces.append(high[found == _BRACE] + start)
            leads.append(high[found >= _LEAD] + start)
            low = block < _SPACE
            # Nearly always the new lines are all there is.
            if np.count_nonzero(low) != np.count_nonzero(block == _NEW_LINE):
                low &= (block != _NEW_LINE) & (block != _TAB) & (block != _RETURN)
                controls.append(np.flatnonzero(low) + start)
        return Marks(
            controls=np.concatenate(controls),
            braces=np.concatenate(braces),
            leads=np.concatenate(leads),
        )

    def byte_at(self, positions: Numbers) -> Bytes:
        """The bytes at some places; 0 for a place that is none of the texts'."""
        last = int(self.offsets[-1])
        if not last:
            return np.zeros(len(positions), dtype=np.uint8)
        found: Bytes = self.numbers[np.clip(positions, 0, last - 1)]
        return np.where((positions >= 0) & (positions < last), found, 0).astype(np.uint8)

    def common(self, ones: Numbers, others: Numbers, sizes: Numbers) -> Numbers:
        """How many bytes pairs of stretches begin with in common; their sizes, where all may be.

        Args:
          ones: where the first stretch of each pair begins.
          others: where the second does.
          sizes: bytes of both; of long ones the beginning is compared.
        """
        result: Numbers = sizes.copy()
        last = len(self.data) - _WINDOW
        if last < 0:
            return result
        # From every place on so many bytes; a line of eight numbers, the first byte the lowest.
        windows = np.ndarray((last + 1,), dtype=f"V{_WINDOW}", buffer=self.data, strides=(1,))
        further = np.maximum(ones, others)
        left = np.arange(len(sizes))
        for at in range(0, _COMPARED, _WINDOW):
            left = left[(sizes[left] > at) & (further[left] + at <= last)]
            if not len(left):
                break
            differing = windows[ones[left] + at].view("<u8") ^ windows[others[left] + at].view(
                "<u8"
            )
            lines = differing.reshape(len(left), -1)
            first = (lines != 0).argmax(axis=1)
            words = lines[np.arange(len(left)), first]
            apart = words != 0
            lowest = words[apart] & (~words[apart] + np.uint64(1))
            within = np.log2(lowest.astype(np.float64)).astype(np.int64) >> 3
            found = at + first[apart] * _WORD + within
            result[left[apart]] = np.minimum(found, sizes[left[apart]])
            left = left[~apart]
        return result

    def text(self, row: int) -> str:
        """One text."""
        return self.data[self.offsets[row] : self.offsets[row + 1]].decode("utf-8", "replace")

    def rows_of(self, positions: Numbers) -> Numbers:
        """Which text each byte belongs to, for positions within the texts."""
        found: Numbers = np.searchsorted(self.offsets, positions, side="right") - 1
        return found


def text_hashes(column: TextColumn) -> Bits:
    """A hash of each text."""
    texts = column.array.cast(pa.binary())
    result = np.empty(len(texts), dtype=np.uint64)
    for start in range(0, len(texts), _HASHED):
        some = texts.slice(start, _HASHED)
        found = map(xxhash.xxh3_64_intdigest, some.to_numpy(zero_copy_only=False))
        result[start : start + len(some)] = np.fromiter(found, np.uint64, len(some))
    return result
