"""The answers that the rows of a task have, where they are labels: one of a few for each row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from mixture_builder.audit.context import AuditContext, AuditedTask
from mixture_builder.audit.text_column import Numbers
from mixture_builder.errors import StoreError
from mixture_builder.io.remote_store import store_folder
from mixture_builder.io.stored_rows import StoredRows
from mixture_builder.io.stored_task import task_folder

MOST_LABELS = 20
"""A task whose rows have more different answers has no labels."""

LONGEST = 80
"""Bytes of a label."""

FEWEST_ROWS = 3
"""Rows there must be for each label in the mean."""

_FIRST_LOOK = 2048
"""Rows by which most tasks without labels are known."""

_MARKS = b".;"
"""What styles put behind an option; labels are compared without it."""

ANSWER = "answer"


def plain_label(text: str) -> str:
    """A label without the marks that styles put behind it.

    >>> plain_label(" not sure.")
    'not sure'
    """
    return text.strip().rstrip(_MARKS.decode()).rstrip()


def source_labels(task: AuditedTask, name: str, context: AuditContext) -> Mapping[str, int]:
    """How many of the rows that can be asked about have each answer; nothing if it is no label.

    Args:
      task: of the mixture.
      name: the field that is its answer.
      context: of the audit, with a store.
    """
    key = ("labels of rows", task.plan.task, name)
    if key not in context.recipes:
        context.recipes[key] = _counted(task, name, context)
    found: Mapping[str, int] = context.recipes[key]
    return found


def _counted(task: AuditedTask, name: str, context: AuditContext) -> dict[str, int]:
    plan, locked = task.plan, context.locked.tasks[task.plan.task]
    folder = task_folder(store_folder(context.store), plan.task, locked.stored)
    try:
        rows = StoredRows(folder, expected_rows=plan.rows)
    except StoreError:
        return {}
    counts: Counter[str] = Counter()
    for first in range(0, plan.query_rows, _FIRST_LOOK):
        at = np.arange(first, min(first + _FIRST_LOOK, plan.query_rows)) + plan.first_query
        texts = answers_of(rows, name, at)
        if texts is None:
            return {}
        told = texts.value_counts()
        for text, count in zip(
            told.field("values").to_pylist(), told.field("counts").to_pylist(), strict=True
        ):
            if len(text.encode()) > LONGEST:
                return {}
            counts[plain_label(text)] += count
            if len(counts) > MOST_LABELS:
                return {}
    if len(counts) < 2 or plan.query_rows < FEWEST_ROWS * len(counts):
        return {}
    return dict(sorted(counts.items()))


def answers_of(rows: StoredRows, name: str, at: Numbers) -> pa.Array | None:
    """The answers of some rows; `None` if they have several, or the field is no text.

    Args:
      rows: of a task.
      name: the field.
      at: indices of rows.
    """
    if name != ANSWER or "answer" in rows.fields:
        return rows.arrays([name], at)[name] if name in rows.text_fields else None
    if not {"options", "answer_index"} <= set(rows.fields):
        lists = rows.arrays(["answers"], at)["answers"] if "answers" in rows.fields else None
        # Which of several right answers a target is, is drawn.
        return lists.flatten() if lists is not None and len(lists.flatten()) == len(at) else None
    taken = rows.arrays(["options", "answer_index"], at)
    places = taken["options"].offsets.to_numpy()[:-1] + taken["answer_index"].to_numpy()
    return taken["options"].values.take(pa.array(places))
