"""What an ingest has to read: which tasks, of which of their sources, in which parts."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mixture_builder.cards import TaskCard
from mixture_builder.errors import SourceError
from mixture_builder.io.atomic import remove_leftovers
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import SourceFile, is_mirrored, source_files
from mixture_builder.io.stored_task import StoredTask, find_task, task_fingerprint, task_folder
from mixture_builder.jobs.ingest.specs import PartSpec

PART_BYTES = 64_000_000
"""Files of a task are read together up to this size, beyond it by several workers."""

SPILL_NAME = ".spill"
"""In the store: runs of tasks that are not finished."""


def stamp(files: Iterable[SourceFile]) -> list[dict[str, Any]]:
    """What tells whether local files have changed since they were ingested."""
    result = []
    for file in files:
        for each in (file, *file.beside):
            entry: dict[str, Any] = {"name": each.name}
            if each.size is not None:
                entry.update(bytes=each.size, modified=each.modified)
            result.append(entry)
    return result


def stamped(stored: StoredTask) -> list[dict[str, Any]]:
    """The stamp of the files that a task was stored from, to be compared with `stamp`."""
    return [
        # Of files elsewhere nothing is asked before they are read.
        {k: f[k] for k in ("name", "bytes", "modified") if k in f}
        if "modified" in f
        else {"name": f["name"]}
        for f in stored.files
    ]


def is_stored(card: TaskCard, *, store: Path, mirror: Mirror) -> StoredTask | None:
    """The stored task if it is there and its local files have not changed since."""
    stored = find_task(store, card.id, task_fingerprint(card))
    if stored is None:
        return None
    try:
        files = source_files(
            card.sources[stored.alternative].source, base=card.folder, mirror=mirror
        )
    except SourceError:
        # The source is out of reach now; what was read before still stands.
        return stored
    return stored if stamped(stored) == stamp(files) else None


def order_of_sources(card: TaskCard, *, mirror: Mirror) -> list[int]:
    """The card's alternatives in the order they are tried: those the user has copies of first."""
    numbers = range(len(card.sources))
    return sorted(numbers, key=lambda n: not is_mirrored(card.sources[n].source, mirror=mirror))


def plan_parts(card: TaskCard, *, store: Path, mirror: Mirror, alternative: int) -> list[PartSpec]:
    """The parts in which one of a card's sources is read.

    Raises:
      SourceError: if its files are not there.
    """
    files = source_files(card.sources[alternative].source, base=card.folder, mirror=mirror)
    spill = str(_new_spill_folder(store, card))
    groups: list[list[SourceFile]] = [[]]
    held = 0
    for file in files:
        # Of files elsewhere nothing is known: several a part, so that workers share them.
        size = PART_BYTES // 4 if file.size is None else file.size
        if groups[-1] and held + size > PART_BYTES:
            groups.append([])
            held = 0
        groups[-1].append(file)
        held += size
    return [
        PartSpec(
            card=card,
            store=str(store),
            alternative=alternative,
            part=number,
            files=tuple(group),
            spill=spill,
        )
        for number, group in enumerate(groups)
    ]


def _new_spill_folder(store: Path, card: TaskCard) -> Path:
    """Where the runs of a task stand until it is finished.

    One folder a task and plan: what one worker or command removes, no other writes into.
    """
    return store / SPILL_NAME / f"{card.id.replace('/', '--')}-{secrets.token_hex(8)}"


def remove_dead_work(store: Path, cards: Mapping[str, TaskCard]) -> None:
    """Deletes what an ingest that was killed has left: spilled runs, and half-written files.

    To be called by who holds the store's lock: then nobody else's work is unfinished.

    Args:
      store: root of the row store.
      cards: of the tasks that are ingested next, by id.
    """
    shutil.rmtree(store / SPILL_NAME, ignore_errors=True)
    for task, card in cards.items():
        remove_leftovers(str(task_folder(store, task, task_fingerprint(card))), alone=True)
