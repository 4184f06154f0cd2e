"""What queries and exemplars are made of, by columns: fields of rows, and what is drawn from them.

What is drawn is what `drawn.DrawnColumns` draws row by row.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.draw import Indices, derive_seed, random_bits
from mixture_builder.render.batch import TaskContext
from mixture_builder.render.columnar_options import in_listed_order
from mixture_builder.render.row_columns import DrawColumn, RowColumns
from mixture_builder.render.text_arrays import as_list, extents_of


def arrays_of(context: TaskContext, names: Sequence[str], rows: Indices) -> dict[str, pa.Array]:
    """Columns of a task's rows, in the order of `rows`."""
    read: Any = context.rows
    arrays: dict[str, pa.Array] = read.arrays(names, rows)
    return arrays


def option_counts(context: TaskContext, rows: Indices) -> Indices:
    """How many options rows have, in the order of `rows`."""
    read: Any = context.rows
    counts: Indices = read.lengths(["options"], rows)["options"]
    return counts


def read_rows(context: TaskContext, used: Collection[str], rows: Indices) -> RowColumns:
    """The columns of a task's rows that some programs read, and those that are drawn from.

    Args:
      context: of the task.
      used: what the programs read; not all of it need be fields.
      rows: that each draw is about.
    """
    drawn_from = ("options", "answer_index", "answers")
    read: Any = context.rows
    names = sorted({*used, *drawn_from}.intersection(context.rows.fields))
    found: RowColumns = read.row_columns(names, rows)
    return found


def picked_answers(
    context: TaskContext, read: RowColumns, counters: Indices, *, attempt: int
) -> DrawColumn:
    """Of several right answers the one that is drawn; as in `drawn.DrawnColumns`."""
    lists = read.arrays["answers"]
    firsts, sizes = (numbers[read.at] for numbers in extents_of(lists))
    bits = context.bits(counters, "answer", attempt) >> np.uint64(32)
    picks = ((bits * sizes.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)
    return DrawColumn(values=lists.flatten(), at=firsts + picks)


def drawn_chance(context: TaskContext, counters: Indices, *, purpose: str) -> DrawColumn:
    """What `choice` in a template chooses by; as in `drawn.DrawnColumns`."""
    return DrawColumn(values=pa.array(context.bits(counters, purpose)))


def shuffles_options(context: TaskContext) -> bool:
    """Whether options are listed in a drawn order."""
    return context.plan.settings.shuffle_options and not context.plan.fixed_option_order


def add_listed_order(
    context: TaskContext,
    columns: dict[str, DrawColumn],
    read: RowColumns,
    counters: Indices,
    *,
    purpose: str,
) -> None:
    """Adds `options` and `answer_index` as templates see them: in the order of the list.

    Args:
      context: of the task.
      columns: that are added to.
      read: with `options` and `answer_index`.
      counters: what each order belongs to.
      purpose: of the draw.
    """
    options, places = in_listed_order(
        read,
        order_seed=derive_seed(context.seed, purpose),
        draws=counters,
        shuffled=shuffles_options(context),
    )
    columns["options"] = DrawColumn(values=options)
    columns["answer_index"] = DrawColumn(values=pa.array(places))


def add_dialogs(
    context: TaskContext,
    columns: dict[str, DrawColumn],
    counters: Indices,
    rows: Indices,
    *,
    purpose: str,
) -> pa.Array:
    """Adds `dialog_text` and gives what was drawn.

    Args:
      context: of the task.
      columns: that are added to.
      counters: what each style belongs to.
      rows: whose turns are shown.
      purpose: of the draw.
    """
    turns = as_list(arrays_of(context, ["turns"], rows)["turns"])
    bits = random_bits(derive_seed(context.seed, purpose), counters).tolist()
    chosen = [context.styles.dialog_style(b) for b in bits]
    texts = [style.text(said) for style, said in zip(chosen, turns, strict=True)]
    columns["dialog_text"] = DrawColumn(values=pa.array(texts, pa.string()))
    return pa.array([f"dialog={style.id}" for style in chosen], pa.string())


def with_style(styles: pa.Array, further: pa.Array, where: npt.NDArray[np.bool_]) -> pa.Array:
    """Styles with a further one after them, in some places."""
    has = pc.binary_length(styles).to_numpy(zero_copy_only=False) > 0
    marks = pa.array(["", ";"], pa.string()).take(pa.array((has & where).astype(np.int64)))
    none = pa.repeat("", len(styles))
    shown = pc.if_else(pa.array(where), further, none)
    return pc.binary_join_element_wise(styles, marks, shown, "")
