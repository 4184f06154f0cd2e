"""Texts put together by Arrow kernels: every text of many is a stretch of one array.

All literals and columns stand in one array of strings; a text is the list of the places it is
put together from. One `take` lays all of them down one after the other, so the texts are
already there: only the offsets have to be thinned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.canonical import plain_values
from mixture_builder.draw import Indices
from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jinja_sandbox import MAX_TEXT
from mixture_builder.render.programs import Condition, Program, TextPiece

Column = tuple[str, str | None, int | None]
"""What is shown of a column, see `TextPiece.column`."""

WHITE_SPACE = "".join(c for c in map(chr, range(0x3001)) if c.isspace())
"""What `str.strip` strips: Arrow's own idea of white space differs."""

_MAYBE_SPACE = np.zeros(256, dtype=bool)
"""Bytes that white space can begin or end with in UTF-8."""
for _character in WHITE_SPACE:
    _MAYBE_SPACE[_character.encode()[0]] = _MAYBE_SPACE[_character.encode()[-1]] = True


def join_texts(
    programs: Sequence[Program],
    members: Sequence[Indices],
    columns: Mapping[str, pa.Array],
    places: Mapping[str, Indices] | None = None,
) -> pa.Array:
    """Stripped texts of draws, each put together as its program says.

    Args:
      programs: any.
      members: for each program the draws it is for; each draw is among those of one.
      columns: a value a draw, for every name; no nulls.
      places: for columns that hold the values of some draws only: for each draw the place of
        its value.

    Returns:
      The texts; an empty one where a row could not be rendered.
    """
    laid = _lay_strings(programs, members, columns, places or {})
    # Which piece each string of each draw is: no loop over programs, of which small tasks have
    # one for every few draws.
    widths = np.asarray([len(of) for of in laid.pieces], dtype=np.int32)
    numbers = np.empty(sum(map(len, members)), dtype=np.int32)
    for number, mine in enumerate(members):
        numbers[mine] = number
    counts = widths[numbers]
    ends = np.cumsum(counts)
    firsts = np.cumsum(widths) - widths
    total = int(ends[-1]) if len(ends) else 0
    piece = np.arange(total, dtype=np.int32)
    piece -= np.repeat((ends - counts - firsts[numbers]).astype(np.int32), counts)
    draw = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    table = [one for of in laid.pieces for one in of]
    found = np.asarray([one.base for one in table], dtype=np.int32)[piece]
    follows = np.asarray([one.each for one in table], dtype=np.int32)
    if follows.any():
        found += follows[piece] * draw
    for where, at in _of_kind([one.where for one in table], piece):
        found[at] += laid.places[where][draw[at]]
    _leave_out(found, piece, draw, table, columns)
    _empty_unsound(found, piece, draw, table, laid.unsound)
    texts, _ = lay_down(pa.concat_arrays(laid.strings), found, counts)
    return stripped(texts)


@dataclass(frozen=True, kw_only=True, slots=True)
class _LaidPiece:
    """A piece of a program, and where its strings stand among all.

    Attributes:
      base: where its string stands, or the first of its column.
      each: 1 for a column with a string for each draw, in their order.
      where: number of the places of a column that holds strings of some draws; -1 for others.
      conditions: under which it is shown.
      unsound: number of the column's strings that must not be shown; -1 where all may be.
    """

    base: int
    each: int = 0
    where: int = -1
    conditions: tuple[Condition, ...] = ()
    unsound: int = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class _LaidStrings:
    """All strings that texts are put together from; the first one is empty.

    Attributes:
      strings: literals and columns, in arrays one after the other.
      pieces: for each program what it puts together.
      places: for columns that hold strings of some draws: for each draw the place of its own.
      unsound: for columns of which some strings must not be shown: which of them.
    """

    strings: list[pa.Array]
    pieces: list[list[_LaidPiece]]
    places: list[npt.NDArray[Any]]
    unsound: list[npt.NDArray[np.bool_]]


