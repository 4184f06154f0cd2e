"""The sample records of each task, taken apart as far as the row store allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mixture_builder.audit.context import AuditContext
from mixture_builder.io.stored_rows import StoredRows
from mixture_builder.io.stored_task import task_folder
from mixture_builder.jobs.inspect.records import Record, read_batches
from mixture_builder.jobs.task_renderers import task_renderer
from mixture_builder.render.parts import ExampleParts, whole


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRecord:
    """A record that is shown.

    Attributes:
      shard: file below the mixture's folder.
      row: place in that file, from 0.
      record: its columns.
      parts: its prompt and target; told apart if it comes out the same when made again.
      place: where its row stands upstream; empty without the row store.
      fields: canonical fields of its row; empty without the row store.
    """

    shard: str
    row: int
    record: Record
    parts: ExampleParts
    place: str
    fields: Mapping[str, Any]


def sample_records(
    told: Mapping[str, Any], context: AuditContext
) -> dict[str, tuple[SampleRecord, ...]]:
    """The records that the document of an audit names as samples, by task.

    Args:
      told: the document.
      context: of the audit.

    Raises:
      VerifyError: if a shard is damaged.
    """
    wanted = {task: facts.get("samples", ()) for task, facts in told["tasks"].items()}
    read = _read(wanted, context) if context.built else {}
    return {
        task: _of_task(task, places, read, context) for task, places in wanted.items() if places
    }


def _read(
    wanted: Mapping[str, Sequence[Mapping[str, Any]]], context: AuditContext
) -> dict[tuple[str, int], Record]:
    """Records by shard and place: shards are gone through once, and only these are kept."""
    rows: dict[str, list[int]] = {}
    for places in wanted.values():
        for place in places:
            rows.setdefault(place["shard"], []).append(place["row"])
    found: dict[tuple[str, int], Record] = {}
    for shard, numbers in rows.items():
        asked = np.sort(np.asarray(numbers, dtype=np.int64))
        start = 0
        for batch in read_batches(f"{context.out}/{shard}", format=context.manifest["format"]):
            end = start + batch.num_rows
            inside = asked[np.searchsorted(asked, start) : np.searchsorted(asked, end)]
            records = batch.take((inside - start).tolist()).to_pylist() if len(inside) else []
            for number, record in zip(inside.tolist(), records, strict=True):
                found[shard, number] = record
            start = end
    return found


def _of_task(
    name: str,
    places: Sequence[Mapping[str, Any]],
    read: Mapping[tuple[str, int], Record],
    context: AuditContext,
) -> tuple[SampleRecord, ...]:
    made: dict[int, tuple[Record, ExampleParts]] = {}
    rows: StoredRows | None = None
    if context.store:
        made, rows = _made(name, [place["draw"] for place in places], context)
    samples = []
    for place in places:
        again = made.get(place["draw"])
        record = read.get((place["shard"], place["row"])) or (again[0] if again else None)
        if record is None:
            continue
        text = (record["inputs"], record["targets"])
        same = again is not None and text == (again[0]["inputs"], again[0]["targets"])
        parts = again[1] if again is not None and same else whole(*text)
        at, fields = _source_row(rows, record["row"])
        samples.append(
            SampleRecord(
                shard=place["shard"],
                row=place["row"],
                record=record,
                parts=parts,
                place=at,
                fields=fields,
            )
        )
    return tuple(samples)


def _made(
    name: str, draws: Sequence[int], context: AuditContext
) -> tuple[dict[int, tuple[Record, ExampleParts]], StoredRows | None]:
    """The records of some draws, rendered anew, by draw."""
    lock, store = context.locked, Path(context.store)
    plan = context.tasks[name].plan
    rows = StoredRows(task_folder(store, name, lock.tasks[name].stored), expected_rows=plan.rows)
    # A record whose draw is none of the plan's is shown as it is.
    known = sorted({draw for draw in draws if 0 <= draw < plan.quota})
    if not known:
        return {}, rows
    rendered, parts = task_renderer(lock, plan, store=store).render_in_parts(known)
    made = {}
    for place, draw in enumerate(rendered.draws):
        record = {
            "inputs": rendered.inputs[place],
            "targets": rendered.targets[place],
            "task_id": name,
            "submixture": plan.submixture,
            "variant": rendered.variants[place],
            "template_id": rendered.templates[place],
            "style": rendered.styles[place],
            "num_exemplars": len(rendered.exemplar_rows[place]),
            "exemplar_rows": rendered.exemplar_rows[place],
            "row": rendered.rows[place],
            "draw": draw,
        }
        made[int(draw)] = (record, parts[draw])
    return made, rows


def _source_row(rows: StoredRows | None, identity: int) -> tuple[str, dict[str, Any]]:
    index = rows.index_of(identity) if rows is not None else -1
    if rows is None or index < 0:
        return "", {}
    at = np.asarray([index], dtype=np.int64)
    columns = rows.columns(rows.fields, at)
    return rows.places(at)[0], {name: values[0] for name, values in columns.items()}
