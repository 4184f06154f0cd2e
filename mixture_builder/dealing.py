"""Which draw of a task serves which of its cells.

Draws are dealt to cells in a fixed, evenly spread order, so that any stretch of draws holds the
cells at their shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mixture_builder.draw import Indices
from mixture_builder.variants import check_cycle


@lru_cache(maxsize=256)
def _cycle(weights: tuple[int, ...]) -> tuple[Indices, Indices]:
    check_cycle(weights)
    cells = np.repeat(np.arange(len(weights)), weights)
    ordinals = np.concatenate([np.arange(w) for w in weights])
    # Webster's order: the j-th of w stands at (j + 1/2) / w of the cycle. Equal fractions
    # give equal floats, so ties are ties and go to the first cell.
    position = (2 * ordinals + 1) / (2 * np.asarray(weights)[cells])
    order = np.lexsort((cells, position))
    return cells[order], ordinals[order]


def deal(
    weights: Sequence[int], quotas: Sequence[int], draws: npt.ArrayLike
) -> tuple[Indices, Indices]:
    """Which cell each draw serves, and the how-manieth of that cell it is.

    Args:
      weights: of the cells, whole numbers, at least one above 0.
      quotas: of the cells; each differs from its share of their sum by less than one.
      draws: draw numbers in [0, sum(quotas)).

    Returns:
      Cell indices and ordinals. Over all draws each cell c gets the ordinals
      0 ... quotas[c] - 1 once each. But for a few draws at the end, what a draw serves
      does not depend on the quotas.
    """
    numbers = np.asarray(draws, dtype=np.int64)
    pattern, ordinal = _cycle(tuple(weights))
    rounds, inside = np.divmod(numbers, len(pattern))
    cells = pattern[inside]
    ordinals = rounds * np.asarray(weights, dtype=np.int64)[cells] + ordinal[inside]
    for draw, (cell, place) in _corrections(tuple(weights), tuple(quotas)).items():
        hit = numbers == draw
        cells = np.where(hit, cell, cells)
        ordinals = np.where(hit, place, ordinals)
    return cells, ordinals


def corrections(weights: Sequence[int], quotas: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Draws that serve another cell than their number says, with cell and ordinal; see `deal`."""
    return _corrections(tuple(weights), tuple(quotas))


@lru_cache(maxsize=4096)
def _corrections(weights: tuple[int, ...], quotas: tuple[int, ...]) -> dict[int, tuple[int, int]]:
    """Draws at the end that must serve another cell for the quotas to come out exactly."""
    total = sum(quotas)
    pattern, _ = _cycle(weights)
    rounds, rest = divmod(total, len(pattern))
    counts = rounds * np.asarray(weights) + np.bincount(pattern[:rest], minlength=len(weights))
    surplus = (counts - np.asarray(quotas)).tolist()
    if not any(surplus):
        return {}
    wanted = [(c, int(counts[c]) + i) for c, s in enumerate(surplus) for i in range(-s)]
    result: dict[int, tuple[int, int]] = {}
    draw = total
    while wanted:
        draw -= 1
        cell = int(pattern[draw % len(pattern)])
        if surplus[cell] > 0:
            surplus[cell] -= 1
            result[draw] = wanted.pop(0)
    return result
