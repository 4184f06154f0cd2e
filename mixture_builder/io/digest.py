r"""One digest for the content of a table, whatever file format or memory layout holds it.

The canonical encoding, version 1. A column becomes streams of bytes, each hashed on its own
with 128-bit xxh3:

- integers of any width: each value as 8 bytes, little-endian, two's complement;
- strings: one stream with each length in bytes as such an integer, one with the UTF-8 text;
- lists: one stream with each length (in items), then the streams of the items.

The digest is the xxh3-128 of: the line `mixture-builder content digest 1\n`; the number of
rows; the number of columns; then, with columns in the order of their names, each name and
type word (`int`, `string`, `list<int>`, ...), both preceded by their length, and the 16-byte
digests of its streams. Numbers are 8 bytes, little-endian.

Streams do not know where batches end, so batch boundaries, chunks, slices, 32- or 64-bit
offsets, dictionaries, pyarrow versions and file formats do not change the digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from mixture_builder.io.example_schema import EXAMPLE_SCHEMA

_HEADING = b"mixture-builder content digest 1\n"
_MIXTURE_HEADING = b"mixture-builder mixture digest 1\n"


class ContentDigest:
    """Takes a table batch by batch and gives the digest of all rows so far."""

    def __init__(self, schema: pa.Schema = EXAMPLE_SCHEMA) -> None:
        """Starts empty.

        Args:
          schema: names and types of the columns that count; of integers, any width.

        Raises:
          ValueError: if a column is no string, integer, or list of these.
        """
        self.rows = 0
        self._words = {field.name: _type_word(field.type) for field in schema}
        self._streams = {
            name: tuple(xxhash.xxh3_128() for _ in range(_streams_of(word)))
            for name, word in self._words.items()
        }

    def update(self, data: pa.RecordBatch | pa.Table) -> None:
        """Appends the rows of `data`; further columns are ignored.

        Raises:
          ValueError: if a column is missing, of another type, or has nulls.
        """
        for name, word in self._words.items():
            if name not in data.schema.names:
                raise ValueError(f"column {name!r} is missing")
            column = data.column(name)
            chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
            for encoded in chunks:
                chunk = _decoded(encoded)
                if _type_word(chunk.type) != word:
                    raise ValueError(f"column {name!r} is {chunk.type}, expected {word}")
                for stream, piece in zip(self._streams[name], _pieces(chunk), strict=True):
                    stream.update(piece)
        self.rows += data.num_rows

    def hexdigest(self) -> str:
        """32 hexadecimal digits for the rows so far; more rows may follow."""
        total = xxhash.xxh3_128(_HEADING)
        total.update(_number(self.rows) + _number(len(self._words)))
        for name in sorted(self._words):
            for text in (name, self._words[name]):
                encoded = text.encode()
                total.update(_number(len(encoded)) + encoded)
            for stream in self._streams[name]:
                total.update(stream.digest())
        return total.hexdigest()


def content_digest(
    batches: pa.Table | Iterable[pa.RecordBatch], schema: pa.Schema = EXAMPLE_SCHEMA
) -> str:
    """The digest of a whole table, or of the batches a reader yields."""
    digest = ContentDigest(schema)
    for data in [batches] if isinstance(batches, pa.Table) else batches:
        digest.update(data)
    return digest.hexdigest()


def mixture_digest(shard_digests: Iterable[str]) -> str:
    r"""One digest for a mixture, from the content digests of its shards in shard order.

    >>> mixture_digest(["00" * 16]) == mixture_digest(["00" * 16, "00" * 16])
    False
    """
    shards = [bytes.fromhex(digest) for digest in shard_digests]
    total = xxhash.xxh3_128(_MIXTURE_HEADING + _number(len(shards)))
    for shard in shards:
        total.update(shard)
    return total.hexdigest()


def _decoded(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _number(value: int) -> bytes:
    return value.to_bytes(8, "little", signed=True)


def _type_word(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return _type_word(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    if pa.types.is_integer(kind) and not pa.types.is_uint64(kind):
        return "int"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{_type_word(kind.value_type)}>"
    raise ValueError(f"the type {kind} has no canonical encoding")


def _streams_of(word: str) -> int:
    return word.count("list<") + (2 if "string" in word else 1)


def _pieces(array: pa.Array) -> Iterator[memoryview]:
    """What `array` appends to each stream of its column, outermost first."""
    if array.null_count:
        raise ValueError(f"{array.null_count} nulls have no canonical encoding")
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.large_string())
    if pa.types.is_integer(array.type):
        yield _values(array)
        return
    offsets = _offsets(array)
    yield np.diff(offsets).data
    start, stop = (int(offsets[0]), int(offsets[-1])) if len(offsets) else (0, 0)
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        yield from _pieces(array.values.slice(start, stop - start))
    else:
        text = array.buffers()[2]
        yield memoryview(b"" if text is None else text)[start:stop]


def _offsets(array: pa.Array) -> npt.NDArray[np.int64]:
    """Where each item of a string or list array starts, and where the last one ends."""
    if not len(array):
        return np.zeros(0, dtype="<i8")  # An empty array need not have a buffer of offsets.
    large = pa.types.is_large_string(array.type) or pa.types.is_large_list(array.type)
    width = np.int64 if large else np.int32
    raw = np.frombuffer(array.buffers()[1], dtype=width, count=array.offset + len(array) + 1)
    return raw[array.offset :].astype("<i8", copy=False)


def _values(array: pa.Array) -> memoryview:
    """The integers as 8 bytes each."""
    if not len(array):
        return memoryview(b"")
    # Not `to_pandas_dtype`: it fails where pandas is not installed.
    kind = "u" if pa.types.is_unsigned_integer(array.type) else "i"
    width = np.dtype(f"<{kind}{array.type.bit_width // 8}")
    raw = np.frombuffer(array.buffers()[1], dtype=width, count=array.offset + len(array))
    return raw[array.offset :].astype("<i8", copy=False).data
