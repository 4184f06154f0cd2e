"""What the row store says of a task, read without its rows: see `rowstore.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mixture_builder.blocks import BLOCK_ROWS
from mixture_builder.cards import TaskCard
from mixture_builder.errors import StoreError, ran_out
from mixture_builder.fingerprint import fingerprint
from mixture_builder.io.remote_store import META_NAME, origin, read_meta, read_text
from mixture_builder.io.storage import at_once
from mixture_builder.lock import Lock

STORE_VERSION = 1
"""Raised when rows, their order or their files change; stored tasks are then made anew."""

QUARANTINE_NAME = "quarantine.jsonl"
"""The file of a task's records that gave no row, in the task's folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredTask:
    """What the store knows of a task: the content of `meta.json`.

    Attributes:
      task: its id.
      fingerprint: of the card's source and the code, names the folder.
      rows: how many there are.
      digest: hash of all identities in order: equal digests, equal rows.
      records: upstream records read.
      duplicates: exact copies that were left out.
      filtered: records for which `keep` was false.
      quarantined: records that gave no row, by reason.
      alternative: which of the card's sources was used, from 0.
      files: of the source: name, size, when changed, SHA-256, as far as they are known.
      tried: why alternatives before it could not be read.
      excluded: rows that a recipe's lists left out, by reason; see `jobs.sieve`.
      excluded_digest: hash of their identities; empty if there are none.
    """

    task: str
    fingerprint: str
    rows: int
    digest: str
    records: int
    duplicates: int
    filtered: int
    quarantined: Mapping[str, int]
    alternative: int
    files: tuple[Mapping[str, Any], ...]
    tried: tuple[str, ...] = ()
    excluded: Mapping[str, int] = field(default_factory=dict)
    excluded_digest: str = ""


def task_fingerprint(card: TaskCard) -> str:
    """What a stored task is called: equal for cards that give the same rows."""
    return fingerprint([STORE_VERSION, BLOCK_ROWS, card.rows_fingerprint()])


def task_folder(store: Path, task: str, fingerprint_: str) -> Path:
    """Where a task's files stand."""
    return store / f"{task}/{fingerprint_}"


def find_task(store: Path, task: str, fingerprint_: str) -> StoredTask | None:
    """The stored task, or `None` if it is not (completely) there.

    Raises:
      StoreError: if `meta.json` is there but cannot be understood.
    """
    folder = task_folder(store, task, fingerprint_)
    meta = folder / META_NAME
    try:
        raw = json.loads(read_meta(store, folder) if origin(store) else _bytes_of(meta))
        raw["files"], raw["tried"] = tuple(raw["files"]), tuple(raw["tried"])
        return StoredTask(**raw)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as problem:
        if ran_out(problem):
            raise
        if origin(store) and isinstance(problem, OSError):
            raise StoreError(
                f"{origin(store)}: the description of {task} cannot be read ({problem}). Check "
                "access to the store, then run the same command again."
            ) from problem
        raise StoreError(
            f"{meta}: found no readable description of stored rows ({problem}). Delete the folder "
            f"{meta.parent} and run ingest again."
        ) from None


def _bytes_of(file: Path) -> bytes:
    # Thousands of tasks are looked up before anything else is done: no buffer, no encoding.
    with open(file, "rb", buffering=0) as stream:
        return stream.read()


def find_tasks(store: Path, wanted: Mapping[str, str]) -> dict[str, StoredTask]:
    """Those of the wanted tasks (and their fingerprints) that are stored.

    Raises:
      StoreError: as for `find_task`.
    """

    def find(task: str) -> StoredTask | None:
        return find_task(store, task, wanted[task])

    # A store elsewhere answers slowly, but many at a time.
    found = at_once(find, wanted) if origin(store) else list(map(find, wanted))
    return {task: each for task, each in zip(wanted, found, strict=True) if each is not None}


def read_quarantine(store: Path, task: str, fingerprint_: str) -> str:
    """JSON Lines of a stored task's records that gave no row.

    Raises:
      StoreError: if the store has lost them.
    """
    folder = task_folder(store, task, fingerprint_)
    path = folder / QUARANTINE_NAME
    try:
        if origin(store):
            return read_text(store, folder, QUARANTINE_NAME)
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise StoreError(f"{path}: {problem.strerror or problem}. Run ingest again.") from None


def stored_tasks(lock: Lock, *, store: Path) -> dict[str, StoredTask]:
    """What the store knows of the lock's tasks; those it does not hold are missing."""
    return find_tasks(store, {task: locked.stored for task, locked in lock.tasks.items()})
