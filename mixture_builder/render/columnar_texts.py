"""Texts put together by Arrow kernels: every text of many is a stretch of one array.

All literals and columns stand in one array of strings; a text is the list of the places it is
put together from. One `take` lays all of them down one after the other, so the texts are
already there: only the offsets have to be thinned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.draw import Indices
from mixture_builder.jinja_bounds import MAX_TEXT
from mixture_builder.jinja_compiler import compile_text
from mixture_builder.render.batch import TooMuchTextError
from mixture_builder.render.programs import Column, Condition, Program, TextPiece
from mixture_builder.render.row_columns import DrawColumn
from mixture_builder.render.text_arrays import (
    as_list,
    extents_of,
    lay_down,
    one_array,
    stripped,
    taken,
)

OFTEN = 5
"""A template that shows a field more often makes texts that are looked at before they are made."""

LONG_LITERALS = 10_000
"""So is one with more characters of its own."""

LONG_BETWEEN = 100
"""So is one with more characters between the items of lists."""

MOST_SWOLLEN = 1 << 28
"""Most bytes that texts of such templates may take at once."""


def join_texts(
    programs: Sequence[Program],
    members: Sequence[Indices],
    columns: Mapping[str, DrawColumn],
    *,
    longest: int = 0,
) -> pa.Array:
    """Stripped texts of draws, each put together as its program says.

    Args:
      programs: any.
      members: for each program the draws it is for; each draw is among those of one.
      columns: all that the programs read, by name.
      longest: characters that a text may have; 0 for any number.

    Returns:
      The texts; an empty one where a row could not be rendered, and where one that is rendered row
      by row is too long.

    Raises:
      TooMuchTextError: if the texts come to more than an array may hold, or to far more than what
        they show of rows.
    """
    layout = _layout_of(programs)
    # Which piece each string of each draw is: no loop over programs, of which small tasks have
    # one for every few draws.
    numbers = np.empty(sum(map(len, members)), dtype=np.int32)
    for number, mine in enumerate(members):
        numbers[mine] = number
    counts = layout.widths[numbers]
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    piece = np.arange(total, dtype=np.int32)
    piece -= np.repeat((ends - counts - layout.firsts[numbers]).astype(np.int32), counts)
    draw = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    laid = _lay_strings(layout, members, columns, longest)
    found = (layout.literal + laid.bases[layout.column])[piece]
    for places, shown_by in laid.places:
        # Most columns are those of rows, and have one place a draw for all of them.
        found += shown_by[layout.column][piece] * (draw if places is None else places[draw])
    _leave_out(found, piece, draw, layout, columns)
    lost: set[int] = set()
    for number, unsound in laid.unsound.items():
        at = _standing(layout.column, number, piece)
        # What a condition has left out is not shown.
        shown = draw[at[found[at] > 0]]
        lost.update(shown[unsound[shown]].tolist())
    if lost:
        found[np.isin(draw, list(lost))] = 0
    everything = one_array(laid.strings)
    if layout.swells:
        lengths = pc.binary_length(everything).to_numpy(zero_copy_only=False)
        if int(lengths[found].sum(dtype=np.int64)) > MOST_SWOLLEN:
            raise TooMuchTextError
    texts, _ = lay_down(everything, found, counts)
    return stripped(texts)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Layout:
    """What some programs put together: the same for all rows.

    Attributes:
      programs: the same, held so that nothing else takes their place in memory.
      literals: texts of their own; the first one is empty.
      columns: what is shown of columns, by the first piece that shows it; they count from 1.
      row_by_row: numbers of programs that are rendered row by row; they count as further columns.
      conditions: under which pieces are shown.
      widths: for each program how many pieces it has.
      firsts: for each program its first piece among all.
      literal: for each piece of all programs the place of its own text; 0 for columns.
      column: for each piece the number of its column; 0 for texts of their own.
      condition: for each piece the number of its conditions; -1 for none.
      swells: whether a text may be many times as long as the row that it shows.
    """

    programs: tuple[Program, ...]
    literals: pa.Array
    columns: tuple[TextPiece, ...]
    row_by_row: tuple[int, ...]
    conditions: tuple[tuple[Condition, ...], ...]
    widths: npt.NDArray[np.int32]
    firsts: npt.NDArray[np.int64]
    literal: npt.NDArray[np.int32]
    column: npt.NDArray[np.int32]
    condition: npt.NDArray[np.int32]
    swells: bool


_MOST_LAYOUTS = 500

_layouts: dict[tuple[int, ...], _Layout] = {}
"""By the identities of their programs: tasks of a family have the same ones."""


def _layout_of(programs: Sequence[Program]) -> _Layout:
    key = tuple(map(id, programs))
    known = _layouts.get(key)
    if known is None:
        if len(_layouts) >= _MOST_LAYOUTS:
            _layouts.clear()
        known = _layouts[key] = _made_layout(tuple(programs))
    return known


def _made_layout(programs: tuple[Program, ...]) -> _Layout:
    literals = {"": 0}
    columns: dict[Column, int] = {}
    shown: list[TextPiece] = []
    conditions: dict[tuple[Condition, ...], int] = {}
    table: list[tuple[int, int, int]] = []
    for program in programs:
        for piece in program.pieces:
            if piece.name and piece.column not in columns:
                shown.append(piece)
                columns[piece.column] = len(shown)
            table.append(
                (
                    0 if piece.name else literals.setdefault(piece.literal, len(literals)),
                    columns[piece.column] if piece.name else 0,
                    conditions.setdefault(piece.conditions, len(conditions))
                    if piece.conditions
                    else -1,
                )
            )
        if program.row_by_row:
            # Numbered below, after all columns.
            table.append((0, -1, -1))
    widths = np.asarray([1 if p.row_by_row else len(p.pieces) for p in programs], dtype=np.int32)
    parts = np.asarray(table, dtype=np.int32).reshape(-1, 3)
    alone = np.flatnonzero(parts[:, 1] < 0)
    parts[alone, 1] = len(shown) + 1 + np.arange(len(alone))
    return _Layout(
        programs=programs,
        literals=pa.array(list(literals), pa.string()),
        columns=tuple(shown),
        row_by_row=tuple(n for n, p in enumerate(programs) if p.row_by_row),
        conditions=tuple(conditions),
        widths=widths,
        firsts=np.cumsum(widths) - widths,
        literal=parts[:, 0].copy(),
        column=parts[:, 1].copy(),
        condition=parts[:, 2].copy(),
        swells=any(map(_swells, programs)),
    )


def _swells(program: Program) -> bool:
    """Whether a program shows a column often, or has long texts of its own."""
    shown = Counter(piece.name for piece in program.pieces if piece.name)
    between = sum(len(piece.between or "") for piece in program.pieces)
    own = sum(len(piece.literal) for piece in program.pieces)
    return max(shown.values(), default=0) > OFTEN or own > LONG_LITERALS or between > LONG_BETWEEN


@dataclass(frozen=True, kw_only=True, slots=True)
class _LaidStrings:
    """All strings that texts are put together from: literals, then columns.

    Attributes:
      strings: in arrays one after the other.
      bases: for each column where its strings begin.
      places: where in a column the string of each draw stands, `None` for one a draw in their
        order; and for each column 1 if its strings stand so.
      unsound: for columns of which some strings must not be shown: of which draws.
    """

    strings: list[pa.Array]
    bases: npt.NDArray[np.int32]
    places: list[tuple[npt.NDArray[np.int32] | None, npt.NDArray[np.int32]]]
    unsound: dict[int, npt.NDArray[np.bool_]]


def _lay_strings(
    layout: _Layout,
    members: Sequence[Indices],
    columns: Mapping[str, DrawColumn],
    longest: int,
) -> _LaidStrings:
    strings = [layout.literals]
    places: dict[int, tuple[Indices | None, list[int]]] = {}
    wrong: dict[int, npt.NDArray[np.bool_]] = {}
    for number, piece in enumerate(layout.columns, start=1):
        column = columns[piece.name]
        texts, unsound = _texts_of(piece, column.values)
        strings.append(texts)
        places.setdefault(id(column.at), (column.at, []))[1].append(number)
        if unsound is not None:
            wrong[number] = unsound if column.at is None else unsound[column.at]
    for number, by_rows in enumerate(layout.row_by_row, start=len(strings)):
        mine = members[by_rows]
        strings.append(_rendered(layout.programs[by_rows], columns, mine, longest))
        own = np.zeros(sum(map(len, members)), dtype=np.int64)
        own[mine] = np.arange(len(mine))
        places[id(own)] = own, [number]
    lengths = [len(array) for array in strings]
    shown_by = np.zeros((len(places), len(strings)), dtype=np.int32)
    for line, (_, numbers) in zip(shown_by, places.values(), strict=True):
        line[numbers] = 1
    return _LaidStrings(
        strings=strings,
        # Literals begin where all strings do.
        bases=(np.cumsum(lengths) - lengths).astype(np.int32),
        places=[
            (None if at is None else at.astype(np.int32), line)
            for (at, _), line in zip(places.values(), shown_by, strict=True)
        ],
        unsound=wrong,
    )


def _standing(
    kinds: npt.NDArray[np.int32], number: int, piece: npt.NDArray[np.int32]
) -> npt.NDArray[np.intp]:
    """Where strings of pieces of one kind stand."""
    return np.flatnonzero((kinds == number)[piece])


def _leave_out(
    found: npt.NDArray[np.int32],
    piece: npt.NDArray[np.int32],
    draw: npt.NDArray[np.int32],
    layout: _Layout,
    columns: Mapping[str, DrawColumn],
) -> None:
    """Puts the empty text where a condition is not met."""
    tests: dict[tuple[str, str | None], npt.NDArray[np.bool_]] = {}
    for number, conditions in enumerate(layout.conditions):
        at = _standing(layout.condition, number, piece)
        met = np.ones(len(at), dtype=bool)
        for condition in conditions:
            test = condition.name, condition.value
            if test not in tests:
                column = columns[condition.name]
                held = _holds(column.values, condition.value)
                tests[test] = held if column.at is None else held[column.at]
            met &= tests[test][draw[at]] == condition.holds
        found[at[~met]] = 0


def _texts_of(piece: TextPiece, column: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_] | None]:
    """What a piece shows of a column, and where it cannot be told from the column."""
    if piece.between is not None:
        joined = pc.binary_join(column, piece.between)
        lengths = pc.binary_length(joined).to_numpy(zero_copy_only=False)
        # Above this, the sandbox has a say.
        return joined, lengths > MAX_TEXT if lengths.max(initial=0) > MAX_TEXT else None
    if piece.item is not None:
        firsts, sizes = extents_of(column)
        missing = sizes <= piece.item
        items = pa.concat_arrays([column.flatten(), pa.array([""], pa.string())])
        at = np.where(missing, len(items) - 1, firsts + piece.item)
        return taken(items, pa.array(at)), missing if missing.any() else None
    return column, None


def _rendered(
    program: Program, columns: Mapping[str, DrawColumn], mine: Indices, longest: int
) -> pa.Array:
    values = {name: as_list(columns[name].taken(mine)) for name in program.names}
    texts = compile_text(program.row_by_row).render_many(values, len(mine), longest=longest)
    return pa.array([t if isinstance(t, str) else "" for t in texts], pa.string())


def _holds(column: pa.Array, value: str | None) -> npt.NDArray[np.bool_]:
    if pa.types.is_list(column.type):
        sizes: npt.NDArray[Any] = column.value_lengths().to_numpy(zero_copy_only=False)
        return sizes > 0
    if value is None:
        lengths: npt.NDArray[Any] = pc.binary_length(column).to_numpy(zero_copy_only=False)
        return lengths > 0
    equal: npt.NDArray[np.bool_] = pc.equal(column, value).to_numpy(zero_copy_only=False)
    return equal
