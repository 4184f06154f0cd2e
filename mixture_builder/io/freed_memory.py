"""What a worker has freed and will soon ask for again stays with it."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Names of settings in glibc's malloc.h."""

KEPT, WHOLE = 256 << 20, 32 << 20
"""Free bytes from which on the system gets some back, and the size from which on a stretch of
memory is asked for by itself; the latter is the largest that glibc takes."""


def keep_freed_memory() -> None:
    """Keeps glibc from handing large arrays back to the system when they are freed.

    To look at a stretch of records makes a hundred arrays of some megabytes, and the next stretch
    makes the same anew. Pages that are handed back are cleared by the kernel each time they are
    asked for again: half of an audit's page faults, and a twentieth of its time. Where there is no
    glibc nothing is done.
    """
    if sys.platform != "linux":
        return
    with suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, WHOLE)
        library.mallopt(_TRIM_THRESHOLD, KEPT)
