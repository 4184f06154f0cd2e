"""Which template each draw of a cell is said with: all of them in turn, and none left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixture_builder.draw import Indices, cycled, derive_seed, permutation
from mixture_builder.variants import Cell


class TemplateWalks:
    """Goes through the templates of each cell of a task.

    A cell whose quota is at least the number of its templates uses every one of them, and how
    often they are used differs by at most one. A smaller cell uses as many as its quota; which
    ones is chosen over all cells of the task together, so that a template is left out only
    if the quotas leave no room for it in any cell that it serves.

    Args:
      cells: of the task.
      seed: of the task.
    """

    def __init__(self, cells: Sequence[Cell], *, seed: int) -> None:
        self._seeds = [derive_seed(seed, "templates", cell.name) for cell in cells]
        self._templates = [np.asarray(cell.templates, dtype=np.int64) for cell in cells]
        self._chosen = _small_cells(cells, self._seeds)

    def templates(self, cell: int, ordinals: Indices) -> Indices:
        """Indices of templates for some examples of a cell, by how-manieth of it they are."""
        if cell in self._chosen:
            return self._chosen[cell][ordinals]
        mine = self._templates[cell]
        return mine[cycled(self._seeds[cell], len(mine), ordinals)]


def _small_cells(cells: Sequence[Cell], seeds: Sequence[int]) -> dict[int, Indices]:
    """For each cell that cannot use all its templates those that it uses, in their order."""
    small = [i for i, cell in enumerate(cells) if 0 < cell.quota < len(cell.templates)]
    if not small:
        return {}
    used = {t for cell in cells if cell.quota >= len(cell.templates) for t in cell.templates}
    order = {
        i: [cells[i].templates[p] for p in permutation(seeds[i], len(cells[i].templates)).tolist()]
        for i in small
    }
    held: dict[int, list[int]] = {i: [] for i in small}
    for i in small:
        for template in order[i]:
            if template not in used and _make_room(template, cells, held, tried=set()):
                used.add(template)
    result = {}
    for i in small:
        mine = set(held[i])
        for template in order[i]:
            if len(mine) < cells[i].quota:
                mine.add(template)
        result[i] = np.asarray([t for t in order[i] if t in mine], dtype=np.int64)
    return result


def _make_room(
    template: int, cells: Sequence[Cell], held: dict[int, list[int]], *, tried: set[int]
) -> bool:
    """Gives a template a place, moving others where that helps: augmenting paths (Kuhn 1955)."""
    for cell, mine in held.items():
        if template not in cells[cell].templates or cell in tried:
            continue
        tried.add(cell)
        if len(mine) < cells[cell].quota:
            mine.append(template)
            return True
        for place, other in enumerate(mine):
            if _make_room(other, cells, held, tried=tried):
                mine[place] = template
                return True
    return False
