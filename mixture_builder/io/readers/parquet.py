"""Parquet, row by row in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from mixture_builder.io.readers.content import seekable
from mixture_builder.io.readers.records import (
    MAX_EXCERPT,
    BadRecord,
    ReadingError,
    SourceRecord,
    excerpt_of,
    listed,
)
from mixture_builder.sources import Source

_BATCH_ROWS = 1024


def read_parquet(
    stream: BinaryIO, *, name: str, source: Source
) -> Iterator[SourceRecord | BadRecord]:
    """A record a row, with the values Python has for Arrow's types.

    With `columns`, only these columns are read.

    Raises:
      ReadingError: if the file is not Parquet, is cut off, or lacks one of `columns`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = 0
    file = seekable(stream)
    try:
        table = pq.ParquetFile(file)
        known = table.schema_arrow.names
        missing = [column for column in source.columns if column not in known]
        if missing:
            raise ReadingError(
                place="the columns",
                found=listed(known),
                expected=listed(source.columns),
                way_out="Correct `columns` in the card.",
            )
        batches = table.iter_batches(
            batch_size=_BATCH_ROWS, columns=list(source.columns) or None, use_threads=False
        )
        for batch in batches:
            yield from _rows(batch, place=f"{name}#", first=row)
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


def _rows(batch: Any, *, place: str, first: int) -> Iterator[SourceRecord | BadRecord]:
    try:
        records = batch.to_pylist()
    except (ValueError, OverflowError):
        yield from _rows_one_by_one(batch, place=place, first=first)
        return
    for number, record in enumerate(records, first):
        yield SourceRecord(place=f"{place}{number}", record=record)


def _rows_one_by_one(batch: Any, *, place: str, first: int) -> Iterator[SourceRecord | BadRecord]:
    """Loses only the rows that hold a string that is no UTF-8, or a time that Python has not."""
    for number in range(batch.num_rows):
        where = f"{place}{first + number}"
        try:
            [record] = batch.slice(number, 1).to_pylist()
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
