"""Texts put together by Arrow kernels: every text of many is a stretch of one array.

All literals and columns stand in one array of strings; a text is the list of the places it is
put together from. One `take` lays all of them down one after the other, so the texts are
already there: only the offsets have to be thinned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.draw import Indices
from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jinja_sandbox import MAX_TEXT
from mixture_builder.render.programs import Column, Condition, Program, TextPiece
from mixture_builder.render.row_columns import NO_ROWS, RowColumns
from mixture_builder.render.text_arrays import as_list, extents_of, lay_down, stripped


def join_texts(
    programs: Sequence[Program],
    members: Sequence[Indices],
    columns: Mapping[str, pa.Array],
    places: Mapping[str, Indices] | None = None,
    rows: RowColumns = NO_ROWS,
) -> pa.Array:
    """Stripped texts of draws, each put together as its program says.

    Args:
      programs: any.
      members: for each program the draws it is for; each draw is among those of one.
      columns: a value a draw, by name; no nulls.
      places: for columns that hold the values of some draws only: for each draw the place of
        its value.
      rows: columns for all names that are not in `columns`.

    Returns:
      The texts; an empty one where a row could not be rendered.
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
    laid = _lay_strings(layout, members, columns, places or {}, rows)
    found = (layout.literal + laid.bases[layout.column])[piece]
    if laid.follows.any():
        found += laid.follows[layout.column][piece] * draw
    if laid.of_rows.any():
        found += laid.of_rows[layout.column][piece] * rows.at.astype(np.int32)[draw]
    for number, own in laid.places.items():
        at = _standing(layout.column, number, piece)
        found[at] += own[draw[at]]
    _leave_out(found, piece, draw, layout, columns, rows)
    lost: set[int] = set()
    for number, unsound in laid.unsound.items():
        at = _standing(layout.column, number, piece)
        # What a condition has left out is not shown.
        shown = draw[at[found[at] > 0]]
        lost.update(shown[unsound[shown]].tolist())
    if lost:
        found[np.isin(draw, list(lost))] = 0
    texts, _ = lay_down(pa.concat_arrays(laid.strings), found, counts)
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
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _LaidStrings:
    """All strings that texts are put together from: literals, then columns.

    Attributes:
      strings: in arrays one after the other.
      bases: for each column where its strings begin.
      follows: for each column 1 if it has a string for each draw, in their order.
      of_rows: for each column 1 if it has a string for each row.
      places: for columns that hold strings of some draws: for each draw the place of its own.
      unsound: for columns of which some strings must not be shown: which of them.
    """

    strings: list[pa.Array]
    bases: npt.NDArray[np.int32]
    follows: npt.NDArray[np.int32]
    of_rows: npt.NDArray[np.int32]
    places: dict[int, npt.NDArray[Any]]
    unsound: dict[int, npt.NDArray[np.bool_]]


def _lay_strings(
    layout: _Layout,
    members: Sequence[Indices],
    columns: Mapping[str, pa.Array],
    places: Mapping[str, Indices],
    rows: RowColumns,
) -> _LaidStrings:
    strings = [layout.literals]
    of_rows = np.zeros(1 + len(layout.columns) + len(layout.row_by_row), dtype=np.int32)
    own: dict[int, npt.NDArray[Any]] = {}
    wrong: dict[int, npt.NDArray[np.bool_]] = {}
    for number, piece in enumerate(layout.columns, start=1):
        if piece.name in columns:
            texts, unsound = _texts_of(piece, columns[piece.name])
            if piece.name in places:
                own[number] = places[piece.name]
        else:
            texts, unsound = _texts_of(piece, rows.arrays[piece.name])
            of_rows[number] = 1
            unsound = None if unsound is None else unsound[rows.at]
        strings.append(texts)
        if unsound is not None:
            wrong[number] = unsound
    for number, at in enumerate(layout.row_by_row, start=len(strings)):
        mine = members[at]
        strings.append(_rendered(layout.programs[at], columns, places, rows, mine))
        own[number] = np.zeros(sum(map(len, members)), dtype=np.int64)
        own[number][mine] = np.arange(len(mine))
    lengths = [len(array) for array in strings]
    follows = 1 - of_rows
    follows[[0, *own]] = 0
    return _LaidStrings(
        strings=strings,
        # Literals begin where all strings do.
        bases=(np.cumsum(lengths) - lengths).astype(np.int32),
        follows=follows,
        of_rows=of_rows,
        places=own,
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
    columns: Mapping[str, pa.Array],
    rows: RowColumns,
) -> None:
    """Puts the empty text where a condition is not met."""
    tests: dict[tuple[str, str | None], npt.NDArray[np.bool_]] = {}
    for number, conditions in enumerate(layout.conditions):
        at = _standing(layout.condition, number, piece)
        met = np.ones(len(at), dtype=bool)
        for condition in conditions:
            test = condition.name, condition.value
            if test not in tests:
                name, value = test
                tests[test] = (
                    _holds(columns[name], value)
                    if name in columns
                    else _holds(rows.arrays[name], value)[rows.at]
                )
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
        return items.take(pa.array(at)), missing if missing.any() else None
    return column, None


def _rendered(
    program: Program,
    columns: Mapping[str, pa.Array],
    places: Mapping[str, Indices],
    rows: RowColumns,
    mine: Indices,
) -> pa.Array:
    values: dict[str, list[Any]] = {}
    for name in program.names:
        if name in columns:
            column, at = columns[name], places[name][mine] if name in places else mine
        else:
            column, at = rows.arrays[name], rows.at[mine]
        values[name] = as_list(column.take(pa.array(at)))
    texts = compile_text(program.row_by_row).render_many(values, len(mine))
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
