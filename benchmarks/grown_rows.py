"""Many records from a few: each text of a record with a number after it, as far as rows allow.

For rehearsals of tasks whose source is out of reach. Which texts can be numbered is tried out on
the card's own fields: a label, a key or a date that no longer fits leaves its text as it was.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from mixture_builder.canonical import Row, RowMaker, RowProblem, row_identity
from mixture_builder.cards import CardSource

Record = dict[str, Any]
Path = tuple[str | int, ...]
"""Where in a record a text stands: keys and list indices."""

_FORMS = ("{text} {number}", "{text} {number:09d}", "{number:09d} {text}")
"""How a number meets a text. Ten characters more leave the last digit of its length as it was."""

_PROBE = 7
_LABEL_CHARS = 12
"""Texts without a blank and shorter than this are taken for labels, unless nothing else is left."""


def fitting(alternative: CardSource, records: Sequence[Record]) -> list[Record]:
    """Those of some records that give rows."""
    maker = RowMaker(alternative)
    return [record for record in records if _row(maker, record) is not None]


def grow(alternative: CardSource, bases: Sequence[Record], *, count: int) -> list[Record]:
    """`count` records whose rows all differ: the bases themselves, then numbered ones.

    Args:
      alternative: the source and fields that the records are for.
      bases: records that give rows.
      count: how many; fewer come back where no text of a base can be numbered.
    """
    maker = RowMaker(alternative)
    names = tuple(field.name for field in alternative.fields)
    grown: dict[int, Record] = {}
    for form in _FORMS:
        numbered = [(base, _texts_to_number(maker, base, names, form)) for base in bases]
        for number in range(-(-count // len(bases))):
            for base, paths in numbered:
                record = _with_number(base, paths, form, number) if number else base
                row = _row(maker, record)
                if row is not None:
                    grown.setdefault(row_identity(row, names), record)
                if len(grown) == count:
                    return list(grown.values())
    return list(grown.values())


def _row(maker: RowMaker, record: Record) -> Row | None:
    made = maker.row(copy.deepcopy(record))
    return None if isinstance(made, RowProblem) else made


def _texts_to_number(
    maker: RowMaker, base: Record, names: tuple[str, ...], form: str
) -> list[Path]:
    row = _row(maker, base)
    assert row is not None
    texts = sorted(_texts(base, ()), key=lambda found: -len(found[1]))
    long = [at for at, text in texts if " " in text.strip() or len(text) >= _LABEL_CHARS]
    for candidates in (long, [at for at, _ in texts]):
        chosen: list[Path] = []
        for at in candidates:
            changed = _row(maker, _with_number(base, [*chosen, at], form, _PROBE))
            if changed is not None and changed.get("answer_index") == row.get("answer_index"):
                chosen.append(at)
        made = _row(maker, _with_number(base, chosen, form, _PROBE))
        if made is not None and row_identity(made, names) != row_identity(row, names):
            return chosen
    return []


def _texts(value: Any, at: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str) and value.strip():
        yield at, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*at, index))


def _with_number(base: Record, paths: Sequence[Path], form: str, number: int) -> Record:
    record = copy.deepcopy(base)
    for *steps, last in paths:
        holder: Any = record
        for step in steps:
            holder = holder[step]
        holder[last] = form.format(text=holder[last], number=number)
    return record