def _lay_strings(
    programs: Sequence[Program],
    members: Sequence[Indices],
    columns: Mapping[str, pa.Array],
    places: Mapping[str, Indices],
) -> _LaidStrings:
    literals = {"": 0}
    for program in programs:
        for piece in program.pieces:
            literals.setdefault(piece.literal, len(literals))
    laid = _LaidStrings(
        strings=[pa.array(list(literals), pa.string())], pieces=[], places=[], unsound=[]
    )
    base = len(literals)
    shown: dict[Column, _LaidPiece] = {}
    for piece in {p.column: p for program in programs for p in program.pieces if p.name}.values():
        texts, unsound = _texts_of(piece, columns[piece.name])
        own = piece.name in places
        shown[piece.column] = _LaidPiece(
            base=base,
            each=int(not own),
            where=_added(laid.places, places[piece.name]) if own else -1,
            unsound=-1 if unsound is None else _added(laid.unsound, unsound),
        )
        laid.strings.append(texts)
        base += len(texts)
    for program, mine in zip(programs, members, strict=True):
        if program.row_by_row:
            own_places = np.zeros(sum(map(len, members)), dtype=np.int64)
            own_places[mine] = np.arange(len(mine))
            where = _added(laid.places, own_places)
            laid.pieces.append([_LaidPiece(base=base, where=where)])
            laid.strings.append(_rendered(program, columns, places, mine))
            base += len(mine)
            continue
        laid.pieces.append(
            [
                _conditioned(shown[p.column], p.conditions)
                if p.name
                else _LaidPiece(base=literals[p.literal], conditions=p.conditions)
                for p in program.pieces
            ]
        )
    return laid


def _conditioned(piece: _LaidPiece, conditions: tuple[Condition, ...]) -> _LaidPiece:
    return replace(piece, conditions=conditions) if conditions else piece


def _added(arrays: list[npt.NDArray[Any]], array: npt.NDArray[Any]) -> int:
    """The number of an array in a list that it is added to."""
    arrays.append(array)
    return len(arrays) - 1


def _of_kind(
    kinds: Sequence[int], piece: npt.NDArray[np.int32]
) -> Iterator[tuple[int, npt.NDArray[np.intp]]]:
    """Each kind of piece from 0 on, and where strings of such pieces stand."""
    if max(kinds, default=-1) < 0:
        return
    kind = np.asarray(kinds, dtype=np.int32)[piece]
    for number in sorted({k for k in kinds if k >= 0}):
        yield number, np.flatnonzero(kind == number)


def _leave_out(
    found: npt.NDArray[np.int32],
    piece: npt.NDArray[np.int32],
    draw: npt.NDArray[np.int32],
    table: Sequence[_LaidPiece],
    columns: Mapping[str, pa.Array],
) -> None:
    """Puts the empty text where a condition is not met."""
    kinds: dict[tuple[Condition, ...], int] = {}
    for one in table:
        if one.conditions:
            kinds.setdefault(one.conditions, len(kinds))
    asked = list(kinds)
    tests: dict[tuple[str, str | None], npt.NDArray[np.bool_]] = {}
    for number, at in _of_kind([kinds.get(one.conditions, -1) for one in table], piece):
        met = np.ones(len(at), dtype=bool)
        for condition in asked[number]:
            test = condition.name, condition.value
            if test not in tests:
                tests[test] = _holds(columns[condition.name], condition.value)
            met &= tests[test][draw[at]] == condition.holds
        found[at[~met]] = 0


def _empty_unsound(
    found: npt.NDArray[np.int32],
    piece: npt.NDArray[np.int32],
    draw: npt.NDArray[np.int32],
    table: Sequence[_LaidPiece],
    unsound: Sequence[npt.NDArray[np.bool_]],
) -> None:
    """Empties the texts that would show a string that must not be shown."""
    lost: set[int] = set()
    for number, at in _of_kind([one.unsound for one in table], piece):
        # What a condition has left out is not shown.
        shown = draw[at[found[at] > 0]]
        lost.update(shown[unsound[number][shown]].tolist())
    if lost:
        found[np.isin(draw, list(lost))] = 0


