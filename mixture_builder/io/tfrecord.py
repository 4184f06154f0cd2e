"""Finished examples as TFRecord files of `tf.train.Example`, written without TensorFlow.

A record is its length (8 bytes, little-endian), the masked CRC-32C of these 8 bytes, the
message, and the masked CRC-32C of the message. Columns become features of the same name:
strings a bytes list with one value, integers an int64 list with one value, lists as they
are. T5X, seqio, TFDS and grain read the files as they are.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Literal, cast

import fsspec
import google_crc32c
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mixture_builder.errors import VerifyError
from mixture_builder.io.atomic import WrittenFile, atomic_output
from mixture_builder.io.bounded_slices import bounded_slices
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA, REPETITIVE_COLUMNS, conform
from mixture_builder.io.tf_example import encode_examples
from mixture_builder.io.tf_example_read import NotAnExampleError, decode_examples

Compression = Literal["", "gzip"]

# Rows whose lengths are worked out at a time: enough that numpy's fixed costs vanish.
_WRITE_ROWS = 16_384
_WRITE_BYTES = 64 * 1024 * 1024
_READ_BYTES = 4 * 1024 * 1024
# The level that T5X and TFDS pipelines use by default (zlib's own).
_GZIP_LEVEL = 6

Bytes = npt.NDArray[np.uint8]
Crcs = npt.NDArray[np.uint32]
Places = npt.NDArray[np.int64]

_LENGTH = struct.Struct("<Q")
_CRC = 4
_HEADER = _LENGTH.size + _CRC
_MASK_DELTA = 0xA282EAD8


def write_tfrecord(
    table: pa.Table,
    url: str,
    *,
    schema: pa.Schema = EXAMPLE_SCHEMA,
    compression: Compression = "",
    durable: bool = True,
) -> WrittenFile:
    """Writes `table` to `url`, whole or not at all; equal tables give equal bytes.

    Args:
      table: columns of `schema`, in any order and chunking.
      url: local path or fsspec URL of the file.
      schema: other columns than a finished mixture's, for exports; strings, integers and
        lists of these.
      compression: `gzip` for readers told so; seqio and TFDS want none.
      durable: as for `atomic_output`.

    Raises:
      BuildError: if the storage refuses.
      ValueError: if the table does not have the columns of `schema`.
    """
    table = conform(table, schema)
    with atomic_output(url, durable=durable) as output:
        if compression == "gzip":
            # No name and no time in the header: the bytes follow from the rows alone.
            with gzip.GzipFile(
                filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=output, mtime=0
            ) as squeezed:
                _write_records(table, cast("BinaryIO", squeezed))
        else:
            _write_records(table, cast("BinaryIO", output))
        return output.written(table.num_rows)


def read_tfrecord(
    url: str, *, schema: pa.Schema = EXAMPLE_SCHEMA, compression: Compression | None = None
) -> Iterator[pa.RecordBatch]:
    """Yields the rows of `url` in order, some MB at a time, with the types of `schema`.

    Args:
      url: local path or fsspec URL of the file.
      schema: other columns than a finished mixture's; features it does not name are skipped.
      compression: `None` looks at the first bytes of the file.

    Raises:
      VerifyError: naming the record whose CRC, length or message is wrong, or what a
        message lacks.
      FileNotFoundError: if there is no such file.
    """
    with fsspec.open(url, "rb") as file:
        if compression is None:
            compression = "gzip" if file.read(2) == b"\x1f\x8b" else ""
            file.seek(0)
        stream = gzip.GzipFile(fileobj=file) if compression else file
        try:
            yield from _read_batches(cast("BinaryIO", stream), url, schema)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise _damaged(url, f"the gzip stream is broken: {error}") from error


def _write_records(table: pa.Table, output: BinaryIO) -> None:
    names = table.column_names
    repetitive = [names.index(name) for name in REPETITIVE_COLUMNS if name in names]
    for rows in bounded_slices(table, rows=_WRITE_ROWS, size=_WRITE_BYTES):
        (batch,) = rows.combine_chunks().to_batches()
        for position in repetitive:
            encoded = batch.column(position).dictionary_encode()
            batch = batch.set_column(position, batch.schema.names[position], encoded)
        pieces = encode_examples(batch, prefix=b"\0" * _HEADER, suffix=b"\0" * _CRC)
        output.writelines(map(_framed, pieces))


def _framed(records: pa.BinaryArray) -> memoryview:
    """Fills in the lengths and CRCs, for which `records` leave room."""
    offsets = np.frombuffer(records.buffers()[1], dtype=np.int32, count=len(records) + 1)
    starts, ends = offsets[:-1].astype(np.int64), offsets[1:].astype(np.int64)
    text = records.buffers()[2].to_pybytes()
    framed = np.frombuffer(text, dtype=np.uint8).copy()
    lengths = (ends - starts - (_HEADER + _CRC)).astype("<u8")
    lengths_as_bytes = lengths.view(np.uint8).reshape(-1, _LENGTH.size)
    _fill(framed, starts, lengths_as_bytes)
    _fill(framed, starts + _LENGTH.size, _masked(_crc_of_rows(lengths_as_bytes)))
    _fill(framed, ends - _CRC, _masked(_crc_of_pieces(text, starts + _HEADER, ends - _CRC)))
    return memoryview(framed[: int(ends[-1])])


def _fill(target: Bytes, places: Places, values: Bytes) -> None:
    target[places[:, None] + np.arange(values.shape[1])] = values


def _masked(crcs: Crcs) -> Bytes:
    wide = crcs.astype(np.uint64)
    rotated = (wide >> np.uint64(15)) | (wide << np.uint64(17))
    masked = (rotated + np.uint64(_MASK_DELTA)) & np.uint64(0xFFFFFFFF)
    stored: Bytes = masked.astype("<u4").view(np.uint8).reshape(-1, _CRC)
    return stored


def _crc_table() -> Crcs:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> np.uint32(1)) ^ (np.uint32(0x82F63B78) * (table & np.uint32(1)))
    return table


_CRC_TABLE = _crc_table()


def _crc_of_rows(rows: Bytes) -> Crcs:
    """CRC-32C of each row of bytes, all rows at once."""
    crc: Crcs = np.full(len(rows), 0xFFFFFFFF, dtype=np.uint32)
    for position in range(rows.shape[1]):
        index = (crc ^ rows[:, position]) & np.uint32(0xFF)
        crc = _CRC_TABLE[index] ^ (crc >> np.uint32(8))
    crc ^= np.uint32(0xFFFFFFFF)
    return crc


def _crc_of_pieces(data: bytes, starts: Places, ends: Places) -> Crcs:
    value = google_crc32c.value
    bounds = zip(starts.tolist(), ends.tolist(), strict=True)
    return np.array([value(data[start:end]) for start, end in bounds], dtype=np.uint32)


def _read_batches(stream: BinaryIO, url: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    data, first = b"", 0
    while block := stream.read(_READ_BYTES):
        data += block
        starts, ends, rest = _split(data, url, first)
        yield from _decoded(data, starts, ends, url, first, schema)
        first += len(starts)
        data = data[rest:]
    if data:
        raise _damaged(url, f"record {first} is cut off after {len(data)} bytes")


def _split(data: bytes, url: str, first: int) -> tuple[Places, Places, int]:
    """Where the whole messages in `data` start and end, checked, and where the rest starts."""
    places, place = [0], 0
    unpack = _LENGTH.unpack_from
    while place + _HEADER <= len(data):
        place += unpack(data, place)[0] + _HEADER + _CRC
        if place > len(data):
            break
        places.append(place)
    # A wrong length leads astray at once, but the first wrong CRC is still that of its record.
    starts = np.array(places, dtype=np.int64)
    if starts[-1] + _HEADER > len(data):
        starts = starts[:-1]
    seen = np.frombuffer(data, dtype=np.uint8)
    lengths = _taken(seen, starts, _LENGTH.size)
    wrong = _masked(_crc_of_rows(lengths)) != _taken(seen, starts + _LENGTH.size, _CRC)
    if wrong.any():
        record = int(np.flatnonzero(wrong.any(axis=1))[0])
        _check_data(data, places[: record + 1], url, first)
        raise _damaged(url, f"record {first + record}: the CRC of its length is wrong")
    _check_data(data, places, url, first)
    bounds = np.array(places, dtype=np.int64)
    return bounds[:-1] + _HEADER, bounds[1:] - _CRC, places[-1]


def _check_data(data: bytes, places: list[int], url: str, first: int) -> None:
    bounds = np.array(places, dtype=np.int64)
    starts, ends = bounds[:-1] + _HEADER, bounds[1:] - _CRC
    stored = _taken(np.frombuffer(data, dtype=np.uint8), ends, _CRC)
    wrong = (_masked(_crc_of_pieces(data, starts, ends)) != stored).any(axis=1)
    if wrong.any():
        record = first + int(np.flatnonzero(wrong)[0])
        raise _damaged(url, f"record {record}: the CRC of its data is wrong")


def _taken(source: Bytes, places: Places, width: int) -> Bytes:
    return source.take(places[:, None] + np.arange(width))


def _decoded(
    data: bytes, starts: Places, ends: Places, url: str, first: int, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    if not len(starts):
        return
    try:
        yield decode_examples(data, starts, ends, schema)
    except NotAnExampleError as error:
        raise _damaged(url, f"record {first + error.record}: {error}") from error


def _damaged(url: str, what: str) -> VerifyError:
    return VerifyError(
        f"{url}: cannot be read as TFRecord: {what}. The file is damaged or is something "
        "else; build this shard again."
    )
