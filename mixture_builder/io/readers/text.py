"""Plain text: a record every N lines, or a record a file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from mixture_builder.io.readers.lines import BadLine, line_blocks, read_text
from mixture_builder.io.readers.records import (
    BadRecord,
    ReadingError,
    SourceRecord,
    excerpt_of,
)
from mixture_builder.sources import Source


def read_text_lines(
    stream: BinaryIO, *, name: str, source: Source
) -> Iterator[SourceRecord | BadRecord]:
    """A record every `lines_per_record` lines; empty lines count.

    One line is seen under the single name in `columns`, else as `text`; several under the
    names in `columns`, else as the list `lines`.

    Raises:
      ReadingError: if `columns` has not a name for each line.
    """
    size = source.lines_per_record
    columns = source.columns or (("text",) if size == 1 else ())
    if size < 1 or (columns and len(columns) != size):
        raise ReadingError(
            place="the card's `columns`",
            found=f"{len(columns)} names for {size} lines a record",
            expected="a name for each line",
            way_out="Correct `columns` or `lines_per_record` in the card.",
        )
    blocks = line_blocks(stream, encoding=source.encoding)
    if size == 1:
        return _single_lines(blocks, name=name, column=columns[0])
    return _several_lines(chain.from_iterable(blocks), name=name, columns=columns, size=size)


def _single_lines(
    blocks: Iterator[list[str | BadLine]], *, name: str, column: str
) -> Iterator[SourceRecord | BadRecord]:
    number = 0
    for block in blocks:
        for line in block:
            number += 1
            if isinstance(line, str):
                yield SourceRecord(place=f"{name}#L{number}", record={column: line})
            else:
                yield line.at(f"{name}#L{number}")


def _several_lines(
    lines: Iterator[str | BadLine], *, name: str, columns: tuple[str, ...], size: int
) -> Iterator[SourceRecord | BadRecord]:
    start = 1
    always_blank_end = True
    while group := _take(lines, size):
        place = f"{name}#L{start}"
        start += size
        texts = [line for line in group if isinstance(line, str)]
        if len(texts) < len(group):
            yield next(line for line in group if isinstance(line, BadLine)).at(place)
            continue
        if len(texts) < size:
            if not any(texts):
                return
            # The blank line between records is often missing after the last one.
            if len(texts) < size - 1 or not always_blank_end or start == size + 1:
                yield BadRecord(
                    place=place,
                    reason="incomplete",
                    detail=f"found {len(texts)} lines at the end; expected {size} a record.",
                    excerpt=excerpt_of("\n".join(texts)),
                )
                return
            texts.append("")
        always_blank_end = always_blank_end and not texts[-1]
        if columns:
            record: dict[str, object] = dict(zip(columns, texts, strict=True))
        else:
            record = {"lines": texts}
        yield SourceRecord(place=place, record=record)


def _take(lines: Iterator[str | BadLine], size: int) -> list[str | BadLine]:
    return [line for _, line in zip(range(size), lines, strict=False)]


def read_document(
    stream: BinaryIO, *, name: str, source: Source
) -> Iterator[SourceRecord | BadRecord]:
    """One record: the whole file as `text`, and its name as `path`."""
    text = read_text(stream, encoding=source.encoding)
    if isinstance(text, BadLine):
        yield text.at(name)
    else:
        yield SourceRecord(place=name, record={"text": text, "path": name})
