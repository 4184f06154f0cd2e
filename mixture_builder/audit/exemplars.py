"""Exemplars that ask what the query asks, or show its answer."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from mixture_builder.audit.layouts import ExemplarLayout
from mixture_builder.audit.noted import Noted
from mixture_builder.audit.queries import Queries
from mixture_builder.audit.text_column import Flags, Numbers, TextColumn
from mixture_builder.render.exemplars import LEAK_LENGTH

NEAR_LENGTH = 24
"""Letters and digits that a query must have to be compared without case and punctuation."""

_SOFT = bytes(range(0x30)) + bytes(range(0x3A, 0x41)) + bytes(range(0x5B, 0x61))
_DROPPED = _SOFT + bytes(range(0x7B, 0x80))
_LOWER = bytes(range(256)).lower()
_FOLDED = np.asarray([0 if b in _DROPPED else _LOWER[b] for b in range(256)], dtype=np.uint8)

_PROBE = 32
"""Bytes from the middle of a long target that are looked for first."""

_SLACK = 16
"""Bytes by which an exemplar may be longer or shorter than a query that it nearly is."""


def look_at_exemplars(noted: Noted, queries: Queries, direct: Flags) -> None:
    """Holds the exemplars of a stretch against the query and its target; notes those that tell.

    Args:
      noted: gets the records at fault.
      queries: of the stretch.
      direct: of each record whether its answer is predicted.
    """
    rows, counts = queries.rows, queries.counts
    if not len(rows):
        return
    data = noted.inputs.data
    firsts = np.cumsum(counts) - counts
    _note_answers(noted, queries, rows, firsts + counts - 1)
    likely, same = _likely(noted.inputs, queries, rows, firsts)
    owners = np.repeat(np.arange(len(rows)), counts - 1)
    # Inverted prompts name a label or so, and are alike by nature.
    suspicious = np.unique(owners[(likely | same) & direct[rows[owners]]])
    starts = noted.inputs.offsets[rows]
    for place in suspicious.tolist():
        row, first, count = int(rows[place]), int(firsts[place]), int(counts[place])
        layout = queries.layout(int(queries.layouts[place]))
        assert layout is not None
        begins = queries.places[first : first + count].tolist()
        # Before its first place, there is an exemplar less than there are places.
        one = first - place
        maybe, alike = likely[one : one + count - 1], same[one : one + count - 1]
        query, start = begins[0], int(starts[place])
        text = data[query : int(queries.ends[row])]
        whole = text + layout.between
        # Where only white space follows the query, the exemplar may go on behind it.
        exact = [
            begin
            for begin, equal in zip(begins[1:], alike, strict=True)
            if equal and data.startswith(whole, begin, query)
        ]
        if exact:
            check = "shots/query_shown" if layout.tail else "shots/query_nearly_shown"
            noted.note(check, row, at=min(exact) - start)
        elif any(
            near and _nearly(data, text, begin, above, layout)
            for (above, begin), near in zip(pairwise(begins), maybe, strict=True)
        ):
            noted.note("shots/query_nearly_shown", row)


def _note_answers(noted: Noted, queries: Queries, rows: Numbers, lasts: Numbers) -> None:
    """Looks for long targets in the exemplars; `lasts` are places of the topmost ones."""
    goals, stops = noted.targets.offsets[rows], noted.targets.offsets[rows + 1]
    long = np.flatnonzero(stops - goals >= LEAK_LENGTH)
    tops = queries.places[lasts[long]]
    ends = queries.begins[rows[long]] - queries.layout_sizes("marker")[long]
    for some in may_show(noted, goals[long], stops[long], tops, ends):
        place = int(long[some])
        goal, stop, row = int(goals[place]), int(stops[place]), int(rows[place])
        at = find_target(noted, goal, stop, int(tops[some]), int(ends[some]))
        target = at >= 0 and noted.targets.data[goal:stop].decode("utf-8", "replace")
        if target and len(target) >= LEAK_LENGTH:
            noted.note("shots/answer_shown", row, at=at - int(noted.inputs.offsets[row]))


def _likely(
    inputs: TextColumn, queries: Queries, rows: Numbers, firsts: Numbers
) -> tuple[Flags, Flags]:
    """For each exemplar of each record whether it may nearly be the query, or be it."""
    places, sizes = queries.places, queries.counts - 1
    begins = np.ones(len(places), dtype=bool)
    begins[firsts] = False
    begin, above = places[begins], places[np.append(begins[1:], False)]
    between = np.repeat(queries.layout_sizes("between"), sizes)
    query = np.repeat(places[firsts], sizes)
    size = np.repeat(queries.ends[rows], sizes) - query
    one, other = inputs.byte_at(begin), inputs.byte_at(query)
    # What both begin with decides, unless it is left aside in the comparison.
    differ = (_FOLDED[one] != _FOLDED[other]) & (_FOLDED[one] > 0) & (_FOLDED[other] > 0)
    near = (above - begin >= size - _SLACK + between) & ~differ
    same = (size == 0) | (
        (one == other) & (inputs.byte_at(begin + size - 1) == inputs.byte_at(query + size - 1))
    )
    # So does the first difference, which mostly stands where the words of the template end.
    some = np.flatnonzero(near | same)
    begin, query, size = begin[some], query[some], size[some]
    common = inputs.common(begin, query, size)
    apart = common < size
    same[some] &= ~apart
    one = _FOLDED[inputs.byte_at(begin + common)]
    other = _FOLDED[inputs.byte_at(query + common)]
    apart &= (common < size - _SLACK) & (one > 0) & (other > 0) & (one != other)
    near[some] &= ~apart
    return near, same


def _nearly(data: bytes, text: bytes, begin: int, end: int, layout: ExemplarLayout) -> bool:
    """Whether an exemplar asks what the query asks, but for case, spacing and punctuation."""
    size, between = len(text), layout.between
    stop = min(end, begin + size + _SLACK + len(between))
    at = data.find(between, max(begin, begin + size - _SLACK), stop)
    if at < 0:
        return False
    near = text.translate(_LOWER, _DROPPED)
    return len(near) >= NEAR_LENGTH and near == data[begin:at].translate(_LOWER, _DROPPED)


def may_show(
    noted: Noted, goals: Numbers, stops: Numbers, begins: Numbers, ends: Numbers
) -> list[int]:
    """Which targets may stand in stretches of the prompts: the middle of each is looked for.

    The middle of a long target hardly ever stands where the whole does not, and is found sooner.

    Args:
      noted: of the stretch.
      goals: where each target begins in the bytes of all targets.
      stops: where it ends.
      begins: where its stretch begins in the bytes of all prompts.
      ends: where it ends.
    """
    find, wanted = noted.inputs.data.find, noted.targets.data
    middles = np.maximum(goals, (goals + stops - _PROBE) // 2)
    probes = zip(
        middles.tolist(),
        np.minimum(stops, middles + _PROBE).tolist(),
        begins.tolist(),
        ends.tolist(),
        strict=True,
    )
    found = [find(wanted[a:b], begin, end) >= 0 for a, b, begin, end in probes]
    return [place for place, there in enumerate(found) if there]


def find_target(noted: Noted, goal: int, stop: int, start: int, end: int) -> int:
    """Where a target stands in a stretch of the prompts; -1 if it does not.

    Args:
      noted: of the stretch.
      goal: where the target begins in the bytes of all targets.
      stop: where it ends.
      start: where the stretch begins in the bytes of all prompts.
      end: where it ends.
    """
    return noted.inputs.data.find(noted.targets.data[goal:stop], start, end)
