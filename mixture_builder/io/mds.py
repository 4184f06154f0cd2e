"""Shards of MosaicML streaming (MDS) and their index, written without the package.

A shard, every number a little-endian uint32: how many samples; where each begins, and where
the last one ends, counted from the beginning of the file; a JSON text that says what the
columns are; the samples. A sample is the sizes of those of its columns that have no fixed
size, then the values of all columns, in the order of their names. `index.json` beside the
shards repeats the JSON of each, with its name and size.

Texts are stored as `str`, whole numbers as `int` (8 bytes), lists as `json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.io.atomic import WrittenFile, atomic_output
from mixture_builder.io.bounded_slices import bounded_slices

SHARD_BYTES = 64 * 1024 * 1024
"""About how large a shard is: a loader fetches whole shards, and 64 MB is what the package's
own writer makes by default."""

_FORMAT_VERSION = 2
_HASH = "sha256"
_NUMBER = 4
_WRITE_ROWS, _WRITE_BYTES = 16_384, 64 * 1024 * 1024


def cut_into_shards(table: pa.Table, *, size: int = SHARD_BYTES) -> Iterator[pa.Table]:
    """The rows of `table` in order, in pieces that give shards of at most `size` bytes.

    A single row that is larger is a shard of its own; an empty table gives none.

    Raises:
      ValueError: for a column that no encoding here can hold.
    """
    start = room = 0
    budget = size - len(_header(table.schema)) - 2 * _NUMBER
    for row, needed in enumerate((_sample_sizes(table) + _NUMBER).tolist()):
        if row > start and needed > room:
            yield table.slice(start, row - start)
            start = row
        room = (budget if row == start else room) - needed
    if table.num_rows > start:
        yield table.slice(start)


def write_mds(table: pa.Table, url: str) -> WrittenFile:
    """Writes one shard, whole or not at all.

    Args:
      table: strings, integers and lists of integers, without nulls; below 4 GB.
      url: local path or fsspec URL of the file.

    Raises:
      BuildError: if the storage refuses.
      ValueError: for a column that no encoding here can hold, or too large a table.
    """
    header = _header(table.schema)
    sizes = _sample_sizes(table)
    first = (2 + table.num_rows) * _NUMBER + len(header)
    places = first + np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)])
    if int(places[-1]) >= 1 << 32:
        raise ValueError(f"{url}: an MDS shard holds less than 4 GB, not {int(places[-1]):,} bytes")
    with atomic_output(url) as output:
        output.write(np.array([table.num_rows], dtype="<u4").tobytes())
        output.write(places.astype("<u4").tobytes())
        output.write(header)
        for rows in bounded_slices(table, rows=_WRITE_ROWS, size=_WRITE_BYTES):
            output.write(_samples(rows))
        return output.written(table.num_rows)


def index_entry(
    schema: pa.Schema, *, file: str, rows: int, size: int, sha256: str
) -> dict[str, Any]:
    """What `index.json` says of a shard.

    Args:
      schema: of the table it was made of.
      file: its name, in the folder of the index.
      rows: samples in it.
      size: in bytes.
      sha256: of its bytes; readers compare it when told `validate_hash="sha256"`.
    """
    return {
        **_columns(schema),
        "samples": rows,
        "raw_data": {"basename": file, "bytes": size, "hashes": {_HASH: sha256}},
        "zip_data": None,
    }


def index_text(entries: Sequence[Mapping[str, Any]]) -> str:
    """The content of `index.json`."""
    index = {"version": _FORMAT_VERSION, "shards": [dict(entry) for entry in entries]}
    return json.dumps(index, sort_keys=True)


def _columns(schema: pa.Schema) -> dict[str, Any]:
    names = sorted(schema.names)
    encodings = [_encoding(schema.field(name)) for name in names]
    return {
        "version": _FORMAT_VERSION,
        "format": "mds",
        "compression": None,
        "hashes": [_HASH],
        "size_limit": SHARD_BYTES,
        "column_names": names,
        "column_encodings": encodings,
        "column_sizes": [8 if encoding == "int" else None for encoding in encodings],
    }


def _header(schema: pa.Schema) -> bytes:
    return json.dumps(_columns(schema), sort_keys=True).encode()


def _encoding(field: pa.Field) -> str:
    if pa.types.is_string(field.type):
        return "str"
    if pa.types.is_integer(field.type):
        return "int"
    if pa.types.is_list(field.type) and pa.types.is_integer(field.type.value_type):
        return "json"
    raise ValueError(f"column {field.name!r} is {field.type}, which is not written to MDS")


def _sample_sizes(table: pa.Table) -> npt.NDArray[np.int64]:
    sizes = np.zeros(table.num_rows, dtype=np.int64)
    for rows, start in _with_starts(bounded_slices(table, rows=_WRITE_ROWS, size=_WRITE_BYTES)):
        for name in sorted(table.schema.names):
            fixed = _encoding(table.schema.field(name)) == "int"
            needed = 8 if fixed else _NUMBER + _lengths(_values(rows.column(name)))
            sizes[start : start + rows.num_rows] += needed
    return sizes


def _with_starts(pieces: Iterator[pa.Table]) -> Iterator[tuple[pa.Table, int]]:
    start = 0
    for piece in pieces:
        yield piece, start
        start += piece.num_rows


def _samples(rows: pa.Table) -> memoryview:
    heads: list[pa.Array] = []
    values: list[pa.Array] = []
    for name in sorted(rows.schema.names):
        encoded = _values(rows.column(name))
        values.append(encoded)
        if _encoding(rows.schema.field(name)) != "int":
            heads.append(_fixed(_lengths(encoded).astype("<u4"), width=_NUMBER))
    joined = pc.binary_join_element_wise(*heads, *values, pa.scalar(b"", pa.binary()))
    offsets = np.frombuffer(joined.buffers()[1], dtype=np.int32, count=len(joined) + 1)
    return memoryview(joined.buffers()[2])[int(offsets[0]) : int(offsets[-1])]


def _values(column: pa.ChunkedArray) -> pa.Array:
    """The bytes of each value."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if array.null_count:
        raise ValueError("a column with nulls cannot be written to MDS")
    if pa.types.is_string(array.type):
        return array.cast(pa.binary())
    if pa.types.is_integer(array.type):
        return _fixed(array.cast(pa.int64()).to_numpy().astype("<i8"), width=8)
    items = pc.binary_join(array.cast(pa.list_(pa.string())), ", ")
    return pc.binary_join_element_wise("[", items, "]", "").cast(pa.binary())


def _fixed(numbers: npt.NDArray[Any], *, width: int) -> pa.Array:
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * width
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(numbers.tobytes())]
    return pa.BinaryArray.from_buffers(pa.binary(), len(numbers), buffers)


def _lengths(array: pa.Array) -> npt.NDArray[np.int64]:
    lengths: npt.NDArray[np.int64] = pc.binary_length(array).to_numpy().astype(np.int64)
    return lengths
