"""What a file really holds, whatever its name: first bytes looked at, impostors refused."""

from __future__ import annotations

import io
import os
import tempfile
from typing import Any, BinaryIO, cast

from mixture_builder.io.readers.records import ReadingError
from mixture_builder.sources import Format

HEAD_BYTES = 512
MAX_SPOOLED_BYTES = 8 * 1024**3
"""Largest archive or Parquet file inside an archive that is copied to a temporary file."""

_CHUNK = 1 << 20

FORMAT_WORDS: dict[Format, str] = {
    "jsonl": "JSON Lines",
    "json": "JSON",
    "csv": "comma-separated text",
    "tsv": "tab-separated text",
    "parquet": "Parquet",
    "text": "lines of text",
    "document": "a text",
    "xml": "XML",
    "natural_instructions": "a Natural Instructions task (JSON)",
}


class _Prefixed(io.RawIOBase):
    """A stream whose first bytes were read already; cannot seek."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._at = 0
        self._rest = rest
        # What could be unpacked before the damage should be seen: `read` would lose it.
        self._read_some = getattr(rest, "read1", rest.read)

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            head, self._head = self._head[self._at :], b""
            return head + self._rest.read()
        if self._head:
            start, self._at = self._at, self._at + size
            head = self._head[start : self._at]
            if self._at >= len(self._head):
                self._head = b""
            return head
        return bytes(self._read_some(size))

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def peek(stream: BinaryIO, size: int = HEAD_BYTES) -> tuple[bytes, BinaryIO]:
    """The first bytes, and a stream that still has them."""
    head = b""
    while len(head) < size and (more := stream.read(size - len(head))):
        head += more
    if stream.seekable():
        stream.seek(0)
        return head, stream
    return head, prefixed(head, stream)


def prefixed(head: bytes, rest: BinaryIO) -> BinaryIO:
    """A stream of `head` and then the rest, after `head` was read from it; cannot seek."""
    return cast("BinaryIO", _Prefixed(head, rest))


def one_way(stream: Any) -> BinaryIO:
    """A stream that says it cannot seek, for those that seek slowly or only claim they can."""
    return prefixed(b"", stream)


def seekable(stream: BinaryIO) -> BinaryIO:
    """`stream` itself, or a temporary copy of it when it cannot seek; close the copy."""
    if stream.seekable():
        return stream
    copy = tempfile.TemporaryFile()  # noqa: SIM115
    size = 0
    while chunk := stream.read(_CHUNK):
        size += len(chunk)
        if size > MAX_SPOOLED_BYTES:
            copy.close()
            raise ReadingError(
                place=f"byte {size:,}",
                found=f"more than {MAX_SPOOLED_BYTES:,} bytes inside the archive",
                expected="less",
                way_out="Unpack the archive and mirror the files in it.",
            )
        copy.write(chunk)
    copy.seek(0)
    return cast("BinaryIO", copy)


def size_of(file: BinaryIO) -> int:
    """Bytes of a file that can seek; it is left at its end."""
    file.seek(0, os.SEEK_END)
    return file.tell()


def refuse_impostors(head: bytes, *, format: Format) -> None:  # noqa: A002
    """Checks that the first bytes (unpacked) can be those of a file in `format`.

    Raises:
      ReadingError: for Git LFS pointers, web pages, archives, pickles, Parquet under
        another format's name, UTF-16 marks and, save for documents, empty files.
    """
    found, way_out = _what_else(head, format=format)
    if found:
        raise ReadingError(
            place="start of file", found=found, expected=FORMAT_WORDS[format], way_out=way_out
        )


def _what_else(head: bytes, *, format: Format) -> tuple[str, str]:  # noqa: A002
    start = head[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    checks: list[tuple[bool, str, str]] = [
        (
            head.startswith(b"version https://git-lfs"),
            "a Git LFS pointer in place of the data",
            "Fetch the data itself (`git lfs pull`), or mirror another copy.",
        ),
        (
            head.startswith(b"PK\x03\x04"),
            "a zip archive",
            "Name the member: zip://<member>::<this file>.",
        ),
        (
            head[257:262] == b"ustar",
            "a tar archive",
            "Name the member: tar://<member>::<this file>.",
        ),
        (
            len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5,
            "a Python pickle, which can run code and is never loaded",
            "Use another publication of the data.",
        ),
        (
            head.startswith(b"PAR1") and format != "parquet",
            "a Parquet file",
            "Set `format: parquet`.",
        ),
        (
            start.startswith((b"<!doctype html", b"<html")) and format not in {"xml", "document"},
            "a web page in place of the data",
            "Open the address in a browser: the file may have moved or may ask for consent.",
        ),
        (not head and format != "document", "an empty file", "Fetch the file again."),
        (
            format == "parquet" and head != b"" and not head.startswith(b"PAR1"),
            "no Parquet file",
            "Correct `format`, or fetch the file again.",
        ),
    ]
    return next(((found, way_out) for is_it, found, way_out in checks if is_it), ("", ""))
