"""All randomness: pure functions of a seed, a purpose and a counter.

Seeds are 64-bit numbers made from strings by xxh3; draws are splitmix64 (Steele, Lea and
Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014) of seed and counter,
computed on whole numpy arrays. There is no generator with a state, so nothing depends on
the order in which things are drawn.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import xxhash

from mixture_builder.blocks import BLOCK_ROWS

Bits = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_MASK = (1 << 64) - 1


def derive_seed(seed: int, purpose: str, *parts: str | int) -> int:
    """A 64-bit seed for one purpose; equal arguments give equal seeds everywhere.

    Args:
      seed: the recipe's seed, or a seed derived before.
      purpose: what the draws are for, so that no two purposes share a stream.
      parts: what the stream belongs to (task id, variant, pass number).
    """
    # The separator cannot stand inside a task id or a purpose, so ("ab", "c") and
    # ("a", "bc") stay different.
    text = "\x1f".join([purpose, *map(str, parts)])
    return xxhash.xxh3_64_intdigest(text.encode("utf-8"), seed=seed & _MASK)


def random_bits(seed: int, counters: npt.ArrayLike) -> Bits:
    """64 random bits for each counter (any integers), splitmix64 of `seed + counter`."""
    return random_bits_of(np.uint64(seed & _MASK), counters)


def random_bits_of(seeds: Bits | np.uint64, counters: npt.ArrayLike) -> Bits:
    """As `random_bits`, with a seed for each counter."""
    # A copy of its own, which all that follows is done in.
    z: Bits = np.asarray(counters).astype(np.uint64)
    z += np.uint64(1)
    z *= _GOLDEN
    z += seeds
    z ^= z >> np.uint64(30)
    z *= _MIX_1
    z ^= z >> np.uint64(27)
    z *= _MIX_2
    z ^= z >> np.uint64(31)
    return z


def below(bits: Bits, bound: int) -> Indices:
    """Whole numbers in [0, bound) from random bits; bias at most bound / 2**32.

    Args:
      bits: from `random_bits`.
      bound: at least 1 and below 2**31.
    """
    assert 1 <= bound < 2**31
    chosen: Indices = (((bits >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32)).astype(
        np.int64
    )
    return chosen


def order_of(bits: Bits) -> Indices:
    """The order of random bits along the last axis: where the smallest stands comes first.

    As many low bits as a place takes do not count, and places settle what is equal then. So
    numbers are sorted and nothing else, which is several times as fast as to sort places by them.
    """
    size = bits.shape[-1]
    low = np.uint64((1 << max(0, size - 1).bit_length()) - 1)
    keys = np.sort((bits & ~low) | np.arange(size, dtype=np.uint64), axis=-1)
    order: Indices = (keys & low).astype(np.int64)
    return order


def permutation(seed: int, size: int) -> Indices:
    """A permutation of [0, size); the same for the same seed."""
    return order_of(random_bits(seed, np.arange(size)))


def permutations(seed: int, numbers: npt.ArrayLike, size: int) -> Indices:
    """One permutation of [0, size) for each number: shape (len(numbers), size)."""
    chosen = np.asarray(numbers, dtype=np.uint64)[:, None] * np.uint64(size)
    counters = chosen + np.arange(size, dtype=np.uint64)[None, :]
    return order_of(random_bits(seed, counters))


@lru_cache(maxsize=4096)
def _block_order(seed: int, blocks: int) -> tuple[Indices, Indices]:
    order = permutation(derive_seed(seed, "blocks"), blocks)
    place = np.empty_like(order)
    place[order] = np.arange(blocks)
    return order, place


def distinct(numbers: Indices) -> tuple[Indices, Indices]:
    """The numbers that occur, ascending, and for each number its place among them.

    As `np.unique` with `return_inverse`; numbers that lie close together are counted, not sorted.
    """
    if not len(numbers):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    first, last = int(numbers.min()), int(numbers.max())
    if last - first > 8 * len(numbers) + 1_000:
        met, which = np.unique(numbers, return_inverse=True)
        return met, which
    shifted = numbers - first
    used = np.zeros(last - first + 1, dtype=bool)
    used[shifted] = True
    ranks = np.cumsum(used) - 1
    return np.flatnonzero(used) + first, ranks[shifted]


def counted_order(numbers: Indices, bound: int) -> Indices:
    """The order of whole numbers in [0, bound), equal ones as they stand."""
    # numpy sorts numbers of 16 bits by counting.
    small = numbers.astype(np.uint16) if bound <= 1 << 16 else numbers
    return np.argsort(small, kind="stable")


def runs_of(numbers: Indices) -> list[tuple[int, Indices | slice]]:
    """Each number that occurs, ascending, and where it stands."""
    if len(numbers) and (numbers[0] == numbers).all():
        return [(int(numbers[0]), slice(None))]
    return [(int(n), np.flatnonzero(numbers == n)) for n in distinct(numbers)[0]]


def drawn_rows(seed: int, rows: int, draws: npt.ArrayLike) -> Indices:
    """The row that each draw of a task takes: `perm_pass(k mod rows)` of pass `k div rows`.

    Every pass visits each row once before the next begins. Rows are permuted block by
    block (`BLOCK_ROWS`), so consecutive draws read neighbouring rows of the store.

    Args:
      seed: of the task.
      rows: how many rows the task has, at least 1.
      draws: draw numbers from 0.
    """
    numbers = np.asarray(draws, dtype=np.int64)
    passes = numbers // rows
    if rows <= BLOCK_ROWS and len(numbers):
        return _rows_of_one_block(seed, rows, passes, numbers - passes * rows)
    result = np.empty_like(numbers)
    for number, chosen in runs_of(passes):
        result[chosen] = _rows_of_pass(
            derive_seed(seed, "pass", number), rows, numbers[chosen] - number * rows
        )
    return result


def _rows_of_one_block(seed: int, rows: int, passes: Indices, positions: Indices) -> Indices:
    """As `_rows_of_pass` for each pass; where there is one block, all passes go at once."""
    met, which = distinct(passes)
    seeds = [derive_seed(derive_seed(seed, "pass", int(number)), "rows") for number in met]
    counters = np.broadcast_to(np.arange(BLOCK_ROWS), (len(met), BLOCK_ROWS))
    inner = order_of(random_bits_of(np.asarray(seeds, dtype=np.uint64)[:, None], counters))
    whole: Indices = inner[inner < rows].reshape(len(met), rows)
    return whole[which, positions]


def _rows_of_pass(seed: int, rows: int, positions: Indices) -> Indices:
    blocks = -(-rows // BLOCK_ROWS)
    order, place = _block_order(seed, blocks)
    last_size = rows - (blocks - 1) * BLOCK_ROWS
    last_place = int(place[blocks - 1])
    # Every block is full but the last one, which stands somewhere in the middle.
    shifted = np.where(
        positions >= last_place * BLOCK_ROWS + last_size,
        positions + (BLOCK_ROWS - last_size),
        positions,
    )
    at, inside = np.divmod(shifted, BLOCK_ROWS)
    # One permutation of a whole block for each block met; the short last block passes over
    # the places it does not have.
    met, which = distinct(order[at])
    inner = permutations(derive_seed(seed, "rows"), met, BLOCK_ROWS)
    result = met[which] * BLOCK_ROWS + inner[which, inside]
    short = np.flatnonzero(met == blocks - 1)
    if len(short) and last_size < BLOCK_ROWS:
        whole = inner[short[0]]
        mine = which == short[0]
        result[mine] = met[short[0]] * BLOCK_ROWS + whole[whole < last_size][inside[mine]]
    return result


def cycled(seed: int, size: int, positions: npt.ArrayLike) -> Indices:
    """Item for each position of a walk that visits all `size` items before it repeats.

    Each round of `size` positions is a permutation of its own, so counts over the first
    N positions differ by at most one, and items do not keep step with anything else.
    """
    numbers = np.asarray(positions, dtype=np.int64)
    if size == 1 or not len(numbers):
        return np.zeros_like(numbers)
    rounds, inside = np.divmod(numbers, size)
    known, which = distinct(rounds)
    return permutations(seed, known, size)[which, inside]


def identity(value: bytes) -> int:
    """A 63-bit identity of bytes, for places that store it as a signed 64-bit number."""
    return xxhash.xxh3_64_intdigest(value) & (2**63 - 1)
