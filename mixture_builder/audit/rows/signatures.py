"""MinHash signatures of texts, many at a time, and the buckets that rows of equal bands share.

Hash functions and mixing are those of datasketch (`scheme="affine32"`), so a signature made here
is the one that `datasketch.MinHash` gives for the same shingles. It is made by columns: the
package takes a text at a time through Python.

A row's signature is that of its fields together: place by place, a hash of the values of all
fields. Two rows agree in a place with the product of the similarities of their fields, so rows
that share a long passage and ask different questions do not meet.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mixture_builder.audit.rows.words import Hashes, Words, mixed

BANDS, ROWS_PER_BAND = 42, 3
"""A pair whose fields agree by 0.9 each meets in at least one band with a probability above
0.9999 for one field and two, and with 0.99 for three."""

SHINGLE = 2
"""Words of a shingle: rows are short, and of a text of ten words one changed word changes two."""

_CHUNK = 200_000
"""Shingles whose hashes are held at a time, times `BANDS * ROWS_PER_BAND` functions of 4 bytes."""


@lru_cache(maxsize=1)
def permutations() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """The factors and terms of the hash functions, from datasketch."""
    from datasketch import MinHash

    a, b = MinHash(num_perm=BANDS * ROWS_PER_BAND, seed=1, scheme="affine32").permutations
    return np.asarray(a, dtype=np.uint32), np.asarray(b, dtype=np.uint32)


def shingles(words: Words) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Hashes of the shingles of texts and the text of each; a text of one word has that word."""
    hashes, places = words.grams(SHINGLE)
    short = np.flatnonzero((words.counts > 0) & (words.counts < SHINGLE))
    hashes = np.concatenate([hashes, words.whole_of(short)])
    owners = np.concatenate([words.owners[places], short])
    order = np.argsort(owners, kind="stable")
    return (hashes[order] >> np.uint64(32)).astype(np.uint32), owners[order]


def signatures(words: Words) -> npt.NDArray[np.uint32]:
    """The signature of each text, a row each; texts without words have one of ones only."""
    hashes, owners = shingles(words)
    count = len(words.counts)
    result = np.full((count, BANDS * ROWS_PER_BAND), 0xFFFFFFFF, dtype=np.uint32)
    factors, terms = permutations()
    values = _fmix32(hashes)
    begin = 0
    while begin < len(values):
        # Whole texts, but for one that is longer than a chunk.
        end = min(begin + _CHUNK // 8, len(values))
        part = owners[begin:end]
        starts = np.flatnonzero(np.append(True, part[1:] != part[:-1]))
        permuted = values[begin:end, None] * factors[None, :] + terms[None, :]
        least = np.minimum.reduceat(permuted, starts, axis=0)
        texts = part[starts]
        result[texts] = np.minimum(result[texts], least)
        begin = end
    return result


def _fmix32(values: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    values = values ^ (values >> np.uint32(16))
    values = values * np.uint32(0x85EBCA6B)
    values = values ^ (values >> np.uint32(13))
    values = values * np.uint32(0xC2B2AE35)
    result: npt.NDArray[np.uint32] = values ^ (values >> np.uint32(16))
    return result


def band_keys(rows: Hashes) -> Hashes:
    """Keys of the bands of rows' joint signatures, a column a band; equal keys share a bucket."""
    keys = np.zeros((len(rows), BANDS), dtype=np.uint64)
    for place in range(ROWS_PER_BAND):
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + rows[:, place::ROWS_PER_BAND]
    return mixed(keys)


def similarity(one: npt.NDArray[np.uint32], other: npt.NDArray[np.uint32]) -> float:
    """The Jaccard similarity of two texts, from all their shingles."""
    first, second = np.unique(one), np.unique(other)
    both = len(np.intersect1d(first, second, assume_unique=True))
    union = len(first) + len(second) - both
    return both / union if union else 1.0
