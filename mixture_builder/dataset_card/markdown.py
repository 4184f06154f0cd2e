"""Tables and lists of names in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MOST_NAMED = 20
"""Tasks that a list names; of more it gives the number."""


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown; what stands in a cell cannot end it."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def named(tasks: Mapping[str, Any]) -> str:
    """The first of some tasks by name, of the others the number."""
    names = [f"`{name}`" for name in list(tasks)[:_MOST_NAMED]]
    more = len(tasks) - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more else "")
