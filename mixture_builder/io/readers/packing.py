"""Compression undone: gzip, bzip2, xz and Zstandard.

Compression is told by the first bytes, never by the suffix: a `.tar` may be gzip, and a
`.gz` may have been unpacked on its way. Decompressing streams raise when they end early,
when they give out of all proportion to what they are made of, and when they ask for more
memory than a limit; gzip asks for 32 KiB and bzip2 for 4 MB by their nature.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO

from mixture_builder.io.readers.content import peek
from mixture_builder.io.readers.expansion import Unpacking, max_window_bytes, window_refused
from mixture_builder.io.readers.records import ReadingError

_CHUNK = 1 << 20

_LARGEST_WINDOW = 1 << 31
"""What Zstandard's format allows."""

_XZ_BESIDES_BYTES = 1 << 20
"""What the decoder of xz needs beside its dictionary; it counts both as one."""

_ZSTANDARD_PIECE = 2048
"""Packed bytes that are undone at once: four of them can become 128 KiB."""


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
        # Its own limit is 128 MiB, and no window can be larger than 2 GiB.
        window = min(max_window_bytes() or _LARGEST_WINDOW, _LARGEST_WINDOW)
        self._new: Any = zstandard.ZstdDecompressor(max_window_size=window).decompressobj
        self._error = zstandard.ZstdError
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
            try:
                self._ready = self._frame.decompress(piece)
            except self._error as problem:
                if "too much memory" in str(problem):
                    raise window_refused() from None
                raise
        data, self._ready = self._ready[:size], self._ready[size:]
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Xz(io.RawIOBase):
    """Streams of xz; unlike the library's reader, it bounds memory and ignores no garbage."""

    def __init__(self, packed: BinaryIO) -> None:
        import lzma

        most = max_window_bytes()
        limit = most + _XZ_BESIDES_BYTES if most else None
        new: Any = lzma.LZMADecompressor
        self._new = partial(new, lzma.FORMAT_XZ, memlimit=limit)
        self._error = lzma.LZMAError
        self._packed = packed
        self._stream: Any = None
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(_CHUNK), b""))
        while True:
            if not self._waiting and (self._stream is None or self._stream.needs_input):
                self._waiting = self._packed.read(_CHUNK // 8)
                if not self._waiting:
                    if self._stream is not None:
                        raise EOFError
                    return b""
            if self._stream is None:
                # Between streams, and after the last, there may be zeros.
                self._waiting = self._waiting.lstrip(b"\0")
                if not self._waiting:
                    continue
                self._stream = self._new()
            data = self._decompressed(size)
            if self._stream.eof:
                self._waiting, self._stream = self._stream.unused_data, None
            if data:
                return data

    def _decompressed(self, size: int) -> bytes:
        piece, self._waiting = self._waiting, b""
        try:
            return bytes(self._stream.decompress(piece, size))
        except self._error as problem:
            if "limit exceeded" in str(problem):
                raise window_refused() from None
            raise

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


def unpacked(stream: BinaryIO, *, name: str) -> BinaryIO:
    """`stream` with gzip, bzip2, xz or Zstandard compression undone, if it has any.

    Raises:
      ReadingError: if the name promises compression and the file is empty; while it is read, if
        it comes to more than `max_ratio` times what it is packed in, or asks for more memory
        than `max_window_bytes`.
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
        return _Xz
    return _Zstandard if head.startswith(b"\x28\xb5\x2f\xfd") else None