def _texts_of(piece: TextPiece, column: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_] | None]:
    """What a piece shows of a column, and where it cannot be told from the column."""
    if piece.between is not None:
        joined = pc.binary_join(column, piece.between)
        lengths = pc.binary_length(joined).to_numpy(zero_copy_only=False)
        # Above this, the sandbox has a say.
        return joined, lengths > MAX_TEXT if lengths.max(initial=0) > MAX_TEXT else None
    if piece.item is not None:
        sizes = column.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
        missing = sizes <= piece.item
        items = pa.concat_arrays([column.flatten(), pa.array([""], pa.string())])
        at = np.where(missing, len(items) - 1, np.cumsum(sizes) - sizes + piece.item)
        return items.take(pa.array(at)), missing if missing.any() else None
    return column, None


def _rendered(
    program: Program,
    columns: Mapping[str, pa.Array],
    places: Mapping[str, Indices],
    mine: Indices,
) -> pa.Array:
    values = {
        name: as_list(columns[name].take(pa.array(places[name][mine] if name in places else mine)))
        for name in program.names
    }
    texts = compile_text(program.row_by_row).render_many(values, len(mine))
    return pa.array([t if isinstance(t, str) else "" for t in texts], pa.string())


def as_list(column: pa.Array) -> list[Any]:
    """Python values of a column, as templates see them."""
    if pa.types.is_list(column.type):
        flat: list[Any] = column.flatten().to_pylist()
        # `to_numpy` would import pandas: too long a wait for a single record.
        lengths = np.frombuffer(column.value_lengths().buffers()[1], dtype=np.int32)
        ends = np.cumsum(lengths[: len(column)]).tolist()
        return [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    values: list[Any] = column.to_pylist()
    return plain_values(values) if pa.types.is_binary(column.type) else values


def _holds(column: pa.Array, value: str | None) -> npt.NDArray[np.bool_]:
    if pa.types.is_list(column.type):
        sizes: npt.NDArray[Any] = column.value_lengths().to_numpy(zero_copy_only=False)
        return sizes > 0
    if value is None:
        lengths: npt.NDArray[Any] = pc.binary_length(column).to_numpy(zero_copy_only=False)
        return lengths > 0
    equal: npt.NDArray[np.bool_] = pc.equal(column, value).to_numpy(zero_copy_only=False)
    return equal


def lay_down(
    everything: pa.Array, places: npt.NDArray[np.integer], counts: npt.NDArray[np.integer]
) -> tuple[pa.Array, npt.NDArray[np.int32]]:
    """Texts of which each is so many strings one after the other.

    Args:
      everything: the strings; no nulls.
      places: of the strings, those of one text after those of the one before.
      counts: how many each text has.

    Returns:
      The texts, and the byte of their data at which each string stands.
    """
    pieces = everything.take(pa.array(places))
    _, offsets, data = pieces.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[: len(pieces) + 1]
    thinned = ends[np.concatenate([[0], np.cumsum(counts)])]
    # Strings that are all empty come without data.
    laid = data if data is not None else pa.py_buffer(b"")
    return pa.StringArray.from_buffers(len(counts), pa.py_buffer(thinned), laid), ends


def stripped(texts: pa.Array) -> pa.Array:
    """Texts without white space at their ends, as `str.strip` leaves them."""
    _, offsets, data = texts.buffers()
    if data is None or not len(data):
        return texts
    start = texts.offset
    ends = np.frombuffer(offsets, dtype=np.int32)[start : start + len(texts) + 1]
    whole = ends[1:] > ends[:-1]
    held = np.frombuffer(data, dtype=np.uint8)
    first, last = held[ends[:-1][whole]], held[ends[1:][whole] - 1]
    # Nearly all texts begin and end with a letter: most need no look at their characters.
    if not (_MAYBE_SPACE[first].any() or _MAYBE_SPACE[last].any()):
        return texts
    return pc.utf8_trim(texts, characters=WHITE_SPACE)
