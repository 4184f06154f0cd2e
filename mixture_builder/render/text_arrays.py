"""Arrays of texts: laid down piece by piece, stripped, and taken out as Python values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.canonical import plain_values
from mixture_builder.render.batch import TooMuchTextError

WHITE_SPACE = "".join(c for c in map(chr, range(0x3001)) if c.isspace())
"""What `str.strip` strips: Arrow's own idea of white space differs."""

_MAYBE_SPACE = np.zeros(256, dtype=bool)
"""Bytes that white space can begin or end with in UTF-8."""
for _character in WHITE_SPACE:
    _MAYBE_SPACE[_character.encode()[0]] = _MAYBE_SPACE[_character.encode()[-1]] = True


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


def offsets_of(column: pa.Array) -> npt.NDArray[np.int32]:
    """Where each text or list of a column begins, and where the last one ends."""
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int32)
    return offsets[column.offset : column.offset + len(column) + 1]


def extents_of(lists: pa.ListArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of each list the place of its first item among all of `flatten`, and how many it has."""
    if not len(lists):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    ends = offsets_of(lists).astype(np.int64)
    return ends[:-1] - ends[0], ends[1:] - ends[:-1]


MAX_BYTES = (1 << 31) - 1
"""Most bytes that the texts of one array may come to: where they end are numbers of 32 bits."""


def one_array(parts: Sequence[pa.Array]) -> pa.Array:
    """Arrays one after the other.

    Raises:
      TooMuchTextError: if their texts come to more than an array may hold.
    """
    return _one(parts, pa.concat_arrays)


def one_batch(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Batches one after the other.

    Raises:
      TooMuchTextError: as for `one_array`.
    """
    return _one(parts, pa.concat_batches)


def _one(parts: Sequence[Any], joined: Callable[[Sequence[Any]], Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    try:
        return joined(parts)
    except pa.ArrowInvalid as problem:
        if "overflow" not in str(problem):
            raise
        raise TooMuchTextError from problem


def taken(values: pa.Array, places: pa.Array) -> pa.Array:
    """Values by their places, of which any may come again and again.

    Raises:
      TooMuchTextError: if their texts come to more than an array may hold. Arrow gives an array
        then that says wrongly where they end.
    """
    found = values.take(places)
    if any(held is not None and held.size > MAX_BYTES for held in found.buffers()):
        raise TooMuchTextError
    return found


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

    Raises:
      TooMuchTextError: if the texts come to more than an array may hold.
    """
    pieces = taken(everything, pa.array(places))
    _, offsets, data = pieces.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[: len(pieces) + 1]
    thinned = ends[np.concatenate([[0], np.cumsum(counts)])]
    # Strings that are all empty come without data.
    laid = data if data is not None else pa.py_buffer(b"")
    return pa.StringArray.from_buffers(len(counts), pa.py_buffer(thinned), laid), ends


def stripped(texts: pa.Array) -> pa.Array:
    """Texts without white space at their ends, as `str.strip` leaves them."""
    data = texts.buffers()[2]
    if data is None or not len(data):
        return texts
    ends = offsets_of(texts)
    whole = ends[1:] > ends[:-1]
    held = np.frombuffer(data, dtype=np.uint8)
    first, last = held[ends[:-1][whole]], held[ends[1:][whole] - 1]
    # Nearly all texts begin and end with a letter: most need no look at their characters.
    if not (_MAYBE_SPACE[first].any() or _MAYBE_SPACE[last].any()):
        return texts
    return pc.utf8_trim(texts, characters=WHITE_SPACE)


def last_bytes(texts: pa.Array) -> npt.NDArray[np.uint8]:
    """The last byte of each text; 0 for an empty one."""
    data = texts.buffers()[2]
    if data is None or not len(data):
        return np.zeros(len(texts), dtype=np.uint8)
    ends = offsets_of(texts)
    held = np.frombuffer(data, dtype=np.uint8)
    last = held[np.maximum(ends[1:] - 1, 0)]
    last[ends[1:] == ends[:-1]] = 0
    return last
