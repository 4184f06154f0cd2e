"""JSON Lines, and plain text by lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from mixture_builder.io.readers.lines import BadLine, line_blocks
from mixture_builder.io.readers.records import (
    BadRecord,
    ReadingError,
    SourceRecord,
    excerpt_of,
    half_surrogate,
)
from mixture_builder.sources import Source


def read_jsonl(
    stream: BinaryIO, *, name: str, source: Source
) -> Iterator[SourceRecord | BadRecord]:
    """A record a line; lines of white space only are skipped.

    A mapping is the record. A list takes its names from the card's `columns`; any other
    value, and a list without `columns`, is seen as `value`.

    Raises:
      ReadingError: if the file is one JSON document over several lines.
    """
    number = 0
    good = 0
    loads = json.loads
    for block in line_blocks(stream, encoding=source.encoding):
        for line in block:
            number += 1
            if isinstance(line, BadLine):
                yield line.at(f"{name}#L{number}")
                continue
            try:
                value = loads(line)
            except (ValueError, RecursionError) as problem:
                if not line or line.isspace():
                    continue
                if not good and line.strip() in {"[", "{"}:
                    raise ReadingError(
                        place=f"line {number}",
                        found="the start of a JSON document over several lines",
                        expected="a whole JSON value on every line",
                        way_out="Set `format: json` (and `records`) in the card.",
                    ) from None
                yield bad_json(line, problem, place=f"{name}#L{number}")
                continue
            good += 1
            if "\\u" in line and (half := half_surrogate(value)):
                yield bad_text(half, place=f"{name}#L{number}")
            elif type(value) is dict:
                yield SourceRecord(place=f"{name}#L{number}", record=value)
            else:
                yield as_record(value, place=f"{name}#L{number}", columns=source.columns)


def as_record(value: Any, *, place: str, columns: tuple[str, ...]) -> SourceRecord | BadRecord:
    """A JSON value as a record: a mapping as it is, a list by `columns`, others as `value`."""
    if isinstance(value, dict):
        return SourceRecord(place=place, record=value)
    if isinstance(value, list) and columns:
        if len(value) != len(columns):
            return wrong_columns(value, place=place, names=columns)
        return SourceRecord(place=place, record=dict(zip(columns, value, strict=True)))
    return SourceRecord(place=place, record={"value": value})


def wrong_columns(value: Any, *, place: str, names: tuple[str, ...]) -> BadRecord:
    """The bad record of a row that has not as many columns as there are names."""
    return BadRecord(
        place=place,
        reason="wrong_columns",
        detail=f"found {len(value)} columns; expected {len(names)}.",
        excerpt=excerpt_of("\t".join(map(str, value))),
    )


def bad_json(text: str, problem: Exception, *, place: str) -> BadRecord:
    """The bad record of a text that is not JSON."""
    if isinstance(problem, json.JSONDecodeError):
        what = f"{problem.msg} at character {problem.pos}"
    elif isinstance(problem, RecursionError):
        what = "values nested too deeply"
    else:
        what = "a number with too many digits"
    return BadRecord(
        place=place,
        reason="bad_json",
        detail=f"found no JSON ({what}); expected one JSON value on the line.",
        excerpt=excerpt_of(text),
    )


def bad_text(half: str, *, place: str) -> BadRecord:
    """The bad record of a value with half of a surrogate pair in it."""
    return BadRecord(
        place=place,
        reason="bad_text",
        detail="found half of a surrogate pair in a string; expected characters UTF-8 can store.",
        excerpt=excerpt_of(half),
    )
