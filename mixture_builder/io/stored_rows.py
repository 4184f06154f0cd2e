"""The rows of one stored task, read by memory map: any few of them without the rest."""

from __future__ import annotations

import mmap
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.ipc

from mixture_builder.blocks import BLOCK_ROWS
from mixture_builder.draw import Bits, Indices
from mixture_builder.errors import StoreError, ran_out
from mixture_builder.io.mapped_file import mapped_file
from mixture_builder.io.remote_store import ROWS_NAME, fetch_missing
from mixture_builder.io.rowstore import ID, KEY, PLACE
from mixture_builder.render.row_columns import RowColumns
from mixture_builder.render.text_arrays import as_list, offsets_of, one_array, taken

_TEXTS, _LISTS = pa.string(), pa.list_(pa.string())

Number = TypeVar("Number", np.int64, np.uint64)

WHOLE_BYTES = 64 << 20
"""Blocks of more than this are not gone through whole for the sake of some rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Columns:
    """What the schema of stored rows tells.

    Attributes:
      places: of all columns.
      fields: those of the rows themselves, in their order.
      text_fields, list_fields: those that are texts and lists of texts.
    """

    places: Mapping[str, int]
    fields: tuple[str, ...]
    text_fields: frozenset[str]
    list_fields: frozenset[str]


_known_columns: deque[tuple[pa.Schema, _Columns]] = deque(maxlen=8)
"""Of the schemas met last: hundreds of tasks of a family have the same one."""


def _columns_of(schema: pa.Schema) -> _Columns:
    for known, columns in tuple(_known_columns):  # Another thread may add to it meanwhile.
        if known.equals(schema):
            return columns
    kinds = {column.name: column.type for column in schema if not column.name.startswith("#")}
    columns = _Columns(
        places={name: place for place, name in enumerate(schema.names)},
        fields=tuple(kinds),
        text_fields=frozenset(name for name, kind in kinds.items() if kind == _TEXTS),
        list_fields=frozenset(name for name, kind in kinds.items() if kind == _LISTS),
    )
    _known_columns.appendleft((schema, columns))
    return columns


class StoredRows:
    """The rows of one stored task; reads only the blocks it is asked for.

    Raises:
      StoreError: if the file is missing, damaged, or holds another number of rows.
    """

    def __init__(self, folder: Path, *, expected_rows: int) -> None:
        self._path = folder / ROWS_NAME
        try:
            try:
                self._mapped = mapped_file(self._path)
            except FileNotFoundError:
                fetch_missing(folder)
                self._mapped = mapped_file(self._path)
            self._reader = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(self._mapped)))
        except (OSError, ValueError, pa.ArrowInvalid) as problem:
            if ran_out(problem):
                raise
            raise StoreError(
                f"{self._path}: the stored rows cannot be read ({problem}). Run ingest again."
            ) from None
        self.count = expected_rows
        self.size = len(self._mapped)
        self._blocks: dict[int, pa.RecordBatch] = {}
        blocks = self._reader.num_record_batches
        if blocks != -(-expected_rows // BLOCK_ROWS) or (
            blocks
            and self._reader.get_batch(blocks - 1).num_rows
            != expected_rows - (blocks - 1) * BLOCK_ROWS
        ):
            raise StoreError(
                f"{self._path}: expected {expected_rows:,} rows, found another number. Run ingest "
                "again."
            )
        self.schema = self._reader.schema
        columns = _columns_of(self.schema)
        self._places = columns.places
        self.fields = columns.fields
        self.text_fields = columns.text_fields
        self.list_fields = columns.list_fields

    def _take(self, names: list[str], indices: Indices) -> list[pa.Array]:
        """Some columns of rows, in the order of `indices`."""
        blocks, located = self._located(indices)
        places = _as_arrow(located)
        return [taken(self._whole(blocks, name), places) for name in names]

    def _whole(self, blocks: Sequence[pa.RecordBatch], name: str) -> pa.Array:
        """A column of some blocks, one after the other."""
        return one_array([block.column(self._places[name]) for block in blocks])

    def _located(self, indices: Indices) -> tuple[list[pa.RecordBatch], Indices]:
        """The blocks that rows stand in, and the place of each row in all of them together."""
        numbers = indices // BLOCK_ROWS
        first, last = int(numbers.min()), int(numbers.max())
        if first == last:
            return [self._block(first)], indices - first * BLOCK_ROWS
        used = np.zeros(last - first + 1, dtype=np.int64)
        used[numbers - first] = 1
        blocks = [self._block(int(b) + first) for b in np.flatnonzero(used)]
        # Only the last block of a task is short, and it sorts last, so places hold.
        rank = np.cumsum(used) - 1
        return blocks, rank[numbers - first] * BLOCK_ROWS + indices % BLOCK_ROWS

    def _block(self, number: int) -> pa.RecordBatch:
        # A block is a view of the mapped file: keeping it costs its description only.
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = self._reader.get_batch(number)
        return block

    def blocks(self) -> Iterator[pa.RecordBatch]:
        """All rows in order, block by block, with their own columns; no block is kept."""
        for number in range(self._reader.num_record_batches):
            yield self._reader.get_batch(number)

    def arrays(self, names: Sequence[str], indices: Indices) -> dict[str, pa.Array]:
        """Some fields for rows in the order of `indices`, as Arrow columns."""
        return dict(zip(names, self._take(list(names), indices), strict=True))

    def row_columns(self, names: Sequence[str], indices: Indices) -> RowColumns:
        """Some fields for rows in the order of `indices`, without a copy for each of these.

        The columns are those of whole blocks, where these hold no more rows than are asked for and
        at most `WHOLE_BYTES`.
        """
        blocks, places = self._located(indices)
        few = sum(block.num_rows for block in blocks) <= len(indices)
        few = few and (self.size <= WHOLE_BYTES or self._size(blocks, names) <= WHOLE_BYTES)
        whole = RowColumns(arrays={n: self._whole(blocks, n) for n in names}, at=places)
        return whole if few else whole.copied()

    def pieces(
        self, names: Sequence[str], indices: Indices
    ) -> tuple[list[list[pa.Array]], Indices, int]:
        """The blocks that rows stand in, without a copy: those of each column, one after the other.

        Returns:
          The blocks of each column; for each of `indices` its place in all of them together; how
          many rows they have.
        """
        blocks, places = self._located(indices)
        columns = [[block.column(self._places[name]) for block in blocks] for name in names]
        return columns, places, sum(block.num_rows for block in blocks)

    def _size(self, blocks: Sequence[pa.RecordBatch], names: Sequence[str]) -> int:
        return sum(block.column(self._places[name]).nbytes for name in names for block in blocks)

    def lengths(self, names: Sequence[str], indices: Indices) -> dict[str, Indices]:
        """Of texts their bytes, of lists their items, for rows in the order of `indices`.

        No text is read for it.

        Args:
          names: of `text_fields` and `list_fields`.
          indices: at least one.
        """
        blocks, places = self._located(indices)
        found: dict[str, Indices] = {}
        for name in names:
            columns = [block.column(self._places[name]) for block in blocks]
            found[name] = np.concatenate([_lengths(column) for column in columns])[places]
        return found

    def empty(self, names: Sequence[str], indices: Indices) -> dict[str, npt.NDArray[np.bool_]]:
        """Which texts and lists are empty, for rows in the order of `indices`.

        Fields that are empty in none of the blocks are left out: nearly always all of them.

        Args:
          names: of `text_fields` and `list_fields`.
          indices: at least one.
        """
        blocks, places = self._located(indices)
        found = {}
        for name in names:
            filled = [_lengths(block.column(self._places[name])) > 0 for block in blocks]
            if not all(part.all() for part in filled):
                found[name] = ~np.concatenate(filled)[places]
        return found

    def columns(self, names: Iterable[str], indices: Indices) -> dict[str, list[Any]]:
        """The values of some fields for rows in the order of `indices`."""
        wanted = list(names)
        if not len(indices):
            return {name: [] for name in wanted}
        taken = self._take(wanted, indices)
        return {name: as_list(column) for name, column in zip(wanted, taken, strict=True)}

    def ids(self, indices: Indices) -> npt.NDArray[np.int64]:
        """The identities of rows."""
        if not len(indices):
            return np.zeros(0, dtype=np.int64)
        return _as_numpy(self._take([ID], indices)[0], np.int64)

    def keys(self, name: str, indices: Indices) -> Bits:
        """For one field, a hash of its text without case, spacing and punctuation."""
        if not len(indices):
            return np.zeros(0, dtype=np.uint64)
        return _as_numpy(self._take([KEY + name], indices)[0], np.uint64)

    def places(self, indices: Indices) -> list[str]:
        """Where upstream rows stand."""
        return as_list(self._take([PLACE], indices)[0])

    def forget(self) -> None:
        """Gives back the pages of the file that were read; they are read again where asked for."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._mapped.madvise(mmap.MADV_DONTNEED)

    def index_of(self, row_id: int) -> int:
        """The index of the row with an identity; -1 if there is none."""
        for block in range(self._reader.num_record_batches):
            ids = self._reader.get_batch(block).column(ID).to_numpy()
            found = np.flatnonzero(ids == row_id)
            if len(found):
                return block * BLOCK_ROWS + int(found[0])
        return -1


# `pa.array` and `to_numpy` import pandas, where it is installed, before they do anything: half as
# much work as all other imports together. A reader of single records does with the two below.


def _as_arrow(numbers: Indices) -> pa.Array:
    """The same numbers for Arrow."""
    buffer = pa.py_buffer(np.ascontiguousarray(numbers, dtype=np.int64))
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, buffer])


def _lengths(column: pa.Array) -> npt.NDArray[np.int32]:
    """How long each text or list of a column is."""
    ends = offsets_of(column)
    return ends[1:] - ends[:-1]


def _as_numpy(numbers: pa.Array, kind: type[Number]) -> npt.NDArray[Number]:
    """The same numbers, of which none is missing, for numpy; read only."""
    start = numbers.offset * np.dtype(kind).itemsize
    return np.frombuffer(numbers.buffers()[1], dtype=kind, count=len(numbers), offset=start)
