"""Variants of a task, and which draw serves which of them.

A variant says whether exemplars and answer options are shown. A cell is a variant in one
direction: direct templates predict the answer, inverted ones another field; where a recipe
asks for several forms of few-shot prompts, each is a cell of its own. The draws of
a task are dealt to its cells in a fixed, evenly spread order, so that any stretch of
draws holds the cells at their shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mixture_builder.draw import Indices
from mixture_builder.errors import RecipeError

VARIANTS = ("zs_opt", "zs_noopt", "fs_opt", "fs_noopt")
"""Codes as in Flan: zero- or few-shot, with or without answer options."""

DIRECTIONS = ("direct", "inverted")

MAX_CYCLE = 1_000_000
"""Longest cycle in which draws are dealt to cells; more needs rates of over six digits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One variant of a task in one direction, with what it gets.

    Attributes:
      variant: one of `VARIANTS`.
      direction: one of `DIRECTIONS`.
      weight: its share of the task's draws, as a whole number beside those of the others.
      quota: examples it gets, by largest remainder.
      templates: indices of the templates that serve it, in the template file's order.
      form: name of the form that its few-shot prompts have; empty for the one that the recipe
        spells out.
      own_lists: whether its templates write the options out themselves, so that none are listed
        in a drawn style.
    """

    variant: str
    direction: str
    weight: int
    quota: int
    templates: tuple[int, ...]
    form: str = ""
    own_lists: bool = False

    @property
    def name(self) -> str:
        """`zs_opt`, `zs_opt:inverted`, `fs_opt:five_shot`, ..."""
        return cell_name(self.variant, self.direction, form=self.form, own_lists=self.own_lists)

    @property
    def few_shot(self) -> bool:
        """Whether exemplars are shown."""
        return self.variant.startswith("fs_")

    @property
    def shows_options(self) -> bool:
        """Whether the answer options are listed in the prompt, in a drawn style."""
        return self.variant.endswith("_opt") and not self.own_lists


def cell_name(variant: str, direction: str, *, form: str = "", own_lists: bool = False) -> str:
    """The name of a cell: its variant, and whatever is not as usual.

    >>> cell_name("fs_opt", "inverted", form="five_shot")
    'fs_opt:five_shot:inverted'
    """
    further = [form, "own_lists" if own_lists else "", "" if direction == "direct" else direction]
    return ":".join([variant, *(word for word in further if word)])


def check_cycle(weights: Sequence[int]) -> None:
    """Refuses weights whose cycle is too long to be dealt out.

    Raises:
      RecipeError: if it is longer than `MAX_CYCLE`.
    """
    if sum(weights) > MAX_CYCLE:
        raise RecipeError(
            f"found variant rates that only meet again after {sum(weights):,} draws; expected "
            f"rates that do within {MAX_CYCLE:,}. Write them with fewer digits."
        )


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
