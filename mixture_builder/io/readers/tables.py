"""Comma- and tab-separated text.

With quoting, fields may hold delimiters, doubled quotes and line breaks, as the csv module
reads them in its strict mode: a stray quote is an error, not a guess. Without quoting a
`"` is a character like any other, which is what most TSV files of this trade need.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from mixture_builder.io.readers.jsonl import wrong_columns
from mixture_builder.io.readers.lines import BadLine, line_blocks
from mixture_builder.io.readers.records import (
    MAX_COLUMNS,
    MAX_RECORD_BYTES,
    BadRecord,
    ReadingError,
    SourceRecord,
    excerpt_of,
    listed,
)
from mixture_builder.sources import Source


def read_table(
    stream: BinaryIO, *, name: str, source: Source
) -> Iterator[SourceRecord | BadRecord]:
    """A record a row; every value is a string; empty rows are skipped.

    Names come from `columns`, else from the header.

    Raises:
      ReadingError: without any names, with a name twice, or if a quoted field is still
        open at the end of the file.
    """
    delimiter = source.delimiter or ("," if source.format == "csv" else "\t")
    quoting = source.format == "csv" if source.quoting is None else source.quoting
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ReadingError(
            place="the card's `delimiter`",
            found=f"{delimiter!r}",
            expected="one character, neither a quote nor a line end",
            way_out="Correct `delimiter` in the card.",
        )
    if not quoting:
        return _unquoted(stream, name=name, source=source, delimiter=delimiter)
    return _quoted(stream, name=name, source=source, delimiter=delimiter)


def _unquoted(
    stream: BinaryIO, *, name: str, source: Source, delimiter: str
) -> Iterator[SourceRecord | BadRecord]:
    names = () if source.header else _names(None, source=source)
    count = len(names)
    number = 0
    for block in line_blocks(stream, encoding=source.encoding):
        for line in block:
            number += 1
            if not line:
                continue
            if isinstance(line, BadLine):
                yield line.at(f"{name}#L{number}")
                continue
            fields = line.split(delimiter)
            if not names:
                names = _names(fields, source=source)
                count = len(names)
            elif len(fields) != count:
                yield wrong_columns(fields, place=f"{name}#L{number}", names=names)
            else:
                yield SourceRecord(
                    place=f"{name}#L{number}", record=dict(zip(names, fields, strict=True))
                )


class _FeedOfLines:
    """Lines for the csv module; remembers which of them were bad, as it cannot be told."""

    def __init__(self, stream: BinaryIO, *, encoding: str) -> None:
        self._lines = chain.from_iterable(
            line_blocks(stream, encoding=encoding, keep_carriage_returns=True)
        )
        self.number = 0
        self.bad: BadLine | None = None
        self.first = ""

    def start_record(self) -> None:
        self.bad = None
        self.first = ""

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.number += 1
            if isinstance(line, BadLine):
                self.bad = self.bad or line
                # Quotes are ASCII, so where the field ends is known even so.
                yield line.raw.decode("ascii", errors="replace") + "\n"
            else:
                self.first = self.first or line
                yield line + "\n"


def _quoted(
    stream: BinaryIO, *, name: str, source: Source, delimiter: str
) -> Iterator[SourceRecord | BadRecord]:
    feed = _FeedOfLines(stream, encoding=source.encoding)
    # The limit belongs to the process; it is only ever raised, and only to this value.
    csv.field_size_limit(MAX_RECORD_BYTES)
    rows = csv.reader(iter(feed), delimiter=delimiter, strict=True)
    names = () if source.header else _names(None, source=source)
    count = len(names)
    while True:
        start = feed.number + 1
        feed.start_record()
        try:
            fields = next(rows)
        except StopIteration:
            return
        except csv.Error as problem:
            yield _bad_quoting(feed, problem, start=start, name=name)
            continue
        place = f"{name}#L{start}"
        if feed.bad is not None:
            yield feed.bad.at(place)
        elif not fields:
            continue
        elif not names:
            names = _names(fields, source=source)
            count = len(names)
        elif len(fields) != count:
            yield wrong_columns(fields, place=place, names=names)
        else:
            yield SourceRecord(place=place, record=dict(zip(names, fields, strict=True)))


def _bad_quoting(feed: _FeedOfLines, problem: csv.Error, *, start: int, name: str) -> BadRecord:
    what = str(problem)
    if "unexpected end of data" in what or "field larger" in what:
        raise ReadingError(
            place=f"line {start}",
            found=f"a quoted field that is still open {feed.number - start + 1:,} lines later",
            expected="a closing quote",
            way_out="Set `quoting: false` in the card if quotes are plain text here.",
        ) from None
    return BadRecord(
        place=f"{name}#L{start}",
        reason="bad_quoting",
        detail=f"found no csv ({what}); expected quotes doubled inside quoted fields.",
        excerpt=excerpt_of(feed.first),
    )


def _names(header: list[str] | None, *, source: Source) -> tuple[str, ...]:
    names = source.columns or tuple(header or ())
    if not names:
        raise ReadingError(
            place="the card's `columns`",
            found="no names",
            expected="a name for each column, as there is no header",
            way_out="Give the card `columns`, or `header: true`.",
        )
    if len(names) > MAX_COLUMNS:
        raise ReadingError(
            place="the names of the columns",
            found=f"{len(names):,} columns",
            expected=f"at most {MAX_COLUMNS:,}",
            way_out="Cut the table down to the columns that the card reads, and mirror that.",
        )
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise ReadingError(
            place="the names of the columns",
            found=f"{listed(twice)} more than once",
            expected="each name once",
            way_out="Name the columns in the card: `columns` wins over the header.",
        )
    return names
