"""Plain data as YAML, as locks are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import yaml

ENTRIES = 500
"""Entries of a list or mapping that are made into YAML together."""

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def yaml_pieces(plain: Mapping[str, Any]) -> Iterator[bytes]:
    """The text in UTF-8, in pieces: a tree of all of it at once takes thirty times its size.

    Keys stay in their order, and each text on one line.
    """
    for key, value in plain.items():
        for number, piece in enumerate(_pieces(value)):
            text: str = yaml.dump(
                {key: piece}, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=100_000
            )
            # Each piece begins with the line of its key.
            yield (text.partition("\n")[2] if number else text).encode("utf-8")


def _pieces(value: Any) -> Iterator[Any]:
    """A list or mapping in parts of `ENTRIES` entries; anything else as it is."""
    if not isinstance(value, (list, dict)) or len(value) <= ENTRIES:
        yield value
        return
    for start in range(0, len(value), ENTRIES):
        if isinstance(value, list):
            yield value[start : start + ENTRIES]
        else:
            yield dict(islice(value.items(), start, start + ENTRIES))
