"""JSON files that are one document: a list of records, or a list somewhere inside.

Files up to `MAX_WHOLE_BYTES` (uncompressed) are parsed whole; larger ones are streamed,
so that memory depends on the largest record and not on the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from mixture_builder.io.readers.content import prefixed
from mixture_builder.io.readers.jsonl import as_record, bad_text
from mixture_builder.io.readers.lines import check_encoding, read_up_to, utf8_stream
from mixture_builder.io.readers.records import (
    BadRecord,
    ReadingError,
    SourceRecord,
    half_surrogate,
    listed,
)
from mixture_builder.sources import Source

MAX_WHOLE_BYTES = 32 * 1024 * 1024
"""Larger JSON documents are streamed."""

_EVERY_FORM = (
    "`records` in the card is a dotted path to the list; `*` at its end takes the values of a "
    "mapping, and `.` makes the file one record."
)


def read_json(stream: BinaryIO, *, name: str, source: Source) -> Iterator[SourceRecord | BadRecord]:
    """The records of a JSON document; see `Source.records` for where they may stand.

    Raises:
      ReadingError: if the file is not JSON, or what stands at `records` is no list
        (with `*`: no mapping).
    """
    check_encoding(source.encoding)
    raw = read_up_to(stream, MAX_WHOLE_BYTES + 1)
    if len(raw) > MAX_WHOLE_BYTES and source.records != ".":
        rest = utf8_stream(prefixed(raw, stream), encoding=source.encoding)
        places = _streamed(rest, records=source.records)
        check_halves = True
    else:
        raw += stream.read()
        document, check_halves = parse_document(raw, encoding=source.encoding)
        places = _elements(document, records=source.records)
    for place, value in places:
        where = f"{name}#{place}" if place else name
        half = half_surrogate(value) if check_halves else ""
        if half:
            yield bad_text(half, place=where)
        else:
            yield as_record(value, place=where, columns=source.columns)


def parse_document(raw: bytes, *, encoding: str) -> tuple[Any, bool]:
    """The value of a JSON file, and whether its strings may hold halves of surrogate pairs.

    Raises:
      ReadingError: with line and column, if it is not JSON or not text.
    """
    try:
        text = raw.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as problem:
        raise ReadingError(
            place=f"byte {problem.start:,}",
            found=f"the byte 0x{raw[problem.start]:02x}",
            expected=f"text in {encoding}",
            way_out="Correct `encoding` in the card, or fetch the file again.",
        ) from None
    try:
        return json.loads(text), "\\u" in text
    except json.JSONDecodeError as problem:
        is_lines = problem.msg == "Extra data"
        ends = problem.pos >= len(text.rstrip())
        raise ReadingError(
            place=f"line {problem.lineno}, column {problem.colno}",
            found="more after the first JSON value"
            if is_lines
            else "the end of the file inside a JSON value"
            if ends
            else f"no JSON ({problem.msg})",
            expected="one JSON document",
            way_out="Set `format: jsonl` if the file has a value on every line."
            if is_lines
            else "Fetch the file again: it may be cut off.",
        ) from None
    except (ValueError, RecursionError) as problem:
        what = "nested too deeply" if isinstance(problem, RecursionError) else "a huge number"
        raise ReadingError(
            found=f"a JSON value that cannot be read ({what})",
            expected="one JSON document",
            way_out="Use another publication of the data.",
        ) from None


def _elements(document: Any, *, records: str) -> Iterator[tuple[str, Any]]:
    if records == ".":
        yield "", document
        return
    path, of_mapping = _path(records)
    value = document
    for depth, key in enumerate(path):
        if not isinstance(value, dict) or key not in value:
            raise ReadingError(
                place=f"'{'.'.join(path[:depth])}'" if depth else "top of the document",
                found=describe(value),
                expected=f"the key '{key}', as `records: {records}` says",
                way_out=_EVERY_FORM,
            )
        value = value[key]
    inside = ".".join(path)
    fits = isinstance(value, dict) if of_mapping else isinstance(value, list)
    if not fits:
        raise ReadingError(
            place=f"'{inside}'" if inside else "top of the document",
            found=describe(value),
            expected="a mapping of records" if of_mapping else "a list of records",
            way_out=_EVERY_FORM,
        )
    if of_mapping:
        for key, item in value.items():
            yield _keyed(inside, key, item)
    else:
        for number, item in enumerate(value):
            yield (f"{inside}[{number}]" if inside else str(number)), item


def _streamed(stream: BinaryIO, *, records: str) -> Iterator[tuple[str, Any]]:
    try:
        import ijson
    except ImportError:
        raise ReadingError(
            found=f"a JSON document of more than {MAX_WHOLE_BYTES:,} bytes",
            expected="the package 'ijson' to stream it",
            way_out="Run `pip install ijson`.",
        ) from None
    path, of_mapping = _path(records)
    inside = ".".join(path)
    number = -1
    try:
        if of_mapping:
            for key, item in ijson.kvitems(stream, inside, use_float=True):
                number += 1
                yield _keyed(inside, key, item)
        else:
            prefix = f"{inside}.item" if inside else "item"
            for number, item in enumerate(ijson.items(stream, prefix, use_float=True)):
                yield (f"{inside}[{number}]" if inside else str(number)), item
    except ijson.JSONError as problem:
        place = f"after element {number}" if number >= 0 else "start of file"
        raise ReadingError(
            place=place,
            found=f"no JSON ({str(problem).splitlines()[0].strip()})",
            expected="one JSON document",
            way_out="Set `format: jsonl` if every line has a value, else fetch it again.",
        ) from None
    if number < 0:
        raise ReadingError(
            place=f"'{inside}'" if inside else "top of the document",
            found="no record",
            expected="a mapping of records" if of_mapping else "a list of records",
            way_out=_EVERY_FORM,
        )


def _path(records: str) -> tuple[list[str], bool]:
    path = records.split(".") if records else []
    if path and path[-1] == "*":
        return path[:-1], True
    return path, False


def _keyed(inside: str, key: str, item: Any) -> tuple[str, Any]:
    place = f"{inside}[{json.dumps(key)}]"
    if isinstance(item, dict):
        return place, {"key": key, **item}
    return place, {"key": key, "value": item}


def describe(value: Any) -> str:
    """What a JSON value is, for a message, without showing texts of the data."""
    if isinstance(value, dict):
        return f"a mapping with {listed(value)}"
    if isinstance(value, list):
        return f"a list of {len(value):,}"
    return "a text" if isinstance(value, str) else f"the value {value!r}"
