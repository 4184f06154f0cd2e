r"""Finished examples as JSON Lines: UTF-8, one object a line, keys in the order of the schema.

Text is written as it is, not as \uXXXX, except what JSON forbids and U+2028 and U+2029,
which some readers take for the end of a line. Whole columns are encoded at once by Arrow;
only texts with rare control characters go through Python's own encoder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from mixture_builder.errors import VerifyError
from mixture_builder.io.atomic import WrittenFile, atomic_output
from mixture_builder.io.bounded_slices import bounded_slices
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA, REPETITIVE_COLUMNS, conform

# Each escape makes a copy of a column: pieces of this size stay small beside a shard.
_WRITE_ROWS = 8_192
_WRITE_BYTES = 16 * 1024 * 1024
_READ_BYTES = 4 * 1024 * 1024

# In texts for models these are in almost every row; the backslash must come first.
_COMMON_ESCAPES = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"))
_RARE = "[\\x00-\\x09\\x0b-\\x1f\u2028\u2029]"


def write_jsonl(
    table: pa.Table, url: str, *, schema: pa.Schema = EXAMPLE_SCHEMA, durable: bool = True
) -> WrittenFile:
    """Writes `table` to `url`, whole or not at all; equal tables give equal bytes.

    Args:
      table: columns of `schema`, in any order and chunking.
      url: local path or fsspec URL of the file.
      schema: other columns than a finished mixture's, for exports; strings, integers,
        truth values, and lists and structs of these.
      durable: as for `atomic_output`.

    Raises:
      BuildError: if the storage refuses.
      ValueError: if the table does not have the columns of `schema`, or has a type or a
        null that cannot be written.
    """
    table = conform(table, schema)
    with atomic_output(url, durable=durable) as output:
        for rows in bounded_slices(table, rows=_WRITE_ROWS, size=_WRITE_BYTES):
            (batch,) = rows.combine_chunks().to_batches()
            output.write(_lines(batch))
        return output.written(table.num_rows)


def read_jsonl(url: str, *, schema: pa.Schema = EXAMPLE_SCHEMA) -> Iterator[pa.RecordBatch]:
    """Yields the rows of `url` in order, some MB at a time, with the types of `schema`.

    Empty lines and keys that `schema` does not name are skipped.

    Raises:
      VerifyError: naming the line that is no JSON object, or lacks a key, or has a value of
        another type.
      FileNotFoundError: if there is no such file.
    """
    with fsspec.open(url, "rb") as file:
        rest, line = b"", 1
        while block := file.read(_READ_BYTES):
            rest, lines = _cut_at_line_end(rest + block)
            if lines:
                yield from _read_lines(lines, url, line, schema)
                line += lines.count(b"\n")
        if rest:
            yield from _read_lines(rest, url, line, schema)


def _cut_at_line_end(data: bytes) -> tuple[bytes, bytes]:
    end = data.rfind(b"\n") + 1
    return data[end:], data[:end]


def _read_lines(
    lines: bytes, url: str, first_line: int, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(lines),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="ignore"
            ),
        )
        table.validate(full=True)
        yield from conform(table, schema).combine_chunks().to_batches()
    except (pa.ArrowException, ValueError):
        # Arrow does not say which line it disliked; Python's decoder, line by line, does.
        rows = [
            _row(line, url, number, schema)
            for number, line in enumerate(lines.split(b"\n"), first_line)
            if line.strip()
        ]
        yield from pa.Table.from_batches(rows, schema=schema).combine_chunks().to_batches()


def _row(line: bytes, url: str, number: int, schema: pa.Schema) -> pa.RecordBatch:
    try:
        record = json.loads(line)
        if not isinstance(record, dict):
            raise TypeError("it is no JSON object")
        record = {name: record[name] for name in schema.names}
        table = conform(pa.Table.from_pylist([record], schema=schema), schema)
    except KeyError as error:
        raise _damaged(url, number, f"the key {error} is missing") from error
    except (ValueError, TypeError, OverflowError) as error:
        raise _damaged(url, number, str(error)) from error
    (batch,) = table.combine_chunks().to_batches()
    return batch


def _lines(batch: pa.RecordBatch) -> memoryview:
    """All rows of `batch` as one piece of text."""
    columns = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        repetitive = field.name in REPETITIVE_COLUMNS and pa.types.is_string(field.type)
        columns.append(_encoded(column.dictionary_encode() if repetitive else column))
    lines = _object(batch.schema.names, columns, end="}\n")
    ends = np.frombuffer(lines.buffers()[1], dtype=np.int32, count=len(lines) + 1)
    return memoryview(lines.buffers()[2])[: int(ends[-1])]


def _object(names: list[str], columns: list[pa.Array], *, end: str = "}") -> pa.StringArray:
    parts: list[pa.Array | pa.Scalar] = []
    for position, (name, column) in enumerate(zip(names, columns, strict=True)):
        parts += [pa.scalar(f"{',' if position else '{'}{_quoted(name)}:"), column]
    return pc.binary_join_element_wise(*parts, pa.scalar(end), pa.scalar(""))


def _encoded(array: pa.Array) -> pa.StringArray:
    """The JSON text of each value."""
    if array.null_count:
        raise ValueError(f"a column of type {array.type} has nulls, which are not written")
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _encoded(array.dictionary).take(array.indices)
    if pa.types.is_string(kind):
        quote = pa.scalar('"')
        return pc.binary_join_element_wise(quote, _escaped(array), quote, pa.scalar(""))
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return array.cast(pa.string())
    if pa.types.is_list(kind):
        offsets = np.zeros(len(array) + 1, dtype=np.int32)
        np.cumsum(pc.list_value_length(array).to_numpy(), out=offsets[1:])
        items = pa.ListArray.from_arrays(offsets, _encoded(array.flatten()))
        joined = pc.binary_join(items, ",")
        return pc.binary_join_element_wise(pa.scalar("["), joined, pa.scalar("]"), pa.scalar(""))
    if pa.types.is_struct(kind) and kind.num_fields:
        return _object(
            [field.name for field in kind], [_encoded(child) for child in array.flatten()]
        )
    raise ValueError(f"no JSON is known for a column of type {kind}")


def _escaped(texts: pa.StringArray) -> pa.StringArray:
    escaped = texts
    for found, replacement in _COMMON_ESCAPES:
        escaped = pc.replace_substring(escaped, found, replacement)
    rare = pc.match_substring_regex(texts, _RARE)
    if pc.any(rare).as_py():
        by_hand = [_quoted(text)[1:-1] for text in texts.filter(rare).to_pylist()]
        escaped = pc.replace_with_mask(escaped, rare, pa.array(by_hand, pa.string()))
    return escaped


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _damaged(url: str, line: int, what: str) -> VerifyError:
    return VerifyError(
        f"{url}: line {line} cannot be read as a finished example: {what}. The file is damaged "
        "or is something else; build this shard again."
    )
