"""How reports look: tables, numbers, JSON."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import click


def show_json(data: Any) -> None:
    """Prints plain data for other programs."""
    click.echo(json.dumps(data, ensure_ascii=False, indent=1, default=_plain))


def show_json_list(items: Iterable[Any]) -> None:
    """Prints a list of plain data, an item a line: each is written as soon as it is made."""
    separator = "["
    for item in items:
        text = json.dumps(item, ensure_ascii=False, separators=(",", ":"), default=_plain)
        click.echo(f"{separator}\n{text}", nl=False)
        separator = ","
    click.echo("[]" if separator == "[" else "\n]")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON")


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[str] = ()
) -> str:
    """Columns side by side, two spaces apart.

    Args:
      header: names of the columns.
      rows: as many texts as there are columns.
      right: names of columns whose texts stand at the right, such as numbers.

    >>> print(table(["id", "rows"], [["a", "1"], ["bc", "12"]], right=["rows"]))
    id  rows
    a      1
    bc    12
    """
    widths = [max(map(display_width, column)) for column in zip(header, *rows, strict=True)]
    lines = []
    for row in (header, *rows):
        cells = []
        for name, text, width in zip(header, row, widths, strict=True):
            space = " " * (width - display_width(text))
            cells.append(space + text if name in right else text + space)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def display_width(text: str) -> int:
    """Columns a text takes on a terminal: wide letters take two, combining marks none.

    >>> display_width("abc"), display_width("日本")
    (3, 4)
    """
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(bool(unicodedata.combining(c)) for c in text)


def facts(pairs: Sequence[tuple[str, str]], *, indent: str = "  ") -> str:
    """Names and values, a line each; the values stand below one another."""
    width = max((len(name) for name, _ in pairs), default=0)
    blank = "\n" + indent + " " * (width + 2)
    return "\n".join(
        f"{indent}{name:<{width}}  {text.replace(chr(10), blank)}".rstrip() for name, text in pairs
    )


def byte_size(count: int) -> str:
    """A number of bytes as people say it.

    >>> byte_size(0), byte_size(999), byte_size(1_900_000)
    ('0 B', '999 B', '1.9 MB')
    """
    size, units = float(count), ["B", "kB", "MB", "GB", "TB", "PB"]
    while size >= 999.5 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.0f} B" if units[0] == "B" else f"{size:.1f} {units[0]}"


def per_cent(share: Fraction | float) -> str:
    """A fraction of 1 in per cent, with as many digits as small shares need.

    >>> per_cent(Fraction(5, 12)), per_cent(0.00123), per_cent(0)
    ('41.7 %', '0.12 %', '0 %')
    """
    value = float(share) * 100
    if not value:
        return "0 %"
    return f"{value:.1f} %" if value >= 1 else f"{value:.2g} %"


def counted(counts: Mapping[str, int]) -> str:
    """`"12 missing_field, 3 wrong_type"`, or `"0"`.

    >>> counted({"b": 1_000, "a": 2}), counted({})
    ('2 a, 1,000 b', '0')
    """
    return ", ".join(f"{n:,} {name}" for name, n in sorted(counts.items())) or "0"


def many(count: int, thing: str) -> str:
    """A number of things, in the right number.

    >>> many(1, "task"), many(1_586, "task")
    ('1 task', '1,586 tasks')
    """
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def indented(text: str, prefix: str = "    ") -> str:
    """A text with something before each of its lines."""
    return "\n".join(f"{prefix}{line}".rstrip() for line in text.split("\n"))
