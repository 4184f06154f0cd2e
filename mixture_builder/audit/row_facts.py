"""What an audit keeps of the rows of a task: how many options they have, and their labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mixture_builder.audit.context import AuditContext, AuditedTask
from mixture_builder.audit.layouts import MOST_OPTIONS
from mixture_builder.audit.source_answers import ANSWER, answers_of, plain_label, source_labels
from mixture_builder.audit.text_column import Numbers
from mixture_builder.io.remote_store import store_folder
from mixture_builder.io.stored_rows import StoredRows
from mixture_builder.io.stored_task import task_folder

Small = npt.NDArray[np.uint8]


class RowFacts:
    """What is kept of the rows of a task beside digests: options, and labels of their answers.

    Args:
      context: of the audit.
      task: of the mixture.
    """

    def __init__(self, context: AuditContext, task: AuditedTask) -> None:
        self._context, self._task = context, task
        self._by_row: tuple[Small, Small] | None = None
        self._ids: Numbers = np.zeros(0, dtype=np.int64)
        if not task.lists_options:
            return
        plan, locked = task.plan, context.locked.tasks[task.plan.task]
        folder = task_folder(store_folder(context.store), plan.task, locked.stored)
        rows = StoredRows(folder, expected_rows=plan.rows)
        if "options" not in rows.fields:
            return
        at = np.arange(plan.first_query, plan.first_query + plan.query_rows)
        ids = rows.ids(at)
        order = np.argsort(ids)
        sizes = rows.arrays(["options"], at)["options"].value_lengths().to_numpy()
        options = np.minimum(sizes, MOST_OPTIONS).astype(np.uint8)
        self._by_row = options[order], self._labels(rows, at)[order]
        self._ids = ids[order]

    def _labels(self, rows: StoredRows, at: Numbers) -> Small:
        known = {name: n for n, name in enumerate(source_labels(self._task, ANSWER, self._context))}
        texts = answers_of(rows, ANSWER, at) if known else None
        if texts is None:
            return np.zeros(len(at), dtype=np.uint8)
        encoded = texts.dictionary_encode()
        codes = [1 + known[plain_label(text)] for text in encoded.dictionary.to_pylist()]
        found: Small = np.asarray(codes, dtype=np.uint8)[encoded.indices.to_numpy()]
        return found

    def of(self, rows: Numbers) -> tuple[Small, Small]:
        """How many options rows have, and the labels of their answers.

        Args:
          rows: their identities.
        """
        if self._by_row is None:
            none = np.zeros(len(rows), dtype=np.uint8)
            return none, none
        places = np.searchsorted(self._ids, rows)
        options, labels = self._by_row
        return options[places], labels[places]
