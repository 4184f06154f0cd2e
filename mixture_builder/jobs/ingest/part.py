"""One part of a task's source: its files are read, its rows spilled in sorted runs."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from mixture_builder.canonical import Row, RowMaker, RowProblem, row_identity, text_key
from mixture_builder.cards import CardSource
from mixture_builder.errors import SourceError
from mixture_builder.io.atomic import atomic_output, sha256_of
from mixture_builder.io.readers import BadRecord, SeenFile, SourceFile, may_pass, read_file
from mixture_builder.io.rowstore import ID, KEY, PLACE, rows_schema
from mixture_builder.jobs.ingest.specs import QUARANTINE_ENTRIES, PartResult, PartSpec

RUN_ROWS = 20_000
"""Rows that are held before they are sorted and spilled."""

RUN_CHARS = 100_000_000
"""Characters that are held before that, so that long documents do not fill the memory."""

PATIENCE_SECONDS = (1.0, 5.0)
"""How long is waited before a file on the network that broke off is read again."""


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
        seen={} if error else {**reader.seen, **_hashes(spec.files)},
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
        self.seen: dict[str, Mapping[str, Any]] = {}
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
        for item in read_file(self.source.source, file, on_seen=self._note):
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

    def _note(self, name: str, found: SeenFile) -> None:
        facts = {"bytes": found.bytes, "sha256": found.sha256}
        self.seen[name] = {k: v for k, v in facts.items() if v not in {None, ""}}

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


def _hashes(files: Iterable[SourceFile]) -> dict[str, dict[str, Any]]:
    """SHA-256 of the local files of a part, by name."""
    result: dict[str, dict[str, Any]] = {}
    for file in files:
        for each in (file, *file.beside):
            if each.size is not None and each.location is not None:
                with open(each.location, "rb") as stream:
                    result[each.name] = {"sha256": sha256_of(stream)}
    return result
