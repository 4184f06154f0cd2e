"""Sources for tasks whose upstream is out of reach: records are grown and written as its files.

A mirror then says that these files stand for the addresses in the cards, so that the cards are
read as they are.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.grown_rows import Record, fitting, grow
from benchmarks.upstream_files import CannotWriteError, write_source
from mixture_builder.cards import CardSource, TaskCard
from mixture_builder.errors import SourceError
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import SourceRecord, read_source
from mixture_builder.io.readers.files import hub_key
from mixture_builder.sources import Source

MOST_BASES = 8
"""Records of a source that others are grown from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Choice:
    """A source that can be written, and the records to grow from."""

    alternative: CardSource
    bases: list[Record]


def grow_sources(
    cards: Mapping[str, TaskCard],
    *,
    read_from: Mapping[str, int],
    mirror: Mirror,
    folder: Path,
    rows: int,
) -> tuple[dict[str, str], dict[str, int]]:
    """Writes files for some cards.

    Cards that name one source share its file, as they do upstream; an address that two sources
    read differently is given to the first.

    Args:
      cards: by id.
      read_from: the alternative of a card that has some rows; they are grown from. The rows
        of the other cards are grown from their samples.
      mirror: what these rows are read through.
      folder: for the files.
      rows: how many a task gets, about.

    Returns:
      Entries of a mirror, and how many records were written for each task. A task that none
      could be written for is missing.
    """
    choices = {
        task: deque(_choices(card, read_from.get(task), mirror)) for task, card in cards.items()
    }
    entries: dict[str, str] = {}
    grown: dict[str, int] = {}
    owners: dict[str, Source] = {}
    pending = list(cards)
    written = 0
    while pending:
        groups: dict[Source, list[str]] = {}
        for task in pending:
            left = choices[task]
            while left and _taken(left[0].alternative.source, owners):
                left.popleft()
            if left:
                source = left[0].alternative.source
                owners.update(dict.fromkeys(_addresses(source), source))
                groups.setdefault(source, []).append(task)
        pending = []
        for source, tasks in groups.items():
            records = _together([choices[task][0] for task in tasks], rows=rows)
            try:
                entries |= write_source(source, records, folder / f"{written:04d}")
            except CannotWriteError:
                for address in _addresses(source):
                    del owners[address]
                for task in tasks:
                    choices[task].popleft()
                pending += tasks
            else:
                written += 1
                grown.update(dict.fromkeys(tasks, len(records)))
    return entries, grown


def _choices(card: TaskCard, read_from: int | None, mirror: Mirror) -> Iterator[_Choice]:
    """The sources of a card that records can be grown for, the best one first."""
    if read_from is not None:
        alternative = card.sources[read_from]
        kept = []
        # What cannot be read to its end has been counted by ingest.
        with suppress(SourceError):
            for item in read_source(alternative.source, base=card.folder, mirror=mirror):
                if isinstance(item, SourceRecord):
                    kept.append(dict(item.record))
        if bases := _alike(alternative.source, fitting(alternative, kept), 0):
            yield _Choice(alternative=alternative, bases=bases)
    samples = [dict(record) for record in card.sample]
    for alternative in card.sources:
        # Members of a family have the same samples: they begin with different ones.
        if bases := _alike(alternative.source, fitting(alternative, samples), len(card.id)):
            yield _Choice(alternative=alternative, bases=bases)


def _alike(source: Source, records: list[Record], start: int) -> list[Record]:
    """Records that can stand in one source: a task file has one definition."""
    if source.format != "natural_instructions" or not records:
        return records[:MOST_BASES]
    first = records[start % len(records)]
    return [r for r in records if r["definitions"] == first["definitions"]][:MOST_BASES]


def _together(choices: Sequence[_Choice], *, rows: int) -> list[Record]:
    records: dict[str, Record] = {}
    for choice in choices:
        for record in grow(choice.alternative, choice.bases, count=rows):
            records.setdefault(json.dumps(record, default=str, sort_keys=True), record)
    return list(records.values())


def _addresses(source: Source) -> list[str]:
    if source.kind == "hub":
        return [hub_key(source)]
    return [*source.files, *(name for beside in source.beside for name in beside.files)]


def _taken(source: Source, owners: Mapping[str, Source]) -> bool:
    return any(owners.get(address, source) != source for address in _addresses(source))
