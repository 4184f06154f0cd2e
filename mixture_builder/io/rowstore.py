"""The row store: the canonical rows of each task on disk; `stored_rows.py` reads them.

A task's rows stand in the order of their identity, in record batches of `BLOCK_ROWS` rows
(Arrow IPC, uncompressed), so any few of them are read without the rest. Beside the fields
stand `#id` (identity), `#place` (where upstream) and one `#key <field>` for each field (hash
of its text without case, spacing and punctuation).

    <store>/<task id>/<fingerprint of card source and code>/rows.arrow, meta.json, quarantine.jsonl

`meta.json` is written last: where it stands, the task is complete. A store may stand at a URL,
see `remote_store.py`; its root here is then the folder that stands for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from mixture_builder.cards import FieldType, TaskCard
from mixture_builder.draw import BLOCK_ROWS
from mixture_builder.errors import StoreError, ran_out
from mixture_builder.fingerprint import fingerprint
from mixture_builder.io.atomic import atomic_output
from mixture_builder.io.remote_store import (
    META_NAME,
    ROWS_NAME,
    origin,
    publish,
    read_meta,
    read_text,
    withdraw,
)
from mixture_builder.io.storage import at_once

STORE_VERSION = 1
"""Raised when rows, their order or their files change; stored tasks are then made anew."""

QUARANTINE_NAME = "quarantine.jsonl"
"""The file of a task's records that gave no row, in the task's folder."""

ID, PLACE, KEY = "#id", "#place", "#key "

_ARROW_TYPES: dict[FieldType, pa.DataType] = {
    "string": pa.string(),
    "list": pa.list_(pa.string()),
    "int": pa.int64(),
    # Not a text: it is read as the value that it says.
    "json": pa.binary(),
}


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
    return store / task / fingerprint_


def rows_schema(fields: Mapping[str, FieldType]) -> pa.Schema:
    """The schema of `rows.arrow` for a card's fields."""
    columns = [pa.field(name, _ARROW_TYPES[kind], nullable=False) for name, kind in fields.items()]
    keys = [pa.field(KEY + name, pa.uint64(), nullable=False) for name in fields]
    own = [pa.field(ID, pa.int64(), nullable=False), pa.field(PLACE, pa.string(), nullable=False)]
    return pa.schema(columns + own + keys)


def find_task(store: Path, task: str, fingerprint_: str) -> StoredTask | None:
    """The stored task, or `None` if it is not (completely) there.

    Raises:
      StoreError: if `meta.json` is there but cannot be understood.
    """
    folder = task_folder(store, task, fingerprint_)
    meta = folder / META_NAME
    try:
        raw = json.loads(read_meta(store, folder) if origin(store) else meta.read_bytes())
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


def write_task(
    store: Path,
    stored: StoredTask,
    *,
    batches: Iterator[pa.RecordBatch],
    schema: pa.Schema,
    quarantine: Iterable[Mapping[str, Any]],
) -> None:
    """Writes a task's files, `meta.json` last.

    Args:
      store: root of the row store.
      stored: the description.
      batches: the rows in order, each batch of `BLOCK_ROWS` but the last.
      schema: of the batches.
      quarantine: plain data of the records that gave no row.

    Raises:
      BuildError: if the storage refuses.
    """
    folder = task_folder(store, stored.task, stored.fingerprint)
    # What is described there may be about to be replaced by other rows.
    (folder / META_NAME).unlink(missing_ok=True)
    if origin(store):
        withdraw(store, folder, META_NAME)
    # Nothing waits for the disk: what a crash of the machine may lose is ingested again.
    rows = str(folder / ROWS_NAME)
    with atomic_output(rows, durable=False) as output, pa.ipc.new_file(output, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    with atomic_output(str(folder / QUARANTINE_NAME), durable=False) as output:
        for entry in quarantine:
            output.write(json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
    with atomic_output(str(folder / META_NAME), durable=False) as output:
        text = json.dumps(asdict(stored), ensure_ascii=False, indent=1)
        output.write(text.encode("utf-8", "replace"))
    if origin(store):
        publish(store, folder, (ROWS_NAME, QUARANTINE_NAME, META_NAME))
