"""What readers yield: records, and records that could not be had.

A problem of one record becomes a `BadRecord` and reading goes on. A problem of a whole
file is a `ReadingError` in here; `guard` turns it into the `SourceError` a user sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

MAX_RECORD_BYTES = 64 * 1024 * 1024
"""Longest line, document or XML record that is read; a longer one is bad, not a memory hole."""

MAX_COLUMNS = 100_000
"""Most columns of a table that is read."""

MAX_EXCERPT = 200
"""Longest excerpt of a bad record, in characters."""

BadReason = Literal[
    "bad_encoding",
    "bad_text",
    "bad_json",
    "bad_quoting",
    "wrong_columns",
    "wrong_shape",
    "incomplete",
    "too_long",
    "no_value",
    "no_partner",
]
"""Why a record could not be had; `BAD_REASONS` explains each."""

BAD_REASONS: Mapping[BadReason, str] = {
    "bad_encoding": "its bytes are not text in the encoding the card names",
    "bad_text": "a string in it holds half of a surrogate pair, which no file can store",
    "bad_json": "it is not JSON",
    "bad_quoting": "its quotation marks are not those of a csv file",
    "wrong_columns": "it has more or fewer columns than the header or the card's `columns`",
    "wrong_shape": "it lacks a key or a list that the card or the format says is there",
    "incomplete": "the file ends before the last of its lines",
    "too_long": "it is longer than 64 MiB",
    "no_value": "a value in it is none that can be read, such as a date after the year 9999",
    "no_partner": "its record in a file beside is missing, bad or ambiguous",
}

assert set(BAD_REASONS) == set(get_args(BadReason))


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceRecord:
    """One upstream record.

    Attributes:
      place: where it stands: `file#L12` (line, from 1), `file#3` (element or row, from 0),
        `file#data[3].paragraphs[0].qas[2]`, or `file` where the file is the record.
      record: its keys and values, as the format gives them. Records of one file may share
        nested values: do not change them in place.
    """

    place: str
    record: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class BadRecord:
    """One upstream record that could not be had.

    Attributes:
      place: as in `SourceRecord`.
      reason: one of the keys of `BAD_REASONS`.
      detail: what was found and what was expected.
      excerpt: what stood there, cut to `MAX_EXCERPT` characters.
    """

    place: str
    reason: BadReason
    detail: str
    excerpt: str


class ReadingError(Exception):
    """A file cannot be read on; becomes a `SourceError` that names the file."""

    def __init__(self, *, place: str = "", found: str, expected: str, way_out: str) -> None:
        super().__init__(place, found, expected, way_out)
        self.place = place
        self.found = found
        self.expected = expected
        self.way_out = way_out


def excerpt_of(value: object) -> str:
    """What stood there, as text of at most `MAX_EXCERPT` characters that any file can store."""
    if isinstance(value, bytes):
        text = value[: 4 * MAX_EXCERPT].decode("utf-8", errors="backslashreplace")
    elif isinstance(value, str):
        text = value[: MAX_EXCERPT + 1]
    else:
        text = _short_repr(value)
    text = text.encode("utf-8", errors="backslashreplace").decode("utf-8")
    return text if len(text) <= MAX_EXCERPT else text[: MAX_EXCERPT - 3] + "..."


def _short_repr(value: object) -> str:
    import reprlib

    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = MAX_EXCERPT
    shortener.maxdict = shortener.maxlist = 12
    return shortener.repr(value)


def listed(names: object, *, limit: int = 8) -> str:
    """Names for a message: at most `limit`, in the order given.

    >>> listed(["a", "b"])
    "'a', 'b'"
    """
    words = [f"'{name}'" for name in names] if isinstance(names, (list, tuple, dict)) else []
    if not words:
        return "nothing"
    more = len(words) - limit
    return ", ".join(words[:limit]) + (f" and {more} more" if more > 0 else "")


def half_surrogate(value: Any) -> str:
    """The first string in `value` that holds half of a surrogate pair, else an empty string.

    JSON can escape such a half (as in `ud83d`); no UTF-8 file, so no output, can store it.
    """
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                return value
        return ""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        if found := half_surrogate(item):
            return found
    if isinstance(value, dict):
        return next((key for key in value if half_surrogate(key)), "")
    return ""
