"""`tf.train.Example` messages back to rows; the wire format is described in `tf_example`.

Messages laid out as we write them are read column by column. Any other layout that protobuf
allows (features in another order, unpacked integers, unknown fields) is read message by
message, which is slower and tells exactly what is wrong with which message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Places = npt.NDArray[np.int64]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class NotAnExampleError(Exception):
    """A message is no `tf.train.Example` with the features asked for.

    Attributes:
      record: its position among the messages given, from 0.
    """

    def __init__(self, record: int, message: str) -> None:
        super().__init__(message)
        self.record = record


def decode_examples(data: bytes, starts: Places, ends: Places, schema: pa.Schema) -> pa.RecordBatch:
    """The messages `data[start:end]` as rows of `schema`; features it does not name are skipped.

    Raises:
      NotAnExampleError: for the first message that is broken, or lacks a feature, or has
        one of another type or number of values.
    """
    try:
        return _decode_columns(data, starts, ends, schema)
    except (_OtherLayoutError, pa.ArrowInvalid):
        return _decode_messages(data, starts, ends, schema)


class _OtherLayoutError(Exception):
    """Some message is not laid out as `encode_examples` does it."""


class _Cursor:
    """A place in each message; all of them move forward together."""

    def __init__(self, data: bytes, places: Places) -> None:
        self.bytes = np.frombuffer(data, dtype=np.uint8)
        self.places = places.astype(np.int64)

    def skip(self, expected: bytes) -> None:
        for byte in expected:
            # Beyond the end of the data the last byte is seen; the lengths will disagree.
            if (self.bytes.take(self.places, mode="clip") != byte).any():
                raise _OtherLayoutError
            self.places = self.places + 1

    def varint(self) -> Places:
        value = np.zeros(len(self.places), dtype=np.int64)
        more = np.ones(len(self.places), dtype=np.bool_)
        for position in range(5):  # Lengths stay below 2 GB.
            byte = self.bytes.take(self.places, mode="clip").astype(np.int64)
            value |= np.where(more, (byte & 0x7F) << (7 * position), 0)
            self.places = self.places + more
            more &= byte >= 0x80
            if not more.any():
                return value
        raise _OtherLayoutError

    def nested(self, expected_end: Places | None) -> Places:
        """Reads a length; what it spans must end at `expected_end`, if one is given."""
        end = self.varint() + self.places
        if expected_end is not None and (end != expected_end).any():
            raise _OtherLayoutError
        return end


def _decode_columns(data: bytes, starts: Places, ends: Places, schema: pa.Schema) -> pa.RecordBatch:
    cursor = _Cursor(data, starts)
    columns: dict[str, pa.Array] = {}
    cursor.skip(b"\x0a")
    cursor.nested(ends)
    for field in sorted(schema, key=lambda field: field.name.encode()):
        cursor.skip(b"\x0a")
        end = cursor.nested(None)
        name = field.name.encode()
        if len(name) > 0x7F:
            raise _OtherLayoutError
        cursor.skip(b"\x0a" + bytes([len(name)]) + name + b"\x12")
        cursor.nested(end)
        if pa.types.is_string(field.type):
            cursor.skip(b"\x0a")
            cursor.nested(end)
            cursor.skip(b"\x0a")
            cursor.nested(end)
            columns[field.name] = _cut(data, cursor.places, end).cast(pa.string())
        else:
            columns[field.name] = _integers(data, cursor, end, field.type)
        cursor.places = end
    if (cursor.places != ends).any():
        raise _OtherLayoutError
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _integers(data: bytes, cursor: _Cursor, end: Places, kind: pa.DataType) -> pa.Array:
    cursor.skip(b"\x1a")
    cursor.nested(end)
    # An empty list has no packed field at all; its place stays where it is, at its end.
    filled = np.flatnonzero(cursor.places < end)
    packed = _Cursor(data, cursor.places[filled])
    packed.skip(b"\x0a")
    packed.nested(end[filled])
    places = cursor.places.copy()
    places[filled] = packed.places
    raw = _cut(data, places, end)
    offsets = np.frombuffer(raw.buffers()[1], dtype=np.int32, count=len(raw) + 1)
    flat = np.frombuffer(raw.buffers()[2] or b"", dtype=np.uint8)[offsets[0] : offsets[-1]]
    values, counts = _unpacked(flat, offsets - offsets[0])
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(counts.astype(np.int32), pa.array(values), type=kind)
    if len(values) != len(end) or (np.diff(counts) != 1).any():
        raise _OtherLayoutError
    return pa.array(values).cast(kind)


def _unpacked(
    flat: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The varints in `flat`, and how many of them stand before each of `offsets`."""
    last = flat < 0x80
    before = np.zeros(len(flat) + 1, dtype=np.int64)
    np.cumsum(last, out=before[1:])
    finish = np.flatnonzero(last)
    begin = np.concatenate([np.zeros(1, dtype=np.int64), finish + 1])[: len(finish)]
    sizes = finish - begin + 1
    if int(sizes.max(initial=1)) > 10 or not last[offsets[1:][np.diff(offsets) > 0] - 1].all():
        raise _OtherLayoutError
    values = np.zeros(len(finish), dtype=np.uint64)
    for position in range(int(sizes.max(initial=0))):
        byte = flat.take(begin + position, mode="clip").astype(np.uint64) & np.uint64(0x7F)
        shifted = byte << np.uint64(7 * position)
        values |= np.where(position < sizes, shifted, np.uint64(0))
    return values.view(np.int64), before[offsets]


