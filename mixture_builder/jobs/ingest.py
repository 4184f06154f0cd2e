"""Ingest: from a card's source to stored rows.

    plan_ingest    what is to be read: a spec for each part of a task that is not stored yet
    ingest_part    one part: read files, make rows, spill sorted runs        (any worker)
    finish_task    all parts of a task: merge runs, drop copies, write rows  (any worker)

Specs and results are small and plain; rows travel through spilled Arrow files. Memory
depends on the size of a run, not of a source.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from mixture_builder.canonical import Row, RowMaker, RowProblem, row_identity, text_key
from mixture_builder.cards import CardSource, TaskCard
from mixture_builder.draw import BLOCK_ROWS, identity
from mixture_builder.errors import BuildError, MixtureBuilderError, SourceError, StoreError
from mixture_builder.fingerprint import fingerprint
from mixture_builder.io.atomic import atomic_output, remove_leftovers, sha256_of
from mixture_builder.io.mirror import Mirror, has_scheme
from mixture_builder.io.readers import (
    BadRecord,
    SourceFile,
    is_mirrored,
    may_pass,
    read_file,
    source_files,
)
from mixture_builder.io.remote_store import local_view, origin
from mixture_builder.io.rowstore import (
    ID,
    KEY,
    PLACE,
    StoredTask,
    find_task,
    rows_schema,
    task_fingerprint,
    task_folder,
    write_task,
)
from mixture_builder.io.storage import chunks_of, exists, read_whole, remove

RUN_ROWS = 20_000
"""Rows that are held before they are sorted and spilled."""

RUN_CHARS = 100_000_000
"""Characters that are held before that, so that long documents do not fill the memory."""

PART_BYTES = 64_000_000
"""Files of a task are read together up to this size, beyond it by several workers."""

FAILED_NAME = "failed.jsonl"
"""In a task's folder: why it could not be ingested, and its records in quarantine."""

PATIENCE_SECONDS = (1.0, 5.0)
"""How long is waited before a file on the network that broke off is read again."""

SPILL_NAME = ".spill"
"""In the store: runs of tasks that are not finished."""

