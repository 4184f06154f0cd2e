"""All parts of a task: its runs become stored rows, or its failure is kept."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mixture_builder.cards import TaskCard
from mixture_builder.errors import BuildError, MixtureBuilderError, SourceError
from mixture_builder.fingerprint import fingerprint
from mixture_builder.io.mirror import has_scheme
from mixture_builder.io.remote_store import store_folder
from mixture_builder.io.rowstore import rows_schema, write_task
from mixture_builder.io.storage import chunks_of, exists, remove
from mixture_builder.io.stored_task import StoredTask, find_task, task_fingerprint
from mixture_builder.jobs.ingest.failures import forget_failure, keep_failure
from mixture_builder.jobs.ingest.merging import blocks, merge_order
from mixture_builder.jobs.ingest.planning import stamp, stamped
from mixture_builder.jobs.ingest.specs import QUARANTINE_ENTRIES, TaskSpec


def finish_task(spec: TaskSpec) -> StoredTask | str:
    """Merges the runs of a task into stored rows; gives the reason if that cannot be.

    Every record of the source is a row, a copy, filtered or in quarantine. Where the task
    fails, what its parts had put in quarantine stands in `failed.jsonl` instead.

    Raises:
      BuildError: if the storage refuses; that is no fault of the task.
    """
    store, card = store_folder(spec.store), spec.card
    earlier = _finished_before(spec, store)
    if earlier is not None:
        return earlier
    try:
        broken = next((p.error for p in spec.parts if p.error), "")
        if broken:
            raise SourceError(broken)
        with _runs_here(spec) as runs:
            stored = _finish(spec, store, runs)
        forget_failure(store, card)
        return stored
    except BuildError:
        raise
    except MixtureBuilderError as problem:
        entries = [entry for part in spec.parts for entry in part.entries]
        keep_failure(store, card, why=str(problem), entries=entries)
        return str(problem)
    finally:
        runs = [run for part in spec.parts for run in part.runs]
        remove(run for run in runs if has_scheme(run))
        for folder in {Path(run).parent for run in runs if not has_scheme(run)}:
            shutil.rmtree(folder, ignore_errors=True)


def _finished_before(spec: TaskSpec, store: Path) -> StoredTask | None:
    """The stored task, if a worker finished it whose answer was lost; its runs are gone."""
    runs = [run for part in spec.parts for run in part.runs]
    if not runs or all(map(_is_there, runs)):
        return None
    stored = find_task(store, spec.card.id, task_fingerprint(spec.card))
    return stored if stored is not None and stamped(stored) == stamp(spec.files) else None


def _is_there(run: str) -> bool:
    return exists(run) if has_scheme(run) else Path(run).exists()


@contextmanager
def _runs_here(spec: TaskSpec) -> Iterator[list[str]]:
    """The runs of a task as files of this machine, in the order of the parts."""
    runs = [run for part in sorted(spec.parts, key=lambda p: p.part) for run in part.runs]
    if not any(map(has_scheme, runs)):
        yield runs
        return
    with TemporaryDirectory(prefix="mixture-builder-") as folder:
        copies = [f"{folder}/{number}.arrow" for number in range(len(runs))]
        for run, copy in zip(runs, copies, strict=True):
            with open(copy, "wb") as file:
                file.writelines(chunks_of(run))
        yield copies


def _finish(spec: TaskSpec, store: Path, runs: Sequence[str]) -> StoredTask:
    card = spec.card
    parts = sorted(spec.parts, key=lambda p: p.part)
    records = sum(p.records for p in parts)
    quarantined: Counter[str] = Counter()
    for part in parts:
        quarantined.update(part.quarantined)
    filtered = sum(p.filtered for p in parts)
    schema = rows_schema({f.name: f.type for f in card.sources[spec.alternative].fields})
    order, ids = merge_order(runs, keep_duplicates=card.keep_duplicates)
    entries = [entry for part in parts for entry in part.entries][:QUARANTINE_ENTRIES]
    if not len(order):
        raise SourceError(_no_rows(card, records, filtered, quarantined, entries))
    seen = {name: facts for part in parts for name, facts in part.seen.items()}
    stored = StoredTask(
        task=card.id,
        fingerprint=task_fingerprint(card),
        rows=len(order),
        digest=fingerprint([len(order), hashlib.sha256(ids.tobytes()).hexdigest()]),
        records=records,
        duplicates=records - filtered - sum(quarantined.values()) - len(order),
        filtered=filtered,
        quarantined=dict(sorted(quarantined.items())),
        alternative=spec.alternative,
        files=tuple({**entry, **seen.get(entry["name"], {})} for entry in stamp(spec.files)),
        tried=spec.tried,
    )
    try:
        write_task(
            store,
            stored,
            batches=blocks(runs, order, ids, schema),
            schema=schema,
            quarantine=entries,
        )
    except SourceError as problem:
        raise SourceError(f"{card.file}: {card.id}: {problem}") from None
    return stored


def _no_rows(
    card: TaskCard,
    records: int,
    filtered: int,
    quarantined: Mapping[str, int],
    entries: Sequence[Mapping[str, Any]],
) -> str:
    if not records:
        return f"{card.file}: {card.id}: found no record in its source; expected at least one."
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(quarantined.items()))
    if filtered:
        reasons = f"{filtered:,} filtered by keep" + (f", {reasons}" if reasons else "")
    example = f" First: {entries[0]['place']}: {entries[0]['detail']}." if entries else ""
    return (
        f"{card.file}: {card.id}: none of {records:,} records gave a row ({reasons}).{example} "
        "Correct the card's fields."
    )
