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
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from mixture_builder.cards import FieldType
from mixture_builder.io.atomic import atomic_output
from mixture_builder.io.remote_store import (
    META_NAME,
    ROWS_NAME,
    origin,
    publish,
    withdraw,
)
from mixture_builder.io.stored_task import QUARANTINE_NAME, StoredTask, task_folder

ID, PLACE, KEY = "#id", "#place", "#key "

_ARROW_TYPES: dict[FieldType, pa.DataType] = {
    "string": pa.string(),
    "list": pa.list_(pa.string()),
    "int": pa.int64(),
    # Not a text: it is read as the value that it says.
    "json": pa.binary(),
}


def rows_schema(fields: Mapping[str, FieldType]) -> pa.Schema:
    """The schema of `rows.arrow` for a card's fields."""
    columns = [pa.field(name, _ARROW_TYPES[kind], nullable=False) for name, kind in fields.items()]
    keys = [pa.field(KEY + name, pa.uint64(), nullable=False) for name in fields]
    own = [pa.field(ID, pa.int64(), nullable=False), pa.field(PLACE, pa.string(), nullable=False)]
    return pa.schema(columns + own + keys)


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
