"""Walks through templates: all are used that can be, and about equally often."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.dealing import deal
from mixture_builder.render.walks import TemplateWalks
from mixture_builder.variants import Cell

NAMES = ("zs_opt", "zs_noopt", "fs_opt", "fs_noopt")

CELLS = st.lists(
    st.tuples(st.integers(0, 12), st.lists(st.integers(0, 6), min_size=1, max_size=6, unique=True)),
    min_size=1,
    max_size=4,
)


def cells_of(raw: list[tuple[int, list[int]]]) -> list[Cell]:
    return [
        Cell(variant=name, direction="direct", weight=1, quota=quota, templates=tuple(templates))
        for name, (quota, templates) in zip(NAMES, raw, strict=False)
    ]


def used(cells: list[Cell], seed: int) -> list[list[int]]:
    walks = TemplateWalks(cells, seed=seed)
    return [
        walks.templates(i, np.arange(cell.quota)).tolist() if cell.quota else []
        for i, cell in enumerate(cells)
    ]


@given(raw=CELLS, seed=st.integers(0, 2**64 - 1))
def test_within_a_cell_templates_are_its_own_and_differ_by_one(
    raw: list[tuple[int, list[int]]], seed: int
) -> None:
    """As many as the quota, of the cell's own, none twice before all its turns have come."""
    cells = cells_of(raw)
    for cell, templates in zip(cells, used(cells, seed), strict=True):
        counts = Counter(dict.fromkeys(cell.templates, 0))
        counts.update(templates)
        assert len(templates) == cell.quota
        assert set(counts) == set(cell.templates)
        assert max(counts.values()) - min(counts.values()) <= 1


@given(
    raw=CELLS,
    weights=st.lists(st.integers(1, 5), min_size=4, max_size=4),
    draws=st.integers(0, 30),
    seed=st.integers(0, 2**64 - 1),
)
def test_no_template_is_left_out_that_there_is_room_for(
    raw: list[tuple[int, list[int]]], weights: list[int], draws: int, seed: int
) -> None:
    """After any number of draws no choice could have used more (Hall's theorem, by exhaustion)."""
    weights = weights[: len(raw)]
    cells = [
        replace(cell, weight=weight, quota=quota)
        for cell, weight, quota in zip(cells_of(raw), weights, dealt(weights, draws), strict=True)
    ]
    served = sorted({t for cell in cells for t in cell.templates})
    together = {t for templates in used(cells, seed) for t in templates}
    # What a set of templates lacks in room, at worst, is what any choice must leave out.
    lacking = max(
        size - sum(min(c.quota, len(set(c.templates) & set(group))) for c in cells)
        for size in range(len(served) + 1)
        for group in combinations(served, size)
    )

    assert len(together) == len(served) - max(0, lacking)


def dealt(weights: list[int], draws: int) -> list[int]:
    """How many of the first draws each cell is dealt by their numbers alone."""
    rounds = -(-draws // sum(weights))
    whole = [weight * rounds for weight in weights]
    cells, _ = deal(weights, whole, np.arange(sum(whole)))
    counts: list[int] = np.bincount(cells[:draws], minlength=len(weights)).tolist()
    return counts


@given(
    raw=CELLS,
    larger=st.lists(st.integers(0, 20), min_size=4, max_size=4),
    seed=st.integers(0, 2**64 - 1),
)
def test_what_a_draw_is_said_with_does_not_depend_on_quotas(
    raw: list[tuple[int, list[int]]], larger: list[int], seed: int
) -> None:
    """With other quotas, of cells with few draws too, common draws have the same templates."""
    cells = cells_of(raw)
    grown = [replace(c, quota=c.quota + more) for c, more in zip(cells, larger, strict=False)]
    for before, after in zip(used(cells, seed), used(grown, seed), strict=True):
        assert after[: len(before)] == before


def test_a_quota_as_large_as_the_number_of_templates_uses_all_of_them() -> None:
    """Four cells of three draws each go through twelve templates that all of them share."""
    cells = cells_of([(3, list(range(12)))] * 4)

    assert sorted(t for templates in used(cells, 7) for t in templates) == list(range(12))
