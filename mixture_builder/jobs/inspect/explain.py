"""Where one record of a mixture comes from, and whether it can be made again letter for letter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mixture_builder.dealing import deal
from mixture_builder.draw import derive_seed
from mixture_builder.errors import StoreError, VerifyError
from mixture_builder.io.stored_rows import StoredRows
from mixture_builder.io.stored_task import StoredTask, find_task, task_folder
from mixture_builder.jobs.inspect.records import Record, load_lock, load_manifest, read_record
from mixture_builder.jobs.task_renderers import task_renderer
from mixture_builder.lock import Lock
from mixture_builder.plan import TaskPlan
from mixture_builder.render.parts import ExampleParts, whole
from mixture_builder.render.shots import shots_asked, shots_seed
from mixture_builder.templates import PromptTemplate, templates_to_json


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceRow:
    """A row of the store that a record was made of.

    Attributes:
      row: its identity, as the record's columns have it.
      place: where it stands upstream: file and place in it.
      fields: its canonical fields.
    """

    row: int
    place: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """All that made a record.

    Attributes:
      shard, position: where it stands in the mixture, both from 0.
      record: its columns as they stand in the shard.
      row: the row it asks about.
      exemplars: the rows its exemplars show, in the order shown.
      asked_exemplars: how many it asks for; it shows fewer where the prompt would be too long, or
        too few rows of the pool may be shown.
      template: plain data of the template.
      parts: its prompt and target taken apart, if it comes out the same when made again.
      sources: upstream files of the task, as far as ingest knew them.
      differences: what comes out otherwise when it is made again; empty if nothing does.
    """

    shard: int
    position: int
    record: Record
    row: SourceRow
    exemplars: tuple[SourceRow, ...]
    asked_exemplars: int
    template: Mapping[str, Any]
    parts: ExampleParts
    sources: tuple[Mapping[str, Any], ...]
    differences: tuple[str, ...]


def explain(out: str, *, store: Path, shard: int, position: int) -> Explanation:
    """Looks up and makes again one record of a finished mixture.

    Args:
      out: folder or URL of the mixture.
      store: root of the row store it was built from, or of one ingested from the same sources.
      shard: from 0.
      position: from 0, in the order of the shard's file.

    Raises:
      UsageError: if the mixture has no such record.
      VerifyError: if the mixture is damaged, or its record names what its lock does not.
      StoreError: if the store does not hold the rows it was built from.
    """
    manifest = load_manifest(out)
    record = read_record(out, manifest, shard=shard, row=position)
    lock = load_lock(out)
    task = _task_of(lock, record, out)
    template = _template_of(lock, task, record, out)
    stored = stored_task(lock, task.task, store=store)
    folder = task_folder(store, task.task, stored.fingerprint)
    rows = StoredRows(folder, expected_rows=task.rows)
    again, parts = made_again(lock, task, record, store=store)
    return Explanation(
        shard=shard,
        position=position,
        record=record,
        row=_source_row(rows, record["row"]),
        exemplars=tuple(_source_row(rows, row) for row in record["exemplar_rows"]),
        asked_exemplars=_asked_exemplars(lock, task, record["draw"]),
        template=templates_to_json((template,))[0],
        parts=parts,
        sources=stored.files,
        differences=tuple(_differences(record, again)),
    )


def _asked_exemplars(lock: Lock, task: TaskPlan, draw: int) -> int:
    draws = np.asarray([draw], dtype=np.int64)
    (served,), _ = deal([c.weight for c in task.cells], [c.quota for c in task.cells], draws)
    cell = task.cells[int(served)]
    if not cell.few_shot:
        return 0
    seed = shots_seed(derive_seed(lock.plan.seed, "task", task.task))
    return int(shots_asked(seed, draws, task.form_of(cell).counts)[0])


def made_again(
    lock: Lock, task: TaskPlan, record: Record, *, store: Path
) -> tuple[Record | str, ExampleParts]:
    """The record of the same draw, rendered anew, or why nothing comes of the draw; and its parts.

    Parts are those of the record as it is: they are known if its texts come out the same.
    """
    unknown = whole(record["inputs"], record["targets"])
    rendered, parts = task_renderer(lock, task, store=store).render_in_parts([record["draw"]])
    if not rendered.draws:
        drop = rendered.dropped[0]
        return f"the draw is dropped: {drop.reason}: {drop.detail}", unknown
    again = {
        "inputs": rendered.inputs[0],
        "targets": rendered.targets[0],
        "task_id": rendered.plan.task,
        "submixture": rendered.plan.submixture,
        "variant": rendered.variants[0],
        "template_id": rendered.templates[0],
        "style": rendered.styles[0],
        "num_exemplars": len(rendered.exemplar_rows[0]),
        "exemplar_rows": rendered.exemplar_rows[0],
        "row": rendered.rows[0],
        "draw": rendered.draws[0],
    }
    same = all(again[key] == record[key] for key in ("inputs", "targets"))
    return again, parts[record["draw"]] if same else unknown


def stored_task(lock: Lock, task: str, *, store: Path) -> StoredTask:
    """What the store knows of one task of a lock.

    Raises:
      StoreError: if it does not hold the very rows that the lock was made for.
    """
    locked = lock.tasks[task]
    stored = find_task(store, task, locked.stored)
    if stored is None or stored.digest != locked.digest:
        found = "other rows" if stored else "no rows"
        raise StoreError(
            f"{store}: found {found} of {task}; expected those that the mixture was built from "
            f"(digest {locked.digest}). Name the store it was built from with --store, or ingest "
            "its recipe again from the same sources."
        )
    return stored


def _task_of(lock: Lock, record: Record, out: str) -> TaskPlan:
    for task in lock.plan.tasks:
        if task.task == record["task_id"] and 0 <= record["draw"] < task.quota:
            return task
    raise VerifyError(
        f"{out}: found a record of draw {record['draw']} of the task '{record['task_id']}', which "
        "the lock does not have. Lock and shards are of different builds: build the mixture again."
    )


def _template_of(lock: Lock, task: TaskPlan, record: Record, out: str) -> PromptTemplate:
    for template in lock.templates[task.templates]:
        if template.id == record["template_id"]:
            return template
    raise VerifyError(
        f"{out}: found a record of the template '{record['template_id']}', which the lock does not "
        f"have for {task.task}. Lock and shards are of different builds: build the mixture again."
    )


def _source_row(rows: StoredRows, row_id: int) -> SourceRow:
    index = rows.index_of(row_id)
    if index < 0:
        raise StoreError(
            f"found no row {row_id} among the stored rows; expected it, because the record names "
            "it. The shard was changed after it was built: run verify."
        )
    at = np.asarray([index], dtype=np.int64)
    columns = rows.columns(rows.fields, at)
    return SourceRow(
        row=row_id,
        place=rows.places(at)[0],
        fields={name: values[0] for name, values in columns.items()},
    )


def _differences(record: Record, again: Record | str) -> list[str]:
    if isinstance(again, str):
        return [again]
    return [
        f"{name}: found {_short(found)} in the shard; made again it is {_short(again[name])}"
        for name, found in record.items()
        if again[name] != found
    ]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."
