"""Plain data as YAML, as locks are written.

PyYAML makes a node of every value before it writes a letter, and most of its time goes there. Here
its emitter is given the events at once; the text that comes out is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import yaml
from yaml.events import (
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

ENTRIES = 500
"""Entries of a list or mapping that are made into YAML together."""

_MAPPING = MappingStartEvent(
    anchor=None, tag="tag:yaml.org,2002:map", implicit=True, flow_style=False
)
_MAPPING_END = MappingEndEvent()
_SEQUENCE = SequenceStartEvent(
    anchor=None, tag="tag:yaml.org,2002:seq", implicit=True, flow_style=False
)
_SEQUENCE_END = SequenceEndEvent()

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def yaml_pieces(plain: Mapping[str, Any]) -> Iterator[bytes]:
    """The text in UTF-8, in pieces: a tree of all of it at once takes thirty times its size.

    Keys stay in their order, and each text on one line.
    """
    events = _Events()
    for key, value in plain.items():
        for number, piece in enumerate(_pieces(value)):
            text: str = yaml.emit(
                events.of_document({key: piece}), Dumper=_DUMPER, allow_unicode=True, width=100_000
            )
            # Each piece begins with the line of its key.
            yield (text.partition("\n")[2] if number else text).encode("utf-8")


class _Events:
    """Events of plain data; those of equal scalars, which come by the thousand, are made once."""

    def __init__(self) -> None:
        self._represent: Any = yaml.representer.SafeRepresenter().represent_data
        self._resolve = yaml.resolver.Resolver().resolve
        self._scalars: dict[tuple[type, Any], ScalarEvent] = {}

    def of_document(self, value: Any) -> Iterator[Any]:
        """The events of a stream of one document."""
        yield StreamStartEvent()
        yield DocumentStartEvent(explicit=False)
        yield from self._of(value)
        yield DocumentEndEvent(explicit=False)
        yield StreamEndEvent()

    def _of(self, value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            yield _MAPPING
            for key, inner in value.items():
                yield self._scalar(key)
                if isinstance(inner, dict | list | tuple):
                    yield from self._of(inner)
                else:
                    yield self._scalar(inner)
            yield _MAPPING_END
        elif isinstance(value, list | tuple):
            yield _SEQUENCE
            for inner in value:
                yield from self._of(inner)
            yield _SEQUENCE_END
        else:
            yield self._scalar(value)

    def _scalar(self, value: Any) -> ScalarEvent:
        # 1, 1.0 and True are equal, and are written differently.
        known = self._scalars.get((value.__class__, value))
        if known is None:
            node = self._represent(value)
            implicit = tuple(
                self._resolve(yaml.ScalarNode, node.value, given) == node.tag  # type: ignore[no-untyped-call]
                for given in ((True, False), (False, True))
            )
            known = ScalarEvent(None, node.tag, implicit, node.value, style=node.style)
            self._scalars[value.__class__, value] = known
        return known


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
