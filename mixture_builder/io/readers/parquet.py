"""Parquet, row by row in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from mixture_builder.io.readers.content import seekable, size_of
from mixture_builder.io.readers.expansion import Unpacking
from mixture_builder.io.readers.records import (
    MAX_COLUMNS,
    MAX_EXCERPT,
    MAX_RECORD_BYTES,
    BadRecord,
    ReadingError,
    SourceRecord,
    excerpt_of,
    listed,
)
from mixture_builder.sources import Source

_BATCH_ROWS = 64
"""Rows that are decoded at once: few, as each of them may be the same value of 64 MiB, which stands
in the file once. More of them would save no time."""

_LEAST_VALUE_BYTES = 8
"""What a value counts at least: one that takes no room in the file still has a place in a row."""


def read_parquet(
    stream: BinaryIO, *, name: str, source: Source
) -> Iterator[SourceRecord | BadRecord]:
    """A record a row, with the values Python has for Arrow's types.

    With `columns`, only these columns are read.

    Raises:
      ReadingError: if the file is not Parquet, is cut off, has too many columns or lacks one of
        `columns`; if its pages or its values come to more than `expansion` allows, before anything
        is read where the file says so itself.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = 0
    file = seekable(stream)
    try:
        size = size_of(file)
        file.seek(0)
        table = pq.ParquetFile(file)
        columns = _columns(table.schema_arrow.names, source)
        values = Unpacking(lambda: size, table=True)
        _refuse_promises(table.metadata, size, columns=len(columns))
        batches = table.iter_batches(
            batch_size=_BATCH_ROWS, columns=list(source.columns) or None, use_threads=False
        )
        for batch in batches:
            held = _bytes_of(batch)
            values.add(max(held, _LEAST_VALUE_BYTES * batch.num_rows * len(columns)))
            place = f"{name}#"
            if held > MAX_RECORD_BYTES:
                yield from _rows_one_by_one(batch, place=place, first=row)
            else:
                yield from _rows(batch, place=place, first=row)
            row += batch.num_rows
    except pa.ArrowException as problem:
        raise ReadingError(
            place=f"after row {row - 1}" if row else "start of file",
            found=f"no readable Parquet ({str(problem).splitlines()[0]})",
            expected="Parquet",
            way_out="Fetch the file again: it may be cut off or damaged.",
        ) from None
    finally:
        if file is not stream:
            file.close()


def _columns(known: list[str], source: Source) -> list[str]:
    """The columns that are read."""
    if len(known) > MAX_COLUMNS:
        raise ReadingError(
            place="the columns",
            found=f"{len(known):,} columns",
            expected=f"at most {MAX_COLUMNS:,}",
            way_out="Mirror a copy with fewer columns.",
        )
    missing = [column for column in source.columns if column not in known]
    if missing:
        raise ReadingError(
            place="the columns",
            found=listed(known),
            expected=listed(source.columns),
            way_out="Correct `columns` in the card.",
        )
    return list(source.columns) or known


def _refuse_promises(metadata: Any, size: int, *, columns: int) -> None:
    """Refuses what the file itself says is too much: its pages unpacked, and its rows."""
    groups = range(metadata.num_row_groups)
    pages = sum(max(0, metadata.row_group(n).total_byte_size) for n in groups)
    Unpacking(lambda: size).add(pages)
    rows = sum(metadata.row_group(n).num_rows for n in groups)
    Unpacking(lambda: size, table=True).add(_LEAST_VALUE_BYTES * rows * columns)


def _bytes_of(batch: Any) -> int:
    """Bytes of its values; of those that are kept as numbers of a list, what they stand for."""
    import pyarrow as pa

    size = 0
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            size += column.dictionary_decode().nbytes
        else:
            size += column.nbytes
    return size


def _rows(batch: Any, *, place: str, first: int) -> Iterator[SourceRecord | BadRecord]:
    try:
        records = batch.to_pylist()
    except (ValueError, OverflowError):
        yield from _rows_one_by_one(batch, place=place, first=first)
        return
    for number, record in enumerate(records, first):
        yield SourceRecord(place=f"{place}{number}", record=record)


def _rows_one_by_one(batch: Any, *, place: str, first: int) -> Iterator[SourceRecord | BadRecord]:
    """Loses only rows that are too long, or that hold a string that is no UTF-8 or no time."""
    for number in range(batch.num_rows):
        where = f"{place}{first + number}"
        row = batch.slice(number, 1)
        held = _bytes_of(row)
        if held > MAX_RECORD_BYTES:
            yield BadRecord(
                place=where,
                reason="too_long",
                detail=f"found {held:,} bytes; expected at most {MAX_RECORD_BYTES:,}.",
                excerpt="",
            )
            continue
        try:
            [record] = row.to_pylist()
        except UnicodeDecodeError as problem:
            yield BadRecord(
                place=where,
                reason="bad_encoding",
                detail=f"found the byte 0x{problem.object[problem.start]:02x}; expected UTF-8.",
                excerpt=excerpt_of(problem.object),
            )
        except (ValueError, OverflowError) as problem:
            yield BadRecord(
                place=where,
                reason="no_value",
                detail=f"found a value that cannot be read ({str(problem)[:MAX_EXCERPT]}).",
                excerpt="",
            )
        else:
            yield SourceRecord(place=where, record=record)
