"""How many rows the tasks of a mixture have, without touching a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixture_builder.io.remote_store import may_hold
from mixture_builder.io.stored_task import StoredTask, find_tasks, task_fingerprint
from mixture_builder.jobs.excluded import excluded_of
from mixture_builder.jobs.loading import LoadedRecipe

if TYPE_CHECKING:
    from mixture_builder.io.excluded_rows import ExcludedOfTask


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """Rows of tasks.

    Attributes:
      rows: by task, for those whose number is known.
      estimated: tasks of which only the card speaks: what upstream states, before cleaning.
      stored: tasks that are in the store.
      unknown: tasks that neither the store nor their card knows, and why.
    """

    rows: Mapping[str, int]
    estimated: frozenset[str]
    stored: Mapping[str, StoredTask]
    unknown: Mapping[str, str]


def count_rows(mixture: LoadedRecipe, *, store: Path) -> Counts:
    """Rows as stored; else as the card states them.

    Rows that the recipe leaves out are taken off those that are stored.

    Raises:
      StoreError: if a stored task is damaged.
      InvalidFilesError: if a list of rows that the recipe names has errors.
    """
    excluded = excluded_of(mixture.recipe, mixture.owners)
    rows: dict[str, int] = {}
    estimated: set[str] = set()
    found: dict[str, StoredTask] = {}
    unknown: dict[str, str] = {}
    wanted = {
        task: task_fingerprint(card)
        for task, card in mixture.cards.items()
        if task not in mixture.broken and may_hold(store, task)
    }
    known = find_tasks(store, wanted)
    for task, card in mixture.cards.items():
        if task in mixture.broken:
            continue
        stored = known.get(task)
        if stored is not None:
            left_out = excluded.get(task)
            rows[task] = _rows_left(stored, left_out, store=store) if left_out else stored.rows
            found[task] = stored
        elif card.known_rows:
            rows[task] = card.known_rows
            estimated.add(task)
        else:
            unknown[task] = (
                "its number of rows is not known: it is not in the store, and the card does not "
                "state it. Run ingest."
            )
    return Counts(rows=rows, estimated=frozenset(estimated), stored=found, unknown=unknown)


def _rows_left(stored: StoredTask, left_out: ExcludedOfTask, *, store: Path) -> int:
    # Only where rows are left out, which is seldom, does a plan read any.
    from mixture_builder.jobs.sieve import rows_left

    return rows_left(stored, left_out, store=store)
