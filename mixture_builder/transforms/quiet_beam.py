"""Imports Apache Beam without what it says while it is imported.

Without its Google Cloud parts, Beam warns on the root logger that they are missing, and by
doing so gives the root logger a handler. Neither concerns anyone here. Everything Beam says
once it is imported is left alone.

The transforms take `beam` from here; so whatever of the package is imported, and whatever
else of Beam it needs, this import comes first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_CHATTER = ("apitools not found",)


def _is_wanted(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_CHATTER)


@contextmanager
def _without_chatter() -> Iterator[None]:
    root = logging.getLogger()
    handlers = list(root.handlers)
    root.addFilter(_is_wanted)
    try:
        yield
    finally:
        root.removeFilter(_is_wanted)
        for handler in root.handlers[:]:
            if handler not in handlers:
                root.removeHandler(handler)


with _without_chatter():
    import apache_beam as beam

__all__ = ["beam"]
