"""What the sources of a mixture ask to have cited, as BibTeX: read from the mixture's manifest.

The texts of task cards come from many hands. Two cards may hold the same entry, one card may hold
several, and two papers may have got the same key, which BibTeX refuses: so texts are taken apart
into entries, each is kept once, and every key here is of one entry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mixture_builder.licences import about

_START = re.compile(r"(?m)^[ \t]*(?=@\w+\s*\{)")
_KEY = re.compile(r"(@\w+\s*\{\s*)([^,\s]+)")

_MOST_TASKS = 3
"""Tasks that stand above an entry; of more it gives the number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Citation:
    """One entry.

    Attributes:
      key: under which it is cited; no other entry of the mixture has it, in whatever case. Empty
        where a card holds something that is no BibTeX.
      text: of the entry, with that key.
      tasks: that cite it, in alphabetical order.
    """

    key: str
    text: str
    tasks: tuple[str, ...]


def citations_of(manifest: Mapping[str, Any]) -> list[Citation]:
    """What the tasks that gave examples cite: each entry once, in the order of their texts.

    Of different entries with one key, all but the first get a number at its end.

    Args:
      manifest: plain data of the manifest; of a mixture that is not built, it counts no examples,
        and all tasks are taken.
    """
    texts: Mapping[str, str] = manifest.get("citations", {})
    cited: dict[str, list[str]] = {}
    for name, task in manifest["tasks"].items():
        if task.get("realised") != 0:
            cited.setdefault(texts.get(about(task).get("citation", ""), ""), []).append(name)
    entries: dict[str, str] = {}
    tasks: dict[str, set[str]] = {}
    for text, names in sorted(cited.items()):
        for entry in filter(None, map(str.strip, _START.split(text))):
            same = " ".join(entry.split())
            entries.setdefault(same, entry)
            tasks.setdefault(same, set()).update(names)
    taken: set[str] = set()
    return [
        _with_own_key(entry, tasks=tuple(sorted(tasks[same])), taken=taken)
        for same, entry in sorted(entries.items())
    ]


def _with_own_key(entry: str, *, tasks: tuple[str, ...], taken: set[str]) -> Citation:
    found = _KEY.match(entry)
    if not found:
        return Citation(key="", text=entry, tasks=tasks)
    key = found[2]
    number = 0
    while key.casefold() in taken:
        number += 1
        key = f"{found[2]}_{number}"
    taken.add(key.casefold())
    return Citation(key=key, text=f"{found[1]}{key}{entry[found.end() :]}", tasks=tasks)


def keys_by_task(manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """Under which keys each task that cites something is cited."""
    keys: dict[str, list[str]] = {}
    for citation in citations_of(manifest):
        for task in citation.tasks:
            keys.setdefault(task, []).extend(filter(None, [citation.key]))
    return keys


def bibliography(manifest: Mapping[str, Any]) -> str:
    """All entries as a BibTeX file, each below the names of tasks that cite it."""
    entries = citations_of(manifest)
    lines = [f"% What the mixture {manifest['name']!r} is made of: {len(entries):,} citations."]
    for entry in entries:
        more = len(entry.tasks) - _MOST_TASKS
        shown = ", ".join(entry.tasks[:_MOST_TASKS]) + (f" and {more:,} more" if more > 0 else "")
        lines += ["", f"% {shown}", entry.text]
    return "\n".join(lines) + "\n"
