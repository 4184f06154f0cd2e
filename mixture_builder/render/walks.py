"""Which template each draw of a cell is said with: all of them in turn, and none left out.

What a draw is said with follows from its cell and its place there, never from quotas: a larger
mixture says the draws that a smaller one has with the same templates.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from mixture_builder.draw import Indices, cycled, derive_seed, permutation
from mixture_builder.variants import Cell

Turn = tuple[int, int]
"""A cell, and the how-manieth of its draws."""


class TemplateWalks:
    """Goes through the templates of each cell of a task in rounds, each of them all templates.

    So how often templates of a cell are used differs by at most one, and a cell with at least as
    many draws as templates uses every one. The first rounds of a task's cells are laid out
    together: after any number of draws, as they are dealt to cells, the task has used as many
    different templates as any choice could have used.

    Args:
      cells: of the task.
      seed: of the task.
    """

    def __init__(self, cells: Sequence[Cell], *, seed: int) -> None:
        self._seeds = [derive_seed(seed, "templates", cell.name) for cell in cells]
        self._templates = [np.asarray(cell.templates, dtype=np.int64) for cell in cells]
        self._first = _first_rounds(cells, self._seeds)

    def templates(self, cell: int, ordinals: Indices) -> Indices:
        """Indices of templates for some examples of a cell, by how-manieth of it they are."""
        first, mine = self._first[cell], self._templates[cell]
        in_first = ordinals < len(first)
        if in_first.all():
            return first[ordinals]
        result = mine[cycled(self._seeds[cell], len(mine), ordinals)]
        result[in_first] = first[ordinals[in_first]]
        return result


def _first_rounds(cells: Sequence[Cell], seeds: Sequence[int]) -> list[Indices]:
    """The templates of each cell in the order of its first round.

    Turns, taken in the order in which draws are dealt, each get a template that no turn before
    has, wherever a choice exists that gives all of them one: augmenting paths (Kuhn 1955). The
    turns that get one are the greedy basis of a matroid, and so a largest choice for every number
    of draws at once. All other turns take what is left of their cell, in a drawn order.
    """
    order = [
        [cell.templates[place] for place in permutation(seed, len(cell.templates)).tolist()]
        for cell, seed in zip(cells, seeds, strict=True)
    ]
    turns = _turns(tuple((cell.weight, len(cell.templates)) for cell in cells))
    holders: dict[int, Turn] = {}
    new: list[dict[int, int]] = [{} for _ in cells]
    everything = {template for cell in cells for template in cell.templates}
    full: set[int] = set()
    for index, number in turns:
        if len(holders) == len(everything):
            break
        # Where one turn of a cell finds nothing new, no later one does.
        if index not in full and not _give(order, holders, (index, number), tried=set()):
            full.add(index)
    for template, (index, number) in holders.items():
        new[index][number] = template
    result = []
    for templates, own in zip(order, new, strict=True):
        given = set(own.values())
        first_round = [template for template in templates if template not in given]
        for number in sorted(own):
            first_round.insert(number, own[number])
        result.append(np.asarray(first_round, dtype=np.int64))
    return result


@lru_cache(maxsize=1024)
def _turns(weights_and_sizes: tuple[tuple[int, int], ...]) -> tuple[Turn, ...]:
    """The first turns of cells, as many as each has templates, in the order of their draws.

    As `dealing.deal` has them: the j-th turn of a cell of weight w stands at (j + 1/2) / w.
    """
    places = sorted(
        ((2 * number + 1) / weight, index, number)
        for index, (weight, size) in enumerate(weights_and_sizes)
        if weight
        for number in range(size)
    )
    return tuple((index, number) for _, index, number in places)


def _give(
    order: Sequence[Sequence[int]], holders: dict[int, Turn], turn: Turn, *, tried: set[int]
) -> bool:
    """Gives a turn a template that no other has, moving others where that helps."""
    for template in order[turn[0]]:
        if template not in holders and template not in tried:
            holders[template] = turn
            return True
    for template in order[turn[0]]:
        if template in tried:
            continue
        tried.add(template)
        if _give(order, holders, holders[template], tried=tried):
            holders[template] = turn
            return True
    return False
