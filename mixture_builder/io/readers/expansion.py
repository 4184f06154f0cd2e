"""How much may come out of packed files: limits, and what counts against them.

A packed file may come to so many times its size (`MAX_RATIO`), and may ask for so much memory
to be undone (`MAX_WINDOW_MIB`). Tables that name a value once for all rows it stands in have a
limit of their own (`TABLE_RATIO_TIMES`). All of them can be set in the environment.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from mixture_builder.io.readers.content import prefixed
from mixture_builder.io.readers.records import ReadingError

RATIO_VARIABLE = "MIXTURE_BUILDER_MAX_RATIO"
"""Environment variable: another limit than `MAX_RATIO`; 0 for none."""

MAX_RATIO = 200
"""How many times its packed size a compressed file or zip archive may come to. Texts come to 3 to
20 times theirs, tables that repeat a passage in every row to some tens; gzip cannot do more
than 1,032, the others can a hundred thousand."""

RATIO_FREE_BYTES = 256 * 1024**2
"""What may be unpacked of a file before its ratio is looked at: so much does no harm."""

TABLE_RATIO_TIMES = 10
"""How many times more the values of a Parquet file may come to: a value that stands in every row,
such as a text that all questions are about, is packed once, whatever its length."""

TABLE_FREE_BYTES = 1024**3
"""What the values of a Parquet file may come to before their ratio is looked at."""

WINDOW_VARIABLE = "MIXTURE_BUILDER_MAX_WINDOW"
"""Environment variable: another limit than `MAX_WINDOW_MIB`, in MiB; 0 for none."""

MAX_WINDOW_MIB = 128
"""Memory that undoing xz, Zstandard or a zip archive's LZMA may ask for, in MiB. Their tools ask
for at most 64 (`xz -9`) or 128 (`zstd --ultra -22`) unless told otherwise."""

_CHUNK = 1 << 20


class Unpacking:
    """How much a compressed file, all members of a zip archive, or a table have come to.

    Args:
      packed: tells how many bytes they were made of, so far.
      table: whether they are the values of a table; see `TABLE_RATIO_TIMES`.

    Raises:
      ReadingError: if the environment names a limit that is no whole number.
    """

    def __init__(self, packed: Callable[[], int], *, table: bool = False) -> None:
        self._packed = packed
        self._unpacked = 0
        self._table = table
        self._most = max_ratio() * (TABLE_RATIO_TIMES if table else 1)
        self._free = TABLE_FREE_BYTES if table else RATIO_FREE_BYTES

    def add(self, size: int) -> None:
        """Counts bytes that were unpacked.

        Raises:
          ReadingError: if they are too many for what they were made of.
        """
        self._unpacked += size
        if not self._most or self._unpacked <= self._free:
            return
        packed = max(1, self._packed())
        if self._unpacked > self._most * packed:
            raise self._refused(packed)

    def _refused(self, packed: int) -> ReadingError:
        times = f"{self._unpacked // packed:,} times as many bytes as"
        copy = "a copy in another format" if self._table else "an unpacked copy"
        return ReadingError(
            place=f"byte {self._unpacked:,}, unpacked",
            found=f"{times} the file has" if self._table else f"{times} were packed",
            expected=f"at most {self._most:,} times as many",
            way_out=(
                "This is how files are made that fill a disk. If you know the file, mirror "
                f"{copy}, or set {RATIO_VARIABLE} in the environment (0: no limit)."
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
    return _limit(RATIO_VARIABLE, MAX_RATIO)


def max_window_bytes() -> int:
    """`MAX_WINDOW_MIB` in bytes, or what the environment says instead; 0 for no limit.

    Raises:
      ReadingError: if the environment says something that is no whole number.
    """
    return _limit(WINDOW_VARIABLE, MAX_WINDOW_MIB) << 20


def window_refused() -> ReadingError:
    """The error for a file that asks for more memory than `max_window_bytes`."""
    return ReadingError(
        found="compression that needs more memory to be undone than is allowed",
        expected=f"at most {max_window_bytes() >> 20:,} MiB",
        way_out=(
            "This is how files are made that fill the memory. If you know the file, mirror an "
            f"unpacked copy, or set {WINDOW_VARIABLE} in the environment (in MiB; 0: no limit)."
        ),
    )


def _limit(variable: str, usual: int) -> int:
    said = os.environ.get(variable, "")
    if not said:
        return usual
    if not said.isdecimal():
        raise ReadingError(
            place=f"the environment variable {variable}",
            found=f"'{said}'",
            expected="a whole number",
            way_out="Correct it, or leave it out.",
        )
    return int(said)