QUARANTINE_ENTRIES = 1_000
"""Records that a task's quarantine keeps; all are counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartSpec:
    """One part of a task's source, for one worker.

    Attributes:
      card: the whole card.
      store: root of the row store; its URL, if workers are elsewhere.
      alternative: which of the card's sources.
      part: number of this part, from 0.
      files: what it reads.
      spill: folder or URL for the rows it spills.
    """

    card: TaskCard
    store: str
    alternative: int
    part: int
    files: tuple[SourceFile, ...]
    spill: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PartResult:
    """What reading one part came to.

    Attributes:
      runs: spilled files, each sorted by identity.
      error: why the part could not be read to its end; empty if it was.
    """

    task: str
    part: int
    alternative: int
    runs: tuple[str, ...]
    records: int
    filtered: int
    quarantined: Mapping[str, int]
    entries: tuple[Mapping[str, Any], ...]
    hashes: Mapping[str, str]
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskSpec:
    """All parts of one task, to be finished by one worker."""

    card: TaskCard
    store: str
    alternative: int
    files: tuple[SourceFile, ...]
    parts: tuple[PartResult, ...]
    tried: tuple[str, ...] = ()


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
    known = [{k: f[k] for k in f if k != "sha256"} for f in stored.files]
    return stored if known == stamp(files) else None


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


def ingest_part(spec: PartSpec) -> PartResult:
    """Reads one part and spills its rows; never raises for what is wrong with a source."""
    source = spec.card.sources[spec.alternative]
    reader = _PartReader(spec, source)
    error = ""
    try:
        for file in spec.files:
            reader.read(file)
        reader.spill()
    except SourceError as problem:
        error = str(problem)
    return PartResult(
        task=spec.card.id,
        part=spec.part,
        alternative=spec.alternative,
        runs=tuple(reader.runs),
        records=reader.records,
        filtered=reader.filtered,
        quarantined=dict(reader.quarantined),
        entries=tuple(reader.entries),
        hashes={} if error else _hashes(spec.files),
        error=error,
    )


class _PartReader:
    """Rows of one part, held until a run is full."""

    def __init__(self, spec: PartSpec, source: CardSource) -> None:
        self.spec = spec
        self.source = source
        self.maker = RowMaker(source, normalise=spec.card.normalise)
        self.fields = {f.name: f.type for f in source.fields}
        self.names = tuple(self.fields)
        self.schema = rows_schema(self.fields)
        self.held: list[tuple[int, str, Row]] = []
        self.characters = 0
        self.runs: list[str] = []
        self.records = 0
        self.filtered = 0
        self.quarantined: Counter[str] = Counter()
        self.entries: list[Mapping[str, Any]] = []

    def read(self, file: SourceFile) -> None:
        """Reads one file; what breaks off on the network is read again from its start."""
        for patience in PATIENCE_SECONDS:
            before = self._state()
            try:
                self._read(file)
                return
            except SourceError as problem:
                if file.size is not None or not may_pass(problem):
                    raise
            self._go_back(before)
            time.sleep(patience)
        self._read(file)

    def _state(self) -> tuple[Any, ...]:
        counts = (self.characters, self.records, self.filtered)
        return list(self.held), counts, Counter(self.quarantined), len(self.entries), len(self.runs)

    def _go_back(self, state: tuple[Any, ...]) -> None:
        """Forgets what has been read since; runs that were spilled held older rows as well."""
        self.held, counts, self.quarantined, entries, runs = state
        self.characters, self.records, self.filtered = counts
        del self.entries[entries:]
        for run in self.runs[runs:]:
            Path(run).unlink(missing_ok=True)
        del self.runs[runs:]

    def _read(self, file: SourceFile) -> None:
        for item in read_file(self.source.source, file):
            self.records += 1
            if isinstance(item, BadRecord):
                self.quarantine(item.place, item.reason, item.detail, item.excerpt)
                continue
            row = self.maker.row(item.record)
            if row is None:
                self.filtered += 1
            elif isinstance(row, RowProblem):
                where = f"fields.{row.field}: " if row.reason != "keep_error" else "keep: "
                self.quarantine(item.place, row.reason, where + row.detail, _excerpt(item.record))
            else:
                self.add(item.place, row, item.record)

    def add(self, place: str, row: Row, record: Mapping[str, Any]) -> None:
        try:
            key = row_identity(row, self.names)
        except UnicodeEncodeError:
            self.quarantine(place, "bad_text", "found half a surrogate pair", _excerpt(record))
            return
        self.held.append((key, place, row))
        self.characters += sum(_characters(value) for value in row.values())
        if len(self.held) >= RUN_ROWS or self.characters >= RUN_CHARS:
            self.spill()

    def quarantine(self, place: str, reason: str, detail: str, excerpt: str) -> None:
        self.quarantined[reason] += 1
        if len(self.entries) < QUARANTINE_ENTRIES:
            self.entries.append(
                {"place": place, "reason": reason, "detail": detail, "excerpt": excerpt}
            )

    def spill(self) -> None:
        if not self.held:
            return
        # Stable: of exact copies the first in the source comes first.
        self.held.sort(key=lambda entry: entry[0])
        columns: dict[str, Any] = {
            name: [row[name] for _, _, row in self.held] for name in self.names
        }
        columns[ID] = [key for key, _, _ in self.held]
        columns[PLACE] = [place for _, place, _ in self.held]
        for name in self.names:
            columns[KEY + name] = _keys(columns[name])
        batch = pa.RecordBatch.from_pydict(columns, schema=self.schema)
        name = f"part-{self.spec.part:05d}-run-{len(self.runs):05d}.arrow"
        path = f"{self.spec.spill}/{name}"
        with (
            atomic_output(path, durable=False) as output,
            pa.ipc.new_file(output, self.schema) as writer,
        ):
            writer.write_batch(batch)
        self.runs.append(path)
        self.held.clear()
        self.characters = 0


def _characters(value: Any) -> int:
    if isinstance(value, (str, bytes)):
        return len(value)
    return sum(map(len, value)) if isinstance(value, list) else 1


def _keys(values: Sequence[Any]) -> list[int]:
    """Text keys; values that repeat, such as definitions and labels, are hashed once."""
    known: dict[Any, int] = {}
    result = []
    for value in values:
        hashable = tuple(value) if isinstance(value, list) else value
        key = known.get(hashable)
        if key is None:
            key = known[hashable] = text_key(value)
        result.append(key)
    return result


def _excerpt(record: Mapping[str, Any]) -> str:
    text = json.dumps(record, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else text[:197] + "..."


def _hashes(files: Iterable[SourceFile]) -> dict[str, str]:
    """SHA-256 of the local files of a part, by name."""
    result = {}
    for file in files:
        for each in (file, *file.beside):
            if each.size is not None and each.location is not None:
                with open(each.location, "rb") as stream:
                    result[each.name] = sha256_of(stream)
    return result


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
        remove_leftovers(str(task_folder(store, task, task_fingerprint(card))))


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
        _forget_failure(store, card)
        return stored
    except BuildError:
        raise
    except MixtureBuilderError as problem:
        detail = without_locations(str(problem))
        reason = {"place": card.file, "reason": "left_out", "detail": detail, "excerpt": ""}
        lines = [reason, *(entry for part in spec.parts for entry in part.entries)]
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in lines)
        for place in _failure_places(store, card):
            with atomic_output(place, durable=False) as output:
                output.write(text.encode("utf-8", "replace"))
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
    known = [] if stored is None else [{k: f[k] for k in f if k != "sha256"} for f in stored.files]
    return stored if stored is not None and known == stamp(spec.files) else None


def _is_there(run: str) -> bool:
    return exists(run) if has_scheme(run) else Path(run).exists()


def store_folder(store: str) -> Path:
    """The row store that a spec names, as a folder of this machine."""
    return local_view(store) if has_scheme(store) else Path(store)


def _failure_places(store: Path, card: TaskCard) -> list[str]:
    """Where the failure of a task is told; at a URL under a name that needs no listing."""
    here = task_folder(store, card.id, task_fingerprint(card)) / FAILED_NAME
    there = [f"{origin(store)}/{card.id}/{FAILED_NAME}"] if origin(store) else []
    return [str(here), *there]


def _forget_failure(store: Path, card: TaskCard) -> None:
    here, *there = _failure_places(store, card)
    Path(here).unlink(missing_ok=True)
    remove(there)


def failed_texts(store: Path, task: str) -> list[str]:
    """What the store keeps of failures to ingest a task; of an earlier form of its card, too.

    Raises:
      StoreError: if the storage refuses.
    """
    texts = [p.read_text(encoding="utf-8") for p in sorted((store / task).glob(f"*/{FAILED_NAME}"))]
    if origin(store):
        url = f"{origin(store)}/{task}/{FAILED_NAME}"
        try:
            texts.append(read_whole(url).decode("utf-8"))
        except FileNotFoundError:
            pass
        except OSError as problem:
            raise StoreError(f"{url}: cannot be read ({problem}). Check access to it.") from problem
    return texts


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


def without_locations(message: str) -> str:
    """A message about a source without the place on this machine where it was read from.

    What goes into a mixture must be the same wherever it is built.
    """
    return _LOCATION.sub("", message)


_LOCATION = re.compile(r" \(read from [^()]*\)")


def _finish(spec: TaskSpec, store: Path, runs: Sequence[str]) -> StoredTask:
    card = spec.card
    parts = sorted(spec.parts, key=lambda p: p.part)
    records = sum(p.records for p in parts)
    quarantined: Counter[str] = Counter()
    for part in parts:
        quarantined.update(part.quarantined)
    filtered = sum(p.filtered for p in parts)
    schema = rows_schema({f.name: f.type for f in card.sources[spec.alternative].fields})
    order, ids = _merge_order(runs, keep_duplicates=card.keep_duplicates)
    entries = [entry for part in parts for entry in part.entries][:QUARANTINE_ENTRIES]
    if not len(order):
        raise SourceError(_no_rows(card, records, filtered, quarantined, entries))
    hashes = {name: digest for part in parts for name, digest in part.hashes.items()}
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
        files=tuple(
            {**entry, **({"sha256": hashes[entry["name"]]} if entry["name"] in hashes else {})}
            for entry in stamp(spec.files)
        ),
        tried=spec.tried,
    )
    write_task(
        store,
        stored,
        batches=_blocks(runs, order, ids, schema),
        schema=schema,
        quarantine=entries,
    )
    return stored


def _merge_order(runs: Sequence[str], *, keep_duplicates: bool) -> tuple[Any, Any]:
    """Global positions of the rows in the order of identity, and their identities.

    Only identities are held: eight bytes a row. Copies keep their first row; where copies
    are kept, each further one gets an identity of its own.
    """
    keys = [_open_run(run).get_batch(0).column(ID).to_numpy() for run in runs]
    ids = np.concatenate(keys) if keys else np.zeros(0, dtype=np.int64)
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    first = np.ones(len(ids), dtype=bool)
    first[1:] = ids[1:] != ids[:-1]
    if not keep_duplicates:
        return order[first], ids[first]
    starts = np.maximum.accumulate(np.where(first, np.arange(len(ids)), 0))
    occurrence = np.arange(len(ids)) - starts
    new_ids = ids.copy()
    for place in np.flatnonzero(occurrence).tolist():
        new_ids[place] = _copy_identity(int(ids[place]), int(occurrence[place]))
    again = np.argsort(new_ids, kind="stable")
    return order[again], new_ids[again]


def _copy_identity(row_id: int, occurrence: int) -> int:

    return identity(f"{row_id}\x1d{occurrence}".encode())


def _open_run(path: str) -> Any:
    return pa.ipc.open_file(pa.memory_map(path))


def _blocks(
    runs: Sequence[str], order: Any, ids: Any, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    batches = [_open_run(run).get_batch(0) for run in runs]
    starts = np.cumsum([0, *(b.num_rows for b in batches)])
    for begin in range(0, len(order), BLOCK_ROWS):
        places = order[begin : begin + BLOCK_ROWS]
        owner = np.searchsorted(starts, places, side="right") - 1
        pieces = []
        positions = np.empty(len(places), dtype=np.int64)
        done = 0
        for run in np.unique(owner):
            mine = np.flatnonzero(owner == run)
            pieces.append(batches[run].take(pa.array(places[mine] - starts[run])))
            positions[mine] = np.arange(done, done + len(mine))
            done += len(mine)
        block = pieces[0] if len(pieces) == 1 else pa.concat_batches(pieces)
        block = block.take(pa.array(positions))
        at = schema.get_field_index(ID)
        yield block.set_column(at, schema.field(at), pa.array(ids[begin : begin + BLOCK_ROWS]))


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
