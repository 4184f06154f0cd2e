"""Where what is asked stands in few-shot prompts, and where each of their exemplars begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mixture_builder.audit.frames import least_fault
from mixture_builder.audit.layouts import ExemplarLayout, OptionLayout
from mixture_builder.audit.noted import Noted
from mixture_builder.audit.prompt_recipes import PromptRecipe
from mixture_builder.audit.text_column import Flags, Numbers
from mixture_builder.audit.view import ShardView
from mixture_builder.draw import distinct

_SPARE = 24
"""Places that could be where the query begins, that are tried beyond those expected."""


@dataclass(kw_only=True, slots=True)
class Queries:
    """Where what is asked stands in each prompt.

    Attributes:
      begins, ends: of the query; of the prompt where that is not known.
      read: whether the record is looked at at all.
      framed: whether the query is to be held against its template.
      sure: whether its place is.
      rows: records of which it is known where the exemplars stand; the next three are of these.
      layouts: of the exemplars of each, its place among the layouts that `layout` has.
      counts: how many places each has in `places`: one more than it has exemplars.
      places: where the query and, going up, the exemplars begin, of one record after the other.
      layout: by its place, how exemplars are set off.
    """

    begins: Numbers
    ends: Numbers
    read: Flags
    framed: Flags
    sure: Flags
    rows: Numbers
    layouts: Numbers
    counts: Numbers
    places: Numbers
    layout: Callable[[int], ExemplarLayout | None]

    def layout_sizes(self, part: str) -> Numbers:
        """Bytes of a part of the layout of each of `rows`; `part` is an attribute of layouts."""
        met, which = distinct(self.layouts)
        sizes = [len(getattr(self.layout(place), part)) for place in met.tolist()]
        return np.asarray(sizes, dtype=np.int64)[which]


def find_queries(noted: Noted, recipes: Sequence[PromptRecipe], keys: Numbers) -> Queries:
    """Where the queries of a stretch stand; what hides them is noted.

    Of records that are what their rows give, that is known from rendering these. All others are
    searched for what their styles put between exemplars.

    Args:
      noted: gets the records at fault.
      recipes: of the stretch.
      keys: of each record the place of its recipe.
    """
    view = noted.view
    known = np.asarray([recipe.task is not None for recipe in recipes], dtype=bool)[keys]
    shown = known & view.few_shot & (view.shots > 0)
    offsets = noted.inputs.offsets
    layouts = view.styles.exemplar_places[view.style_codes]
    given = shown & _bounds_given(view)
    rows = np.flatnonzero(given)
    found = Queries(
        begins=offsets[:-1].copy(),
        ends=offsets[1:].copy(),
        read=known.copy(),
        framed=known & (~shown | given),
        sure=known & (~shown | given),
        rows=rows,
        layouts=layouts[rows],
        counts=view.shots[rows] + 1,
        places=np.zeros(0, dtype=np.int64),
        layout=view.styles.exemplar_layout,
    )
    if view.given is not None and len(rows):
        bounds = view.given.bounds[rows] + offsets[:-1][rows, None]
        found.ends[rows], found.begins[rows] = bounds[:, 0], bounds[:, 1]
        found.places = bounds[:, 1:][np.arange(bounds.shape[1] - 1) < found.counts[:, None]]
    _search(noted, found, np.flatnonzero(shown & ~given), recipes, keys, layouts)
    return found


def _bounds_given(view: ShardView) -> Flags:
    """Records of which it is known where their parts are, and that they are as they should be."""
    if view.given is None or not view.given.bounds.shape[1]:
        return np.zeros(view.rows, dtype=bool)
    starts = view.exemplar_rows[1]
    # A number that was tampered with is no part of what makes records the same.
    counted = np.diff(starts) == view.shots
    known: Flags = view.trusted & counted & (view.given.bounds[:, 0] > 0)
    return known


def _search(
    noted: Noted,
    found: Queries,
    rows: Numbers,
    recipes: Sequence[PromptRecipe],
    keys: Numbers,
    layouts: Numbers,
) -> None:
    """Finds the queries of some records by what stands around them, and adds them."""
    if not len(rows):
        return
    view, offsets = noted.view, noted.inputs.offsets
    known: list[int] = []
    counts: list[int] = []
    begins, ends, unread, parts = [], [], [], []
    for row, key, style, place, shots, start, end in zip(
        rows.tolist(),
        keys[rows].tolist(),
        view.style_codes[rows].tolist(),
        layouts[rows].tolist(),
        view.shots[rows].tolist(),
        offsets[:-1][rows].tolist(),
        offsets[1:][rows].tolist(),
        strict=True,
    ):
        layout = found.layout(place)
        if layout is None:
            noted.note("shots/style", row)
            unread.append(row)
            begins.append(start)
            ends.append(end)
            continue
        query, query_end, places = _query(
            noted, row, start, end, layout, shots, recipes[key], style
        )
        begins.append(query)
        ends.append(query_end)
        if places:
            known.append(row)
            counts.append(len(places))
            parts += places
    found.begins[rows], found.ends[rows] = begins, ends
    found.read[unread] = False
    found.framed[known] = found.sure[known] = True
    of_known = np.asarray(known, dtype=np.int64)
    found.rows = np.append(found.rows, of_known)
    found.layouts = np.append(found.layouts, layouts[of_known])
    found.counts = np.append(found.counts, np.asarray(counts, dtype=np.int64))
    found.places = np.append(found.places, np.asarray(parts, dtype=np.int64))


def _within_lists(layout: OptionLayout | None, marker: bytes) -> list[tuple[bytes, int]]:
    """Texts of a list of options in which a marker stands, and where in them it ends.

    What follows such a marker is the rest of a list, and not what is asked.
    """
    if layout is None:
        return []
    found = []
    for text in (layout.opening, *layout.marks[1:]):
        at = text.find(marker)
        while at >= 0:
            found.append((text, at + len(marker)))
            at = text.find(marker, at + 1)
    return found


def _query(
    noted: Noted,
    row: int,
    start: int,
    end: int,
    layout: ExemplarLayout,
    shots: int,
    recipe: PromptRecipe,
    style: int,
) -> tuple[int, int, list[int]]:
    """Where the query begins and ends; and where it and, going up, the exemplars begin.

    The list is empty where that is not sure.
    """
    data, marker, leads = noted.inputs.data, layout.marker, recipe.leads
    if not data.endswith(layout.tail, start, end):
        noted.note("shots/query_label", row, at=end - start)
        return start, end, []
    query_end = end - len(layout.tail)
    size = len(marker)
    # Markers may share white space at their ends, which `count` would pass over.
    places: list[int] = []
    most = shots + leads
    tried = most + _SPARE
    at = data.rfind(marker, start, query_end)
    while at >= 0 and len(places) <= tried:
        places.append(at + size)
        at = data.rfind(marker, start, at + size - 1)
    if len(places) < shots:
        noted.note("shots/separator", row)
        return start, query_end, []
    if len(places) <= most:
        del places[shots:]
        # The first exemplar begins the prompt, or stands below the instruction.
        lead = data.rfind(layout.lead, start, places[-1] - size) if leads else -1
        places.append(start + len(layout.before) if lead < 0 else lead + len(layout.lead))
        return places[0], query_end, places
    styles = noted.view.styles
    frames = recipe.inputs[styles.names_options(style)]
    within = _within_lists(styles.options(style), marker)
    for place in places:
        if any(data.startswith(text, place - at) for text, at in within):
            continue
        if not least_fault(frames, data, place, query_end):
            return place, query_end, []
    if len(places) <= tried:
        noted.note("template/words", row, at=end - start)
    return places[0], query_end, []
