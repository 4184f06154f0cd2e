r"""Bytes to lines of text, in blocks, as fast as the format allows.

A line ends at "\n" only, less one "\r" before it: other characters that Unicode calls
line breaks (U+2028, U+0085, ...) stand inside strings of real data. The last line counts
without an end. A byte order mark is dropped at the start of a file, nowhere else.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from mixture_builder.io.readers.records import (
    MAX_EXCERPT,
    MAX_RECORD_BYTES,
    BadReason,
    BadRecord,
    ReadingError,
    excerpt_of,
)

_CHUNK = 1 << 20
_BOM = codecs.BOM_UTF8


@dataclass(frozen=True, kw_only=True, slots=True)
class BadLine:
    """A line that could not be decoded, or was too long to be read."""

    raw: bytes
    reason: BadReason
    detail: str

    def at(self, place: str) -> BadRecord:
        """The bad record this line makes."""
        return BadRecord(
            place=place, reason=self.reason, detail=self.detail, excerpt=excerpt_of(self.raw)
        )


def line_blocks(
    stream: BinaryIO, *, encoding: str, keep_carriage_returns: bool = False
) -> Iterator[list[str | BadLine]]:
    r"""The lines of a file, without their ends, about a megabyte at a time.

    Args:
      stream: the bytes, uncompressed.
      encoding: a name Python knows.
      keep_carriage_returns: leave the "\r" of "\r\n", which a quoted csv field needs.

    Raises:
      ReadingError: for an unknown encoding, and for bytes outside a wide encoding such
        as UTF-16, where one bad byte leaves the rest without line ends.
    """
    stream, encoding = _ascii_compatible(stream, encoding=encoding)
    pieces: list[bytes] = []  # of the line that has not ended yet
    size = 0
    overlong = False
    first = True
    while chunk := stream.read(_CHUNK):
        if first:
            chunk = _without_mark(chunk, stream, encoding=encoding)
            first = False
        if overlong:
            end = chunk.find(b"\n")
            if end < 0:
                continue
            yield [_too_long(pieces[0])]
            overlong, pieces, size = False, [], 0
            chunk = chunk[end + 1 :]
        cut = chunk.rfind(b"\n")
        if cut < 0:
            pieces.append(chunk)
            size += len(chunk)
            if size > MAX_RECORD_BYTES:
                overlong, pieces = True, [b"".join(pieces)[: 4 * MAX_EXCERPT]]
            continue
        pieces.append(chunk[:cut])
        yield _decoded(b"".join(pieces), encoding=encoding, keep=keep_carriage_returns)
        pieces = [chunk[cut + 1 :]]
        size = len(pieces[0])
    last = b"".join(pieces)
    if overlong:
        yield [_too_long(last)]
    elif last:
        yield _decoded(last, encoding=encoding, keep=keep_carriage_returns)


def read_text(stream: BinaryIO, *, encoding: str) -> str | BadLine:
    """A whole document of at most `MAX_RECORD_BYTES`, its line ends as they are."""
    stream, encoding = _ascii_compatible(stream, encoding=encoding)
    raw = read_up_to(stream, MAX_RECORD_BYTES + 1)
    if len(raw) > MAX_RECORD_BYTES:
        return _too_long(raw[: 4 * MAX_EXCERPT])
    return _decode(_without_mark(raw, stream, encoding=encoding), encoding=encoding)


def read_up_to(stream: BinaryIO, size: int) -> bytes:
    """The next `size` bytes, fewer only where the stream ends."""
    parts: list[bytes] = []
    left = size
    while left > 0 and (part := stream.read(min(left, _CHUNK))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def utf8_stream(stream: BinaryIO, *, encoding: str) -> BinaryIO:
    """The same text as UTF-8 bytes without a byte order mark, for parsers that want bytes."""
    if _is_utf8(encoding):
        return stream
    return _Transcoded(stream, encoding=check_encoding(encoding))  # type: ignore[return-value]


def check_encoding(encoding: str) -> str:
    """`encoding`, if Python can decode text with it.

    Raises:
      ReadingError: otherwise; also for codecs that are no text encodings ("zip").
    """
    try:
        "x".encode(encoding)
    except LookupError:
        raise ReadingError(
            place="the card's `encoding`",
            found=f"'{encoding}'",
            expected="the name of a text encoding, such as utf-8, cp1252 or utf-16",
            way_out="Correct `encoding` in the card.",
        ) from None
    return encoding


class _Transcoded:
    """Reads text in any encoding as UTF-8 bytes."""

    def __init__(self, stream: BinaryIO, *, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready = b""
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(_CHUNK), b""))
        while not self._ready and not self._ended:
            raw = self._stream.read(_CHUNK)
            self._ended = not raw
            self._ready = self._decoder.decode(raw, final=self._ended).encode("utf-8", "replace")
        data, self._ready = self._ready[:size], self._ready[size:]
        return data


def _ascii_compatible(stream: BinaryIO, *, encoding: str) -> tuple[BinaryIO, str]:
    check_encoding(encoding)
    # The byte order mark that utf-16 writes is not part of the question.
    if "x\n".encode(encoding)[-1:] == b"\n" and "\n".encode(encoding) == b"\n":
        return stream, encoding
    return utf8_stream(stream, encoding=encoding), "utf-8"


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in {"utf-8", "utf-8-sig"}


def _without_mark(chunk: bytes, stream: BinaryIO, *, encoding: str) -> bytes:
    if not _is_utf8(encoding):
        return chunk
    while len(chunk) < len(_BOM) and (more := stream.read(_CHUNK)):
        chunk += more
    if chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ReadingError(
            place="start of file",
            found="the byte order mark of UTF-16",
            expected="UTF-8",
            way_out="Set `encoding: utf-16` in the card.",
        )
    return chunk.removeprefix(_BOM)


def _decoded(body: bytes, *, encoding: str, keep: bool) -> list[str | BadLine]:
    lines: list[str | BadLine]
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError:
        lines = [_decode(line, encoding=encoding) for line in body.split(b"\n")]
        if not keep:
            lines = [line.removesuffix("\r") if isinstance(line, str) else line for line in lines]
        return lines
    if not keep and "\r" in text:
        return [line.removesuffix("\r") for line in text.split("\n")]
    return [*text.split("\n")]


def _decode(raw: bytes, *, encoding: str) -> str | BadLine:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as problem:
        return BadLine(
            raw=raw,
            reason="bad_encoding",
            detail=(
                f"found the byte 0x{raw[problem.start]:02x} at byte {problem.start}; expected "
                f"{encoding}. Correct `encoding` in the card if all lines are like that."
            ),
        )


def _too_long(raw: bytes) -> BadLine:
    return BadLine(
        raw=raw,
        reason="too_long",
        detail=f"found more than {MAX_RECORD_BYTES:,} bytes without an end; expected at most that.",
    )
