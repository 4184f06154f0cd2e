"""Prompts of a shard that show fewer exemplars than they ask for, counted for each task.

A prompt loses exemplars that do not fit its length budget, and has none to show where its pool is
small, or asks the same or tells the answer. What it asks for follows from its draw, and what it
shows stands in the record, so nothing has to be noted while examples are rendered.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.draw import Bits, Indices, derive_seed
from mixture_builder.jobs.shard_table import CodeBook
from mixture_builder.lock import Lock
from mixture_builder.render.shots import shots_asked, shots_seed
from mixture_builder.shot_forms import Counts


class AskedExemplars:
    """What the few-shot prompts of a mixture ask for.

    Args:
      lock: of the mixture.
      book: its code book.
    """

    def __init__(self, lock: Lock, book: CodeBook) -> None:
        self._book = book
        seed = lock.plan.seed
        self._seeds: Bits = np.asarray(
            [shots_seed(derive_seed(seed, "task", t.task)) for t in lock.plan.tasks],
            dtype=np.uint64,
        )
        self._counts: list[Counts] = []
        known: dict[tuple[int, str], int] = {}
        forms = []
        for task in lock.plan.tasks:
            for cell in task.cells:
                if not cell.few_shot:
                    forms.append(-1)
                    continue
                # Settings are the same object for all tasks of a part.
                key = id(task.settings), cell.form
                if key not in known:
                    known[key] = len(self._counts)
                    self._counts.append(task.form_of(cell).counts)
                forms.append(known[key])
        self._forms = np.asarray(forms, dtype=np.int64)

    def fewer(self, coded: pa.Table) -> dict[str, dict[str, int]]:
        """By task, how many prompts show fewer than they ask for, and how many they lack in all.

        Args:
          coded: examples, in any order.
        """
        if not self._counts:
            return {}
        forms = self._forms[self._book.cell_codes(coded)]
        few_shot = np.flatnonzero(forms >= 0)
        if not len(few_shot):
            return {}
        tasks: Indices = coded.column("task").to_numpy()[few_shot]
        draws: Indices = coded.column("draw").to_numpy()[few_shot]
        shown = pc.list_value_length(coded.column("exemplar_rows")).to_numpy()[few_shot]
        lacking = np.zeros(len(few_shot), dtype=np.int64)
        for form in np.unique(forms[few_shot]).tolist():
            group = np.flatnonzero(forms[few_shot] == form)
            asked = shots_asked(self._seeds[tasks[group]], draws[group], self._counts[form])
            lacking[group] = asked - shown[group]
        short = lacking > 0
        numbers, which = np.unique(tasks[short], return_inverse=True)
        prompts = np.bincount(which, minlength=len(numbers)).tolist()
        exemplars = np.bincount(which, weights=lacking[short], minlength=len(numbers)).tolist()
        return {
            self._book.tasks[task]: {"prompts": prompts[place], "exemplars": int(exemplars[place])}
            for place, task in enumerate(numbers.tolist())
        }


_asked: dict[str, AskedExemplars] = {}
"""That of the last lock, as for code books."""


def fewer_exemplars(lock: Lock, coded: pa.Table, book: CodeBook) -> dict[str, dict[str, int]]:
    """See `AskedExemplars.fewer`; what follows from the lock is worked out once."""
    asked = _asked.get(lock.fingerprint)
    if asked is None:
        _asked.clear()
        asked = _asked[lock.fingerprint] = AskedExemplars(lock, book)
    return asked.fewer(coded)
