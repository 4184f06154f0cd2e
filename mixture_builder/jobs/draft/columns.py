"""The columns of unknown records: what they hold, and how expressions and fields name them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixture_builder.cards import DERIVED_FIELDS, FIXED_TYPES

_JINJA_WORDS = frozenset(
    "and or not in is if else elif for endfor endif true false none True False None record self "
    "super caller varargs kwargs loop".split()
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column: its name, and what it holds where it holds anything.

    A key inside a mapping is a column too; `parent` is then the column of the mapping.
    """

    name: str
    expression: str
    parent: str = ""
    values: tuple[Any, ...]
    missing: bool

    def all(self, kind: type | tuple[type, ...]) -> bool:
        """Whether all values are of a type."""
        return all(isinstance(value, kind) for value in self.values)

    @property
    def is_text(self) -> bool:
        """Whether all values are texts."""
        return self.all(str)

    @property
    def is_int(self) -> bool:
        """Whether all values are whole numbers."""
        return self.all(int) and not any(isinstance(value, bool) for value in self.values)

    def is_list_of(self, kind: type) -> bool:
        """Whether all values are lists of a type."""
        return self.all(list) and all(isinstance(i, kind) for value in self.values for i in value)


def columns_of(records: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """The columns of records, and the keys of mappings that all records have, by expression."""
    names = dict.fromkeys(name for record in records for name in record)
    columns = [_column(name, reference(name), [r.get(name) for r in records]) for name in names]
    inner = [
        _column(key, f"{c.expression}[{literal(key)}]", [v[key] for v in c.values], parent=c.name)
        for c in columns
        if c.values and c.all(dict) and not c.missing
        for key in c.values[0]
        if all(key in value for value in c.values)
    ]
    # Their own columns first: a name inside a mapping says less.
    return {c.expression: c for c in (*columns, *inner)}


def _column(name: str, expression: str, found: Sequence[Any], *, parent: str = "") -> Column:
    values = tuple(value for value in found if not _is_empty(value))
    missing = len(values) < len(found)
    return Column(name=name, expression=expression, parent=parent, values=values, missing=missing)


def _is_empty(value: Any) -> bool:
    return value is None or value in ([], {}) or (isinstance(value, str) and not value.strip())


def reference(name: str) -> str:
    r"""The expression for a column, whatever it is called.

    >>> reference("question"), reference("Complete Question"), reference("it's")
    ('question', "record['Complete Question']", "record['it\\'s']")
    """
    if name.isascii() and name.isidentifier() and name not in _JINJA_WORDS:
        return name
    return f"record[{literal(name)}]"


def literal(text: str) -> str:
    r"""A text as Jinja writes it.

    >>> literal("it's")
    "'it\\'s'"
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + "".join(c if c.isprintable() else _escaped(c) for c in escaped) + "'"


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def field_name(column: str, *, taken: Iterable[str] = ()) -> str:
    """A name that a field may have, as near to the column's as it can be.

    >>> field_name("completeQuestion"), field_name("options"), field_name("2nd")
    ('complete_question', 'options_2', 'x2nd')
    """
    name = plain_name(column) or "column"
    name = name if name[0].isalpha() else f"x{name}"
    reserved = {*FIXED_TYPES, *DERIVED_FIELDS, "answer", "record", *taken} | _JINJA_WORDS
    number, free = 2, name
    while free in reserved:
        free, number = f"{name}_{number}", number + 1
    return free


def plain_name(column: str) -> str:
    """A column's name in lower case, its words apart.

    >>> plain_name("answerKey"), plain_name("Complete Question")
    ('answer_key', 'complete_question')
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column)
    return re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")
