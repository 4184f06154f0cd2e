"""Leaving out rows that a recipe excludes: copies of stored tasks, without these rows.

A sieved copy stands beside the stored task it was made of, under a fingerprint of its own that
follows from that task's rows and from what was left out. No source is read again, and a task of
which nothing is left out has no copy. What is left out is counted by reason and listed in the
copy's quarantine.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mixture_builder.blocks import BLOCK_ROWS
from mixture_builder.errors import BuildError
from mixture_builder.fingerprint import fingerprint
from mixture_builder.io.excluded_rows import ExcludedOfTask
from mixture_builder.io.rowstore import ID, write_task
from mixture_builder.io.stored_rows import StoredRows
from mixture_builder.io.stored_task import StoredTask, find_task, task_folder
from mixture_builder.jobs.excluded import Excluded
from mixture_builder.render.batch import TooMuchTextError
from mixture_builder.render.text_arrays import one_batch

SIEVE_VERSION = 1
"""Raised when the same rows and lists would give other files."""

ENTRIES = 1_000
"""Rows of a task that are listed in quarantine; all are counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sieved:
    """What leaving out the rows of a mixture's tasks came to.

    Attributes:
      stored: the tasks, sieved where rows were left out.
      missing: how many rows the lists name that the store does not hold, by task.
    """

    stored: dict[str, StoredTask]
    missing: Mapping[str, int]


def sieve_tasks(stored: Mapping[str, StoredTask], excluded: Excluded, *, store: Path) -> Sieved:
    """Leaves out rows of stored tasks.

    Raises:
      StoreError: if stored rows cannot be read.
      BuildError: if the storage refuses.
    """
    result = dict(stored)
    missing = {}
    for task, of_task in excluded.items():
        if task not in stored:
            continue
        there = _in_store(stored[task], of_task, store=store)
        if not there.all():
            missing[task] = int(np.count_nonzero(~there))
        if there.any():
            result[task] = _sieve(stored[task], of_task.without(there), store=store)
    return Sieved(stored=result, missing=missing)


def rows_left(stored: StoredTask, of_task: ExcludedOfTask, *, store: Path) -> int:
    """How many rows of a task are left, without writing anything.

    Raises:
      StoreError: if stored rows cannot be read.
    """
    there = _in_store(stored, of_task, store=store)
    return stored.rows - int(np.count_nonzero(there))


def _rows_of(stored: StoredTask, store: Path) -> StoredRows:
    folder = task_folder(store, stored.task, stored.fingerprint)
    return StoredRows(folder, expected_rows=stored.rows)


def _in_store(stored: StoredTask, of_task: ExcludedOfTask, *, store: Path) -> npt.NDArray[np.bool_]:
    ids = _rows_of(stored, store).ids(np.arange(stored.rows))
    # The store keeps identities in order.
    places = np.searchsorted(ids, of_task.rows)
    found = places < len(ids)
    found[found] = ids[places[found]] == of_task.rows[found]
    return found


def _sieve(stored: StoredTask, of_task: ExcludedOfTask, *, store: Path) -> StoredTask:
    """The copy of a task without rows that it holds; found if it was made before."""
    left_out = hashlib.sha256(of_task.rows.tobytes())
    left_out.update("\n".join(of_task.reasons).encode())
    left_out.update("\n".join(of_task.evidence).encode("utf-8", "replace"))
    name = fingerprint(
        ["sieved", SIEVE_VERSION, stored.fingerprint, stored.digest, left_out.hexdigest()]
    )
    there_before = find_task(store, stored.task, name)
    if there_before is not None:
        return there_before
    rows = _rows_of(stored, store)
    ids = rows.ids(np.arange(stored.rows))
    kept = ids[~np.isin(ids, of_task.rows)]
    sieved = replace(
        stored,
        fingerprint=name,
        rows=len(kept),
        digest=fingerprint([len(kept), hashlib.sha256(kept.tobytes()).hexdigest()]),
        excluded=of_task.by_reason,
        excluded_digest=fingerprint(
            [len(of_task.rows), hashlib.sha256(of_task.rows.tobytes()).hexdigest()]
        ),
    )
    quarantine = task_folder(store, stored.task, stored.fingerprint) / "quarantine.jsonl"
    write_task(
        store,
        sieved,
        batches=_blocks(stored.task, rows, of_task.rows),
        schema=rows.schema,
        quarantine=[
            *_entries(rows, ids, of_task),
            *map(json.loads, quarantine.read_text(encoding="utf-8").splitlines()),
        ],
    )
    return sieved


def _entries(
    rows: StoredRows, ids: npt.NDArray[np.int64], of_task: ExcludedOfTask
) -> Iterator[dict[str, str]]:
    indices = np.searchsorted(ids, of_task.rows[:ENTRIES])
    for place, row, reason, evidence in zip(
        rows.places(indices), of_task.rows.tolist(), of_task.reasons, of_task.evidence, strict=False
    ):
        yield {
            "place": place,
            "reason": f"excluded_{reason}",
            "detail": f"row {row} is in a list of excluded rows: {evidence}",
            "excerpt": "",
        }


def _blocks(
    task: str, rows: StoredRows, left_out: npt.NDArray[np.int64]
) -> Iterator[pa.RecordBatch]:
    """The rows that stay, in full blocks but for the last.

    Raises:
      BuildError: if those of a block come to more than an Arrow array may hold.
    """
    waiting: list[pa.RecordBatch] = []
    held = 0
    for block in rows.blocks():
        keep = ~np.isin(block.column(rows.schema.get_field_index(ID)).to_numpy(), left_out)
        more = block if keep.all() else block.filter(pa.array(keep))
        missing = BLOCK_ROWS - held
        waiting.append(more.slice(0, missing))
        held += more.num_rows
        if held >= BLOCK_ROWS:
            yield _joined(task, waiting)
            waiting, held = [more.slice(missing)], held - BLOCK_ROWS
    if held:
        yield _joined(task, waiting)


def _joined(task: str, pieces: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    try:
        return one_batch(pieces)
    except TooMuchTextError:
        raise BuildError(
            f"{task}: {sum(piece.num_rows for piece in pieces)} rows that stand together once the "
            "excluded ones are left out come to more than 2.1 GB; expected less. Leave the longest "
            "records out with `keep` in the card, or exclude them too."
        ) from None


def counted_by_reason(stored: Mapping[str, StoredTask]) -> dict[str, int]:
    """How many rows of tasks are left out, by reason."""
    counts: Counter[str] = Counter()
    for task in stored.values():
        counts.update(task.excluded)
    return dict(sorted(counts.items()))
