"""What a file really holds, whatever its name: compression undone, impostors refused.

Compression is told by the first bytes, never by the suffix: a `.tar` may be gzip, and a
`.gz` may have been unpacked on its way. Decompressing streams raise when they end early,
and when they give out of all proportion to what they are made of.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from mixture_builder.io.readers.records import ReadingError
from mixture_builder.sources import Format

HEAD_BYTES = 512
MAX_SPOOLED_BYTES = 8 * 1024**3
"""Largest archive or Parquet file inside an archive that is copied to a temporary file."""

RATIO_VARIABLE = "MIXTURE_BUILDER_MAX_RATIO"
"""Environment variable: another limit than `MAX_RATIO`; 0 for none."""

MAX_RATIO = 200
"""How many times its packed size a compressed file or zip archive may come to. Texts come to 3 to
20 times theirs, tables that repeat a passage in every row to some tens; gzip cannot do more
than 1,032, the others can a hundred thousand."""

RATIO_FREE_BYTES = 256 * 1024**2
"""What may be unpacked of a file before its ratio is looked at: so much does no harm."""

_CHUNK = 1 << 20

_ZSTANDARD_PIECE = 2048
"""Packed bytes that are undone at once: four of them can become 128 KiB."""

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


class _Zstandard(io.RawIOBase):
    """Zstandard frames; unlike the library's reader, it raises when the last one is cut."""

    def __init__(self, packed: BinaryIO) -> None:
        try:
            import zstandard
        except ImportError:
            raise ReadingError(
                place="start of file",
                found="Zstandard compression",
                expected="the package 'zstandard' to undo it",
                way_out="Run `pip install zstandard`.",
            ) from None
        self._new: Any = zstandard.ZstdDecompressor().decompressobj
        self._packed = packed
        self._frame: Any = None
        self._waiting = memoryview(b"")
        self._ready = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(_CHUNK), b""))
        while not self._ready:
            if self._frame is not None and self._frame.eof:
                self._waiting = memoryview(self._frame.unused_data + bytes(self._waiting))
                self._frame = None
            if not self._waiting:
                self._waiting = memoryview(self._packed.read(_CHUNK // 8))
            if not self._waiting:
                if self._frame is not None:
                    raise EOFError
                return b""
            if self._frame is None:
                self._frame = self._new()
            piece, self._waiting = (
                self._waiting[:_ZSTANDARD_PIECE],
                self._waiting[_ZSTANDARD_PIECE:],
            )
            self._ready = self._frame.decompress(piece)
        data, self._ready = self._ready[:size], self._ready[size:]
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Counted(io.RawIOBase):
    """A stream that counts what is read of it; cannot seek."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        data = self._stream.read(-1 if size is None else size)
        self.count += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class Unpacking:
    """How much a compressed file, or all members of a zip archive, have come to.

    Args:
      packed: tells how many bytes they were made of, so far.

    Raises:
      ReadingError: if the environment names a limit that is no whole number.
    """

    def __init__(self, packed: Callable[[], int]) -> None:
        self._packed = packed
        self._unpacked = 0
        self._most = max_ratio()

    def add(self, size: int) -> None:
        """Counts bytes that were unpacked.

        Raises:
          ReadingError: if they are too many for what they were made of.
        """
        self._unpacked += size
        if not self._most or self._unpacked <= RATIO_FREE_BYTES:
            return
        packed = max(1, self._packed())
        if self._unpacked > self._most * packed:
            raise ReadingError(
                place=f"byte {self._unpacked:,}, unpacked",
                found=f"{self._unpacked // packed:,} times as many bytes as were packed",
                expected=f"at most {self._most:,} times as many",
                way_out=(
                    "This is how files are made that fill a disk. If you know the file, mirror an "
                    f"unpacked copy, or set {RATIO_VARIABLE} in the environment (0: no limit)."
                ),
            )

    def watched(self, stream: Any) -> BinaryIO:
        """A stream whose bytes are counted as they are unpacked; cannot seek."""
        return prefixed(b"", cast("BinaryIO", _Watched(stream, self)))


class _Watched(io.RawIOBase):
    """See `Unpacking.watched`."""

    def __init__(self, stream: Any, unpacking: Unpacking) -> None:
        # What could be unpacked before the damage should be seen: `read` would lose it.
        self._read_some = getattr(stream, "read1", stream.read)
        self._unpacking = unpacking

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(_CHUNK), b""))
        data = bytes(self._read_some(size))
        self._unpacking.add(len(data))
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def max_ratio() -> int:
    """`MAX_RATIO`, or what the environment says instead; 0 for no limit.

    Raises:
      ReadingError: if the environment says something that is no whole number.
    """
    said = os.environ.get(RATIO_VARIABLE, "")
    if not said:
        return MAX_RATIO
    if not said.isdecimal():
        raise ReadingError(
            place=f"the environment variable {RATIO_VARIABLE}",
            found=f"'{said}'",
            expected="a whole number",
            way_out="Correct it, or leave it out.",
        )
    return int(said)


def unpacked(stream: BinaryIO, *, name: str) -> BinaryIO:
    """`stream` with gzip, bzip2, xz or Zstandard compression undone, if it has any.

    Raises:
      ReadingError: if the name promises compression and the file is empty; while it is read, if
        it comes to more than `max_ratio` times what it is packed in.
    """
    head, stream = peek(stream)
    if not head and name.endswith((".gz", ".bz2", ".xz", ".zst", ".tgz")):
        raise ReadingError(
            place="start of file",
            found="an empty file",
            expected="compressed data, as the name says",
            way_out="Fetch the file again.",
        )
    undo = _decompressor(head)
    if undo is None:
        return stream
    packed = _Counted(stream)
    return Unpacking(lambda: packed.count).watched(undo(packed))


def _decompressor(head: bytes) -> Callable[[Any], Any] | None:
    """What undoes the compression that a file begins with; `None` if it has none."""
    if head.startswith(b"\x1f\x8b"):
        import gzip

        return lambda packed: gzip.GzipFile(fileobj=packed, mode="rb")
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        import bz2

        return bz2.BZ2File
    if head.startswith(b"\xfd7zXZ\x00"):
        import lzma

        return lzma.LZMAFile
    return _Zstandard if head.startswith(b"\x28\xb5\x2f\xfd") else None


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
