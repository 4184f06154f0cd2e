"""The row store: the canonical rows of each task on disk, read by memory map.

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
import mmap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.ipc

from mixture_builder.cards import FieldType, TaskCard
from mixture_builder.draw import BLOCK_ROWS, Bits, Indices
from mixture_builder.errors import StoreError, ran_out
from mixture_builder.fingerprint import fingerprint
from mixture_builder.io.atomic import atomic_output
from mixture_builder.io.remote_store import (
    META_NAME,
    ROWS_NAME,
    fetch_missing,
    origin,
    publish,
    read_meta,
    read_text,
    withdraw,
)
from mixture_builder.io.storage import at_once
from mixture_builder.render.columnar_texts import as_list

STORE_VERSION = 1
"""Raised when rows, their order or their files change; stored tasks are then made anew."""

Number = TypeVar("Number", np.int64, np.uint64)

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


class StoredRows:
    """The rows of one stored task; reads only the blocks it is asked for.

    Raises:
      StoreError: if the file is missing, damaged, or holds another number of rows.
    """

    def __init__(self, folder: Path, *, expected_rows: int) -> None:
        self._path = folder / ROWS_NAME
        if not self._path.exists():
            fetch_missing(folder)
        try:
            # Arrow reads its own memory maps on its input threads; a buffer over Python's is
            # read here, which saves a change of threads for each of many small tasks.
            with self._path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._reader = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped)))
        except (OSError, ValueError, pa.ArrowInvalid) as problem:
            if ran_out(problem):
                raise
            raise StoreError(
                f"{self._path}: the stored rows cannot be read ({problem}). Run ingest again."
            ) from None
        self.count = expected_rows
        self._blocks: dict[int, pa.RecordBatch] = {}
        blocks = self._reader.num_record_batches
        if blocks != -(-expected_rows // BLOCK_ROWS) or (
            blocks
            and self._reader.get_batch(blocks - 1).num_rows
            != expected_rows - (blocks - 1) * BLOCK_ROWS
        ):
            raise StoreError(
                f"{self._path}: expected {expected_rows:,} rows, found another number. Run ingest "
                "again."
            )
        names = self._reader.schema.names
        self._places = {name: place for place, name in enumerate(names)}
        schema = self.schema = self._reader.schema
        self.text_fields = frozenset(
            n for n in names if not n.startswith("#") and pa.types.is_string(schema.field(n).type)
        )
        self.list_fields = frozenset(
            n
            for n in names
            if not n.startswith("#") and schema.field(n).type == pa.list_(pa.string())
        )
        self.fields: tuple[str, ...] = tuple(n for n in names if not n.startswith("#"))

    def _take(self, names: list[str], indices: Indices) -> list[pa.Array]:
        """Some columns of rows, in the order of `indices`."""
        numbers = indices // BLOCK_ROWS
        first, last = int(numbers.min()), int(numbers.max())
        if first == last:
            block = self._block(first)
            places = _as_arrow(indices - first * BLOCK_ROWS)
            return [block.column(self._places[name]).take(places) for name in names]
        used = np.zeros(last - first + 1, dtype=np.int64)
        used[numbers - first] = 1
        blocks = [self._block(int(b) + first) for b in np.flatnonzero(used)]
        # Only the last block of a task is short, and it sorts last, so places hold.
        rank = np.cumsum(used) - 1
        places = _as_arrow(rank[numbers - first] * BLOCK_ROWS + indices % BLOCK_ROWS)
        return [
            pa.concat_arrays([b.column(self._places[name]) for b in blocks]).take(places)
            for name in names
        ]

    def _block(self, number: int) -> pa.RecordBatch:
        # A block is a view of the mapped file: keeping it costs its description only.
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = self._reader.get_batch(number)
        return block

    def blocks(self) -> Iterator[pa.RecordBatch]:
        """All rows in order, block by block, with their own columns; no block is kept."""
        for number in range(self._reader.num_record_batches):
            yield self._reader.get_batch(number)

    def arrays(self, names: Sequence[str], indices: Indices) -> dict[str, pa.Array]:
        """Some fields for rows in the order of `indices`, as Arrow columns."""
        return dict(zip(names, self._take(list(names), indices), strict=True))

    def columns(self, names: Iterable[str], indices: Indices) -> dict[str, list[Any]]:
        """The values of some fields for rows in the order of `indices`."""
        wanted = list(names)
        if not len(indices):
            return {name: [] for name in wanted}
        taken = self._take(wanted, indices)
        return {name: as_list(column) for name, column in zip(wanted, taken, strict=True)}

    def ids(self, indices: Indices) -> npt.NDArray[np.int64]:
        """The identities of rows."""
        if not len(indices):
            return np.zeros(0, dtype=np.int64)
        return _as_numpy(self._take([ID], indices)[0], np.int64)

    def keys(self, name: str, indices: Indices) -> Bits:
        """For one field, a hash of its text without case, spacing and punctuation."""
        if not len(indices):
            return np.zeros(0, dtype=np.uint64)
        return _as_numpy(self._take([KEY + name], indices)[0], np.uint64)

    def places(self, indices: Indices) -> list[str]:
        """Where upstream rows stand."""
        return as_list(self._take([PLACE], indices)[0])

    def index_of(self, row_id: int) -> int:
        """The index of the row with an identity; -1 if there is none."""
        for block in range(self._reader.num_record_batches):
            ids = self._reader.get_batch(block).column(ID).to_numpy()
            found = np.flatnonzero(ids == row_id)
            if len(found):
                return block * BLOCK_ROWS + int(found[0])
        return -1


# `pa.array` and `to_numpy` import pandas, where it is installed, before they do anything: half as
# much work as all other imports together. A reader of single records does with the two below.


def _as_arrow(numbers: Indices) -> pa.Array:
    """The same numbers for Arrow."""
    buffer = pa.py_buffer(np.ascontiguousarray(numbers, dtype=np.int64))
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, buffer])


def _as_numpy(numbers: pa.Array, kind: type[Number]) -> npt.NDArray[Number]:
    """The same numbers, of which none is missing, for numpy; read only."""
    start = numbers.offset * np.dtype(kind).itemsize
    return np.frombuffer(numbers.buffers()[1], dtype=kind, count=len(numbers), offset=start)