def _cut(data: bytes, starts: Places, ends: Places) -> pa.Array:
    """The pieces `data[start:end]`; each must not start before the one before it ends."""
    # As one array over the same memory, wanted pieces and the gaps between them alternate.
    offsets = np.stack([starts, ends], axis=1).reshape(-1).astype(np.int32)
    if (np.diff(offsets) < 0).any() or int(offsets[-1]) > len(data):
        raise _OtherLayoutError
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    both = pa.BinaryArray.from_buffers(pa.binary(), len(offsets) - 1, buffers)
    return both.take(pa.array(np.arange(0, len(offsets), 2)))


def _decode_messages(
    data: bytes, starts: Places, ends: Places, schema: pa.Schema
) -> pa.RecordBatch:
    rows: list[dict[str, Any]] = []
    for record, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        try:
            row = _row(data[start:end], schema)
            # One by one, so that a value that does not fit its type is tied to its record.
            pa.RecordBatch.from_pylist([row], schema=schema)
        except (ValueError, OverflowError) as error:
            raise NotAnExampleError(record, str(error)) from error
        rows.append(row)
    return pa.RecordBatch.from_pylist(rows, schema=schema)


def _row(message: bytes, schema: pa.Schema) -> dict[str, Any]:
    found: dict[str, list[str] | list[int]] = {}
    for features in _submessages(message, 1):
        for entry in _submessages(features, 1):
            name, feature = b"", b""
            for number, value in _fields(entry):
                if number == 1 and isinstance(value, bytes):
                    name = value
                elif number == 2 and isinstance(value, bytes):
                    feature = value
            if name.decode() in schema.names:
                found[name.decode()] = _feature_values(name.decode(), feature)
    row: dict[str, Any] = {}
    for field in schema:
        if field.name not in found:
            raise ValueError(f"the message has no feature {field.name!r}")
        values = found[field.name]
        if not pa.types.is_list(field.type) and len(values) != 1:
            raise ValueError(f"feature {field.name!r} has {len(values)} values, expected 1")
        row[field.name] = values if pa.types.is_list(field.type) else values[0]
    return row


def _feature_values(name: str, feature: bytes) -> list[str] | list[int]:
    texts: list[str] = []
    numbers: list[int] = []
    for kind, content in _fields(feature):
        if not isinstance(content, bytes) or kind not in (1, 3):
            raise ValueError(f"feature {name!r} is neither a bytes list nor an int64 list")
        for number, value in _fields(content):
            if number != 1:
                continue
            if kind == 1 and isinstance(value, bytes):
                texts.append(value.decode())
            elif isinstance(value, bytes):
                numbers += _all_varints(value)
            else:
                numbers.append(_signed(value))
    return texts or numbers


def _submessages(message: bytes, number: int) -> Iterator[bytes]:
    for found, value in _fields(message):
        if found == number and isinstance(value, bytes):
            yield value


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Field numbers and values of a protobuf message; `ValueError` if it is none."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if wire == _BYTES:
            size, place = _varint(message, place)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"the message is no protobuf: wire type {wire} at byte {place}")
        if place + size > len(message):
            raise ValueError(f"the message is no protobuf: field {number} goes beyond its end")
        yield number, message[place : place + size]
        place += size


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = 0
    for position in range(10):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return value, place
    raise ValueError(f"the message is no protobuf: a number does not end at byte {place}")


def _all_varints(packed: bytes) -> list[int]:
    values, place = [], 0
    while place < len(packed):
        value, place = _varint(packed, place)
        values.append(_signed(value))
    return values


def _signed(value: int) -> int:
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value
