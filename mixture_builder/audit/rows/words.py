"""Texts to words, as numbers: hashes and places of all words of many texts at once.

A word is a run of letters and digits, without case, accents and other marks; signs of scripts
that are written without spaces (Chinese, Japanese, Thai and so on) are a word each. Punctuation
and spacing part words and are no part of any.

Everything is numpy on code points: tens of millions of characters a second on one core. Hashes
have 64 bits: two different n-grams among a thousand million meet by chance about once in forty
runs, and a match says where it stands, so that anybody can look.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

_TABLE = 0x20000
"""Code points that the tables know; above stand rare ideographs, which are words of their own."""

_SEPARATOR, _MARK = 0, 0xFFFFFFFF

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 2**64)
_GRAM_BASE = 0xD6E8FEB86659FD93

_ALONE = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # ideographs
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
)


@lru_cache(maxsize=1)
def _tables() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
    """What each code point counts as, and whether it is a word of its own."""
    counts_as = np.zeros(_TABLE, dtype=np.uint32)
    for point in range(_TABLE):
        letter = chr(point)
        if letter.isalnum():
            plain = unicodedata.normalize("NFKD", letter).casefold()
            counts_as[point] = ord(plain[0]) if plain[0].isalnum() else point
        elif unicodedata.category(letter) in {"Mn", "Mc", "Me", "Cf"}:
            counts_as[point] = _MARK
    alone = np.zeros(_TABLE, dtype=np.bool_)
    for first, last in _ALONE:
        alone[first : last + 1] = True
    return counts_as, alone


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """All words of some texts, in order.

    Attributes:
      hashes: of the words.
      owners: number of the text that each word stands in.
      starts, ends: of each word, in characters of its text.
      firsts: for each text the number of its first word, and at the end the number of all words.
    """

    hashes: Hashes
    owners: Places
    starts: Places
    ends: Places
    firsts: Places

    @property
    def counts(self) -> Places:
        """How many words each text has."""
        return np.diff(self.firsts)

    def grams(self, n: int) -> tuple[Hashes, Places]:
        """Hashes of all runs of `n` words within a text, and the number of each run's first."""
        total = len(self.hashes) - n + 1
        if total <= 0:
            return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
        hashes = self.hashes[:total].copy()
        for offset in range(1, n):
            hashes *= np.uint64(_GRAM_BASE)
            hashes += self.hashes[offset : offset + total]
        places = np.flatnonzero(self.owners[:total] == self.owners[n - 1 :])
        return mixed(hashes[places]), places

    def whole(self) -> Hashes:
        """For each text a hash of all its words in order; equal to `grams` of that many words."""
        return self.whole_of(np.arange(len(self.counts)))

    def whole_of(self, texts: Places) -> Hashes:
        """As `whole`, for some of the texts."""
        result = np.zeros(len(texts), dtype=np.uint64)
        counts, firsts = self.counts[texts], self.firsts[:-1][texts]
        for offset in range(int(counts.max(initial=0))):
            longer = np.flatnonzero(counts > offset)
            words = self.hashes[firsts[longer] + offset]
            result[longer] = result[longer] * np.uint64(_GRAM_BASE) + words
        return mixed(result)


def mixed(values: Hashes) -> Hashes:
    """Spreads every bit over all bits (the finalizer of MurmurHash3)."""
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xFF51AFD7ED558CCD)
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xC4CEB9FE1A85EC53)
    result: Hashes = values ^ (values >> np.uint64(33))
    return result


def words_of(texts: Sequence[str]) -> Words:
    """The words of texts.

    Memory is about 60 bytes a character: callers give a million characters or so at a time.
    """
    if not texts:
        empty = np.zeros(0, dtype=np.int64)
        return Words(
            hashes=np.zeros(0, dtype=np.uint64),
            owners=empty,
            starts=empty,
            ends=empty,
            firsts=np.zeros(1, dtype=np.int64),
        )
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    # A line feed after each text, so that no word goes on into the next.
    begins = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum(lengths + 1, out=begins[1:])
    encoding = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"
    joined = "\n".join(texts) + "\n"
    points = np.frombuffer(joined.encode(encoding, "surrogatepass"), dtype=np.uint32)
    counts_as, is_alone = _tables()
    beyond = points >= _TABLE
    known = np.where(beyond, 0, points)
    values = np.where(beyond, points, counts_as[known])
    alone = is_alone[known] | beyond
    places = np.arange(len(values), dtype=np.int64)
    marks = values == _MARK
    if marks.any():
        kept = ~marks
        values, alone, places = values[kept], alone[kept], places[kept]
    letter = values != _SEPARATOR
    alone &= letter
    # Whether a word may go on from a character to the one after it.
    joins = letter[:-1] & letter[1:] & ~alone[:-1] & ~alone[1:]
    first = letter.copy()
    first[1:] &= ~joins
    last = letter
    last[:-1] &= ~joins
    starts, ends = np.flatnonzero(first), np.flatnonzero(last)
    powers, inverses = _powers(len(values))
    sums = np.cumsum(values.astype(np.uint64) * powers)
    before = np.where(starts > 0, sums[starts - 1], np.uint64(0))
    hashes = mixed((sums[ends] - before) * inverses[starts])
    texts_of = np.searchsorted(begins, places[starts], side="right") - 1
    return Words(
        hashes=hashes,
        owners=texts_of,
        starts=places[starts] - begins[texts_of],
        ends=places[ends] + 1 - begins[texts_of],
        firsts=np.searchsorted(texts_of, np.arange(len(texts) + 1)).astype(np.int64),
    )


_known_powers: dict[str, Hashes] = {}


def _powers(count: int) -> tuple[Hashes, Hashes]:
    """Powers of the base and of its inverse, which turn sums over stretches into hashes."""
    if len(_known_powers.get("up", ())) < count:
        size = max(count, 1 << 16)
        for name, base in (("up", _BASE), ("down", _INVERSE)):
            factors = np.full(size, base, dtype=np.uint64)
            factors[0] = 1
            _known_powers[name] = np.cumprod(factors)
    return _known_powers["up"][:count], _known_powers["down"][:count]
