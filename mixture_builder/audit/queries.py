"""Where what is asked stands in few-shot prompts, and where each of their exemplars begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mixture_builder.audit.frames import least_fault
from mixture_builder.audit.layouts import ExemplarLayout, OptionLayout
from mixture_builder.audit.noted import Noted
from mixture_builder.audit.prompt_recipes import PromptRecipe
from mixture_builder.audit.text_column import Flags, Numbers

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
      layouts: how the exemplars are set off.
      counts: how many places each has in `places`: one more than it has exemplars.
      places: where the query and, going up, the exemplars begin, of one record after the other.
    """

    begins: Numbers
    ends: Numbers
    read: Flags
    framed: Flags
    sure: Flags
    rows: list[int] = field(default_factory=list)
    layouts: list[ExemplarLayout] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


def find_queries(noted: Noted, recipes: Sequence[PromptRecipe], keys: Numbers) -> Queries:
    """Where the queries of a stretch stand; what hides them is noted.

    Args:
      noted: gets the records at fault.
      recipes: of the stretch.
      keys: of each record the place of its recipe.
    """
    view = noted.view
    known = np.asarray([recipe.task is not None for recipe in recipes], dtype=bool)[keys]
    shown = known & view.few_shot & (view.shots > 0)
    offsets = noted.inputs.offsets
    found = Queries(
        begins=offsets[:-1].copy(),
        ends=offsets[1:].copy(),
        read=known.copy(),
        framed=known & ~shown,
        sure=known & ~shown,
    )
    rows = np.flatnonzero(shown)
    begins, ends, unread = [], [], []
    for row, key, style, shots, start, end in zip(
        rows.tolist(),
        keys[rows].tolist(),
        view.style_codes[rows].tolist(),
        view.shots[rows].tolist(),
        offsets[:-1][rows].tolist(),
        offsets[1:][rows].tolist(),
        strict=True,
    ):
        layout = view.styles.exemplars(style)
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
            found.rows.append(row)
            found.layouts.append(layout)
            found.counts.append(len(places))
            found.places += places
    found.begins[rows], found.ends[rows] = begins, ends
    found.read[unread] = False
    found.framed[found.rows] = found.sure[found.rows] = True
    return found


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
