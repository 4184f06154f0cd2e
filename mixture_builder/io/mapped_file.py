"""Files by memory map, opened without more than that: there may be thousands of them."""

from __future__ import annotations

import mmap
import os
from pathlib import Path


def mapped_file(path: str | Path) -> mmap.mmap:
    """The bytes of a file, to be read only; the file itself is closed again.

    Arrow reads its own memory maps on its input threads; a buffer over Python's is read by who
    asks, which spares a change of threads for each of many small files.

    Raises:
      OSError: if it cannot be opened.
      ValueError: if it is empty.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)
