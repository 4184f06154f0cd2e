"""Rows to look at: those of the store if the task is there, else those of its sample records.

Where sample records serve, pyarrow is not needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mixture_builder.cards import TaskCard
from mixture_builder.errors import SourceError, UsageError
from mixture_builder.findings import Report
from mixture_builder.jobs.inspect.check_cards import numbered_sample_rows
from mixture_builder.render.memory_rows import MemoryRows


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviewedRow:
    """A row as people look at it.

    Attributes:
      row: its identity.
      number: of the sample record it is made of, or its place in the store, from 0.
      place: where it stands upstream; empty for sample records.
      record: the sample record as the card has it; `None` for stored rows.
      fields: its canonical fields.
    """

    row: int
    number: int
    place: str
    record: Mapping[str, Any] | None
    fields: Mapping[str, Any]


class PreviewRows:
    """The rows of one task.

    Attributes:
      rows: as rendering reads them.
      stored: whether they come from the store.
    """

    def __init__(self, rows: Any, *, records: Mapping[int, tuple[int, Mapping[str, Any]]]) -> None:
        self.rows = rows
        self.stored = not records
        self._records = records
        self._indices = {number: index for index, (number, _) in records.items()}

    @property
    def count(self) -> int:
        """How many there are."""
        found: int = self.rows.count
        return found

    def first(self, count: int) -> list[int]:
        """Indices of the first rows: in the order of the sample, or of the store."""
        if self.stored:
            return list(range(min(count, self.count)))
        return [self._indices[number] for number in sorted(self._indices)][:count]

    def find(self, asked: int) -> int:
        """The index of the row with a number or an identity.

        Raises:
          UsageError: if there is none.
        """
        by_number = asked if self.stored and asked < self.count else self._indices.get(asked, -1)
        index = by_number if by_number >= 0 else int(self.rows.index_of(asked))
        if index >= 0:
            return index
        if self.stored:
            there = f"0 to {self.count - 1} in the store"
        else:
            there = f"sample records {', '.join(map(str, sorted(self._indices)))}"
        raise UsageError(
            f"--row {asked}: found no such row; expected one of {there}, or the identity of a row."
        )

    def shown(self, index: int) -> PreviewedRow:
        """One row with what is known of it."""
        at = np.asarray([index], dtype=np.int64)
        columns = self.rows.columns(self.rows.fields, at)
        number, record = self._records.get(index, (index, None))
        return PreviewedRow(
            row=int(self.rows.ids(at)[0]),
            number=number,
            place=self.rows.places(at)[0] if self.stored else "",
            record=record,
            fields={name: values[0] for name, values in columns.items()},
        )


def rows_of(card: TaskCard, store: Path) -> PreviewRows:
    """The rows of a task.

    Raises:
      StoreError: if stored rows cannot be read.
      SourceError: if there are none, and no sample record gives a row.
    """
    stored = _stored_rows(card, store)
    if stored is not None:
        return PreviewRows(stored, records={})
    found, findings = numbered_sample_rows(card)
    if not found:
        raise SourceError(
            f"{card.id} is not in the store, and none of its sample records gives a row.\n"
            + Report(findings=tuple(findings)).format()
        )
    numbers: Sequence[int] = list(found)
    rows = MemoryRows(list(found.values()), fields=[f.name for f in card.fields])
    records = {
        index: (numbers[given], card.sample[numbers[given]])
        for index, given in enumerate(rows.given)
    }
    return PreviewRows(rows, records=records)


def _stored_rows(card: TaskCard, store: Path) -> Any:
    from mixture_builder.io.remote_store import may_hold

    if not may_hold(store, card.id):
        return None
    from mixture_builder.io.stored_rows import StoredRows
    from mixture_builder.io.stored_task import find_task, task_fingerprint, task_folder

    stored = find_task(store, card.id, task_fingerprint(card))
    if stored is None or not stored.rows:
        return None
    folder = task_folder(store, card.id, stored.fingerprint)
    return StoredRows(folder, expected_rows=stored.rows)
