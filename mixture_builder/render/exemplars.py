"""Which exemplars a few-shot prompt shows, and how they are joined.

An exemplar is never the query, never a row that asks the same thing as the query, and its
text never holds a long target of the query: a model must not find the answer in its prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mixture_builder.draw import Bits, Indices, below, permutations, random_bits
from mixture_builder.styles import ExemplarLabels, Separator

SPARE_CANDIDATES = 6
"""Further rows drawn for each prompt, for those that turn out to be barred."""

WHOLE_POOL = 32
"""Pools up to this size are permuted as a whole."""

LEAK_LENGTH = 24
"""A target of at least so many characters must not stand in an exemplar. Shorter ones
(labels, numbers, names) recur by nature; barring them would give the answer away."""


def choose(
    seed: int,
    draws: Indices,
    *,
    wanted: Indices,
    pool_keys: Bits,
    query_keys: Bits,
    fixed: bool = False,
) -> tuple[Indices, Indices]:
    """Pool rows for each prompt, without replacement, in the order they are shown.

    Args:
      seed: of the task.
      draws: what the choice belongs to.
      wanted: how many exemplars each prompt asks for.
      pool_keys: for each pool row, a key that says what it asks.
      query_keys: the same for each query; rows with the query's key are barred, and no
        two exemplars share a key.
      fixed: whether all prompts get the first rows of the pool that are allowed, in its order,
        rather than rows of their own.

    Returns:
      A line of pool rows for each prompt, and how many of them count: `wanted`, or fewer only
      where the pool has no more that are allowed.
    """
    pool = len(pool_keys)
    if not pool or not len(draws):
        return np.zeros((len(draws), 0), dtype=np.int64), np.zeros(len(draws), dtype=np.int64)
    most = int(wanted.max())
    if fixed:
        first = np.arange(min(pool, most + SPARE_CANDIDATES))
        candidates = np.broadcast_to(first, (len(draws), len(first)))
        chosen, counts = _allowed(candidates, wanted, pool_keys, query_keys, most=most)
        for at in np.flatnonzero(counts < wanted).tolist():
            every, count = list(range(pool)), int(wanted[at])
            found = _walk(every, pool_keys.tolist(), count, int(query_keys[at]))
            chosen[at, : len(found)] = found
            counts[at] = len(found)
        return chosen, counts
    if pool <= WHOLE_POOL:
        whole_pool = permutations(seed, draws, pool)
        if pool < most:
            return _allowed(whole_pool, wanted, pool_keys, query_keys, most=most)
        chosen = whole_pool[:, :most].copy()
    else:
        whole_pool = None
        chosen = _candidates(seed, draws, pool, most)
    chosen[np.arange(most) >= wanted[:, None]] = 0
    counts = wanted.copy()
    # For most prompts the first that are drawn will do; the others look at some more.
    others = np.flatnonzero(~_all_allowed(chosen, wanted, pool_keys, query_keys))
    if len(others):
        width = most + SPARE_CANDIDATES
        further = (
            whole_pool[others]
            if whole_pool is not None
            else _candidates(seed, draws[others], pool, width)
        )
        # How many a prompt may look at follows from its own number, not from its neighbours'.
        considered = wanted[others] + SPARE_CANDIDATES if whole_pool is None else None
        chosen[others], counts[others] = _allowed(
            further,
            wanted[others],
            pool_keys,
            query_keys[others],
            most=most,
            considered=considered,
        )
    if whole_pool is not None:
        return chosen, counts
    for at in np.flatnonzero(counts < wanted).tolist():
        # Rare: so many candidates were barred that the whole pool has to be gone through.
        whole = permutations(seed, draws[at : at + 1], pool)
        found = _walk(
            whole[0].tolist(), pool_keys[whole[0]].tolist(), int(wanted[at]), int(query_keys[at])
        )
        chosen[at, : len(found)] = found
        counts[at] = len(found)
    return chosen, counts


def _candidates(seed: int, draws: Indices, pool: int, width: int) -> Indices:
    """The first pool rows that are drawn for each prompt; a row may stand there twice."""
    counters = draws[:, None].astype(np.uint64) * np.uint64(64) + np.arange(width, dtype=np.uint64)
    return below(random_bits(seed, counters), pool)


def _all_allowed(
    chosen: Indices, wanted: Indices, pool_keys: Bits, query_keys: Bits
) -> npt.NDArray[np.bool_]:
    """Prompts of which each row, up to the number they ask for, asks something of its own."""
    keys = pool_keys[chosen]
    result = np.ones(len(chosen), dtype=bool)
    for column in range(chosen.shape[1]):
        clash = keys[:, column] == query_keys
        for before in range(column):
            clash |= keys[:, before] == keys[:, column]
        result &= ~clash | (column >= wanted)
    return result


def _allowed(
    candidates: Indices,
    wanted: Indices,
    pool_keys: Bits,
    query_keys: Bits,
    *,
    most: int,
    considered: Indices | None = None,
) -> tuple[Indices, Indices]:
    keys = pool_keys[candidates]
    width = candidates.shape[1]
    chosen = np.zeros((len(candidates), most), dtype=np.int64)
    if width > 4 * WHOLE_POOL:
        counts = np.zeros(len(candidates), dtype=np.int64)
        columns = (candidates, keys, wanted, query_keys)
        lines = zip(*(column.tolist() for column in columns), strict=True)
        limits = [width] * len(wanted) if considered is None else considered.tolist()
        for at, (row, row_keys, count, query) in enumerate(lines):
            limit = limits[at]
            found = _walk(row[:limit], row_keys[:limit], count, query)
            chosen[at, : len(found)] = found
            counts[at] = len(found)
        return chosen, counts
    allowed = keys != query_keys[:, None]
    for column in range(1, width):
        allowed[:, column] &= (keys[:, :column] != keys[:, column : column + 1]).all(axis=1)
    if considered is not None:
        allowed &= np.arange(width) < considered[:, None]
    rank = np.cumsum(allowed, axis=1)
    taken = allowed & (rank <= wanted[:, None])
    lines_at, columns_at = np.nonzero(taken)
    chosen[lines_at, rank[lines_at, columns_at] - 1] = candidates[lines_at, columns_at]
    counted: Indices = taken.sum(axis=1)
    return chosen, counted


def _walk(row: list[int], keys: list[int], count: int, query: int) -> list[int]:
    seen = {query}
    result: list[int] = []
    for index, key in zip(row, keys, strict=True):
        if key not in seen:
            seen.add(key)
            result.append(index)
            if len(result) == count:
                break
    return result


def without_leaks(pairs: Sequence[tuple[str, str]], target: str) -> list[int]:
    """Places of the exemplars in which a long target does not stand."""
    if len(target) < LEAK_LENGTH:
        return list(range(len(pairs)))
    return [
        i for i, (shown, solved) in enumerate(pairs) if target not in shown and target not in solved
    ]


def doubles_label(labels: ExemplarLabels, pair: tuple[str, str]) -> bool:
    """Whether a text begins with the very label that would stand before it."""
    for label, text in zip((labels.input, labels.target), pair, strict=True):
        word = label.strip()
        if word and text[: len(word)].casefold() == word.casefold():
            return True
    return False


def join(
    pairs: Sequence[tuple[str, str]],
    query: str,
    *,
    labels: ExemplarLabels,
    separator: Separator,
    instruction: str,
) -> str:
    """The few-shot prompt: instruction, exemplars, query, and the label of its target."""
    before, between = labels.input, labels.input_end + labels.delimiter + labels.target
    after = labels.target_end + separator.text
    parts = [before + shown + between + solved + after for shown, solved in pairs]
    lead = instruction + separator.text if instruction else ""
    return (lead + "".join(parts) + before + query + between).rstrip()
