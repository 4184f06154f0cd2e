"""Reads large YAML documents of plain data, such as locks, several times as fast as PyYAML.

PyYAML makes a node of every value and then an object of every node; most of its time goes there.
Here objects are made of the parser's events at once. What comes out is the same: a document with
anything but plain data (tags, merge keys, keys that are collections) is left to PyYAML.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from mixture_builder.yaml_files import Loader

_PLAIN = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "timestamp", "str")
)


class _NotPlainError(Exception):
    """The document is PyYAML's business."""


def load_plain(raw: bytes) -> Any:
    """The data of a document, as PyYAML's safe loader gives it.

    Raises:
      yaml.YAMLError: if it is no valid YAML, or not safe.
    """
    try:
        return _of_events(raw)
    except _NotPlainError:
        return yaml.load(raw, Loader=Loader)  # noqa: S506  (the safe loader)


def _of_events(raw: bytes) -> Any:
    loader = Loader(raw)
    try:
        return _document(loader)
    finally:
        loader.dispose()


def _document(loader: Any) -> Any:
    """The data of the only document; without recursion, so that depth is no matter."""
    next_event = loader.get_event
    next_event()  # the stream begins
    if next_event().__class__ is StreamEndEvent:
        return None
    values = _Values(loader)
    # Around the document stands a list of one. For a mapping `key` is the key without a value yet.
    root: list[Any] = []
    outer: list[tuple[Any, Any]] = []
    inner: Any = root
    key: Any = _NO_KEY
    while True:
        event = next_event()
        kind = event.__class__
        if kind is MappingEndEvent or kind is SequenceEndEvent:
            inner, key = outer.pop()
            continue
        if kind is DocumentEndEvent:
            if next_event().__class__ is not StreamEndEvent:
                raise _NotPlainError
            return root[0]
        value = values.of(event)
        if inner.__class__ is list:
            inner.append(value)
        elif key is not _NO_KEY:
            inner[key] = value
            key = _NO_KEY
        elif value.__class__ is dict or value.__class__ is list:
            raise _NotPlainError
        else:
            key = value
        if kind is MappingStartEvent or kind is SequenceStartEvent:
            outer.append((inner, key))
            inner, key = value, _NO_KEY


_NO_KEY: Any = object()


class _Values:
    """What events stand for: a scalar, or a collection that is still empty."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._known: dict[str, Any] = {}
        self._anchors: dict[str, Any] = {}

    def of(self, event: Any) -> Any:
        """The value that an event begins."""
        kind = event.__class__
        if kind is AliasEvent:
            if event.anchor not in self._anchors:
                raise _NotPlainError
            return self._anchors[event.anchor]
        if event.tag is not None:
            raise _NotPlainError
        value: Any
        if kind is ScalarEvent:
            value = event.value
            if event.implicit[0]:
                value = self._known[value] if value in self._known else self._unquoted(value)
        else:
            value = {} if kind is MappingStartEvent else []
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _unquoted(self, text: str) -> Any:
        tag = self._loader.resolve(yaml.ScalarNode, text, (True, False))
        if tag not in _PLAIN:
            raise _NotPlainError
        found = self._known[text] = self._loader.construct_object(yaml.ScalarNode(tag, text))
        return found
