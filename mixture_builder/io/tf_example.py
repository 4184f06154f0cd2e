"""Rows to `tf.train.Example` messages, column by column, without TensorFlow or protobuf.

The wire format, from tensorflow/core/example/{example,feature}.proto, every field with its
tag byte and, where it has one, its length as a varint:

    Example  = 0A len Features
    Features = { 0A len Entry }                  one per column, sorted by name
    Entry    = 0A len name  12 len Feature
    Feature  = 0A len { 0A len text }            bytes_list
             | 1A len [ 0A len { varint } ]      int64_list, packed

Sorting the features is what deterministic serialisation does to a map. All lengths are
computed for a whole column at once, and Arrow copies the texts: nothing runs per row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

_LENGTH, _NAME, _VALUE, _TEXTS, _INTEGERS = b"\x0a", b"\x0a", b"\x12", b"\x0a", b"\x1a"


def encode_examples(
    batch: pa.RecordBatch, *, prefix: bytes = b"", suffix: bytes = b"", piece_bytes: int = 1 << 22
) -> Iterator[pa.BinaryArray]:
    """One message for each row of `batch`, each between `prefix` and `suffix`.

    Columns are strings, integers, lists of integers or lists of strings, or dictionaries of
    these; none has nulls.

    Args:
      batch: the rows, at most 2 GB of them.
      prefix: bytes before each message.
      suffix: bytes after each message.
      piece_bytes: the messages come in arrays of about so many bytes, so that the texts are
        not held twice; a longer message comes alone.

    Raises:
      ValueError: for a column of another type or with nulls.
    """
    columns: list[pa.Array] = []
    total = np.zeros(batch.num_rows, dtype=np.uint64)
    for name in sorted(batch.schema.names, key=str.encode):
        column = batch.column(name)
        if column.null_count:
            raise ValueError(f"column {name!r} has nulls; tf.train.Example has none")
        entry, sizes = _entries(name, column)
        columns += entry
        total += sizes
    encoded = pa.array(total).dictionary_encode()
    different = encoded.dictionary.to_numpy()
    start = _concatenated([prefix, _LENGTH, varints(different)], len(different))
    columns.insert(0, start.take(encoded.indices))
    piece = np.cumsum(total) // np.uint64(piece_bytes)
    edges = np.flatnonzero(np.diff(piece, prepend=piece[:1])).tolist()
    for begin, end in zip([0, *edges], [*edges, batch.num_rows], strict=True):
        slices = [column.slice(begin, end - begin) for column in columns]
        yield pc.binary_join_element_wise(*slices, _scalar(suffix), _scalar(b""))


def varints(values: npt.NDArray[np.integer]) -> tuple[Bytes, Flags]:
    """Base-128 varints of 64-bit values: a matrix with a row for each, and which bytes count."""
    unsigned = values.astype(np.int64, copy=False).view(np.uint64)
    sizes = varint_sizes(unsigned)
    width = int(sizes.max(initial=1))
    shifts = np.arange(width, dtype=np.uint64) * np.uint64(7)
    matrix = ((unsigned[:, None] >> shifts) & np.uint64(0x7F)).astype(np.uint8)
    positions = np.arange(width, dtype=np.uint64)
    matrix |= (positions < (sizes - np.uint64(1))[:, None]).astype(np.uint8) << 7
    return matrix, positions < sizes[:, None]


def varint_sizes(values: Numbers) -> Numbers:
    """How many bytes the varint of each value takes, 1 to 10."""
    sizes = np.ones(len(values), dtype=np.uint64)
    largest = int(values.max(initial=0))
    for bits in range(7, 64, 7):
        if largest >> bits == 0:
            break
        sizes += values >= np.uint64(1 << bits)
    return sizes


def _entries(name: str, column: pa.Array) -> tuple[list[pa.Array], Numbers]:
    """The map entries of a column, in pieces to be joined, and their sizes in bytes."""
    if pa.types.is_dictionary(column.type):
        # Each different value is encoded once; rows then only refer to it.
        pieces, sizes = _entries(name, column.dictionary)
        whole = pc.binary_join_element_wise(*pieces, _scalar(b""))
        return [whole.take(column.indices)], sizes[column.indices.to_numpy()]
    if pa.types.is_string(column.type):
        return _wrapped(name, _TEXTS, _LENGTH, column.cast(pa.binary()), pc.binary_length(column))
    if pa.types.is_integer(column.type):
        column = pa.ListArray.from_arrays(np.arange(len(column) + 1, dtype=np.int32), column)
    if pa.types.is_list(column.type) and pa.types.is_integer(column.type.value_type):
        packed = _packed(column)
        return _wrapped(name, _INTEGERS, _LENGTH, packed, pc.binary_length(packed))
    if pa.types.is_list(column.type) and pa.types.is_string(column.type.value_type):
        texts = _repeated_texts(column)
        return _wrapped(name, _TEXTS, b"", texts, pc.binary_length(texts))
    raise ValueError(f"column {name!r} is {column.type}, which tf.train.Example cannot hold")


def _wrapped(
    name: str, list_tag: bytes, value_tag: bytes, values: pa.Array, lengths: pa.Array
) -> tuple[list[pa.Array], Numbers]:
    """Puts tags and lengths before `values`, which take `lengths` bytes each.

    Empty values get no `value_tag` and length of their own if they are packed integers.
    """
    # What stands before a value follows from its length alone, and few lengths differ.
    encoded = lengths.dictionary_encode()
    different, which = encoded.dictionary.to_numpy().astype(np.uint64), encoded.indices
    has_value = (different > 0) | (list_tag == _TEXTS)
    value_tags = np.full((len(different), len(value_tag)), 0x0A, np.uint8)
    value_matrix, value_mask = varints(different)
    value_mask = value_mask & (has_value & bool(value_tag))[:, None]
    inner = different + value_mask.sum(axis=1, dtype=np.uint64)
    inner += np.uint64(len(value_tag)) * has_value
    feature = inner + varint_sizes(inner) + np.uint64(1)
    key = _key(name)
    entry = feature + varint_sizes(feature) + np.uint64(1 + len(key))
    header = _concatenated(
        [
            _LENGTH,
            varints(entry),
            key + _VALUE,
            varints(feature),
            list_tag,
            varints(inner),
            (value_tags, has_value[:, None]),
            (value_matrix, value_mask),
        ],
        len(different),
    )
    sizes = entry + varint_sizes(entry) + np.uint64(1)
    return [header.take(which), values], sizes[which.to_numpy()]


def _key(name: str) -> bytes:
    encoded = name.encode()
    matrix, mask = varints(np.array([len(encoded)]))
    return _NAME + matrix[mask].tobytes() + encoded


def _packed(column: pa.ListArray) -> pa.Array:
    """The packed varints of each list of integers."""
    values = column.flatten().to_numpy()
    matrix, mask = varints(values)
    ends = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(mask.sum(axis=1), out=ends[1:])
    return _binary(matrix[mask], ends[_list_offsets(column)])


def _repeated_texts(column: pa.ListArray) -> pa.Array:
    """The texts of each list, each with its tag and length."""
    texts = column.flatten().cast(pa.binary())
    lengths = pc.binary_length(texts).to_numpy().astype(np.uint64)
    header = _concatenated([_LENGTH, varints(lengths)], len(lengths))
    items = pc.binary_join_element_wise(header, texts, _scalar(b""))
    ends = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum(pc.binary_length(items).to_numpy(), out=ends[1:])
    data = np.frombuffer(items.buffers()[2] or b"", dtype=np.uint8)
    return _binary(data, ends[_list_offsets(column)])


def _list_offsets(column: pa.ListArray) -> npt.NDArray[np.int64]:
    offsets = np.zeros(len(column) + 1, dtype=np.int64)
    np.cumsum(pc.list_value_length(column).to_numpy(), out=offsets[1:])
    return offsets


def _concatenated(parts: Sequence[bytes | tuple[Bytes, Flags]], rows: int) -> pa.Array:
    """Puts constants and variable parts side by side, as one binary value a row."""
    widths = [len(part) if isinstance(part, bytes) else part[0].shape[1] for part in parts]
    matrix = np.empty((rows, sum(widths)), dtype=np.uint8)
    mask = np.ones((rows, sum(widths)), dtype=np.bool_)
    place = 0
    for part, width in zip(parts, widths, strict=True):
        here = slice(place, place + width)
        if isinstance(part, bytes):
            matrix[:, here] = np.frombuffer(part, dtype=np.uint8)
        else:
            matrix[:, here], mask[:, here] = part
        place += width
    offsets = np.zeros(rows + 1, dtype=np.int64)
    np.cumsum(mask.sum(axis=1), out=offsets[1:])
    return _binary(matrix[mask], offsets)


def _binary(data: Bytes, offsets: npt.NDArray[np.int64]) -> pa.Array:
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)]
    return pa.BinaryArray.from_buffers(pa.binary(), len(offsets) - 1, buffers)


def _scalar(value: bytes) -> pa.Scalar:
    return pa.scalar(value, pa.binary())
