"""What was read of a file elsewhere: how long it is, and its hash if all of it was seen.

Nothing is read a second time for it. A stream is hashed as far as it is read from front to back;
who skips through a file (Parquet, zip on an object store) or stops early (a member of a tar
archive) leaves it without a hash.
"""

from __future__ import annotations

import hashlib
import io
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenFile:
    """What is known of a file after it was read.

    Attributes:
      bytes: its size; `None` if it was not seen to its end and the store does not tell.
      sha256: of all its bytes; empty if not all of them were seen in their order.
    """

    bytes: int | None
    sha256: str


class SeenStream(io.RawIOBase):
    """A stream that hashes what is read of it from front to back."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._hashed = 0
        self._at = 0
        self._ended = False

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """As the stream that is read."""
        return bool(self._stream.seekable())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes elsewhere in it, if it can."""
        self._at = int(self._stream.seek(offset, whence))
        return self._at

    def tell(self) -> int:
        """Where reading stands."""
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Reads on, and hashes what was not read before."""
        data = bytes(self._stream.read(-1 if size is None else size))
        if self._at <= self._hashed < self._at + len(data):
            # What was read before is not hashed again.
            self._hash.update(data[self._hashed - self._at :])
            self._hashed = self._at + len(data)
        self._at += len(data)
        if self._at == self._hashed and (size is None or size < 0 or (not data and size)):
            self._ended = True
        return data

    def readinto(self, buffer: Any) -> int:
        """As `read`."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seen(self) -> SeenFile:
        """What is known now; one byte more is asked for if the end was not reached yet."""
        size = getattr(self._stream, "size", None)
        size = size if isinstance(size, int) else None
        if not self._ended and self._at == self._hashed and self._hashed != size:
            # A reader may stop at the last byte without asking for more.
            with suppress(Exception):
                self.read(1)
        if self._ended or self._hashed == size:
            return SeenFile(bytes=self._hashed, sha256=self._hash.hexdigest())
        return SeenFile(bytes=size, sha256="")
