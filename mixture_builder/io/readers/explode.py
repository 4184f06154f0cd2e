"""Nested lists to records: each question of each passage becomes a record of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mixture_builder.io.readers.records import BadRecord, SourceRecord, excerpt_of, listed


def exploded(item: SourceRecord, keys: tuple[str, ...]) -> Iterator[SourceRecord | BadRecord]:
    """The records inside a record; see `Source.explode`.

    A list that is empty or null gives none.
    """
    if not keys:
        yield item
        return
    key, rest = keys[0], keys[1:]
    path = key.split(".")
    of_mapping = path[-1] == "*"
    if of_mapping:
        path = path[:-1]
    value: Any = item.record
    for part in path:
        if not isinstance(value, dict) or part not in value:
            yield _wrong(item, f"no '{'.'.join(path)}' among {listed(item.record)}", "it")
            return
        value = value[part]
    if value is None:
        return
    fits = isinstance(value, dict) if of_mapping else isinstance(value, list)
    if not fits:
        expected = "a mapping" if of_mapping else "a list (write '.*' for the values of a mapping)"
        yield _wrong(
            item, f"'{'.'.join(path) or 'the record'}' of type {type(value).__name__}", expected
        )
        return
    name = path[-1] if path else "value"
    joint = "" if not path and "#" in item.place else "." if "#" in item.place else "#"
    pairs = value.items() if of_mapping else enumerate(value)
    for number, (mark, element) in enumerate(pairs):
        own: dict[str, Any] = {"key": mark} if of_mapping else {}
        own |= element if isinstance(element, dict) else {name: element}
        at = json.dumps(mark) if of_mapping else mark
        inner = SourceRecord(
            place=f"{item.place}{joint}{'.'.join(path)}[{at}]",
            record={**item.record, **own, f"{name}_index": number},
        )
        if rest:
            yield from exploded(inner, rest)
        else:
            yield inner


def _wrong(item: SourceRecord, found: str, expected: str) -> BadRecord:
    return BadRecord(
        place=item.place,
        reason="wrong_shape",
        detail=f"found {found}; expected {expected}, as `explode` in the card says.",
        excerpt=excerpt_of(item.record),
    )
