"""Prompts made by Arrow kernels: whole columns of a task's draws, no Python object a row.

Most templates only put texts and fields one after the other, some of them under a condition.
Their prompts are one `take` of pieces for all draws of a task, and so are lists of options and
few-shot prompts. Templates that do more (filters, loops) are rendered row by row, and what comes
out is a piece like any other. Draws with which something is wrong, and rows with long lists of
options, are left to `task.py`, whose texts all of these are, letter for letter: the tests compare.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.draw import Indices, counted_order, derive_seed, distinct, random_bits
from mixture_builder.render.batch import TaskContext
from mixture_builder.render.columnar_options import (
    ListedColumns,
    OptionPieces,
    in_listed_order,
    list_options,
    unambiguous,
)
from mixture_builder.render.columnar_texts import join_texts
from mixture_builder.render.row_columns import RowColumns
from mixture_builder.render.task_programs import all_known, programs_of
from mixture_builder.render.text_arrays import as_list
from mixture_builder.style_pools import PREPARED


class ColumnarRows(Protocol):
    """Rows that can be read as Arrow columns.

    Attributes:
      text_fields: fields that hold texts.
      list_fields: fields that hold lists of texts.
    """

    text_fields: frozenset[str]
    list_fields: frozenset[str]

    def arrays(self, names: Sequence[str], indices: Indices) -> dict[str, pa.Array]:
        """Some columns for rows in the order of `indices`."""
        ...

    def row_columns(self, names: Sequence[str], indices: Indices) -> RowColumns:
        """The same, without a copy for each of them where that can be."""
        ...

    def lengths(self, names: Sequence[str], indices: Indices) -> dict[str, Indices]:
        """Bytes of texts and items of lists, for rows in the order of `indices`."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderedBlock:
    """Finished examples as columns of one length.

    Attributes:
      exemplar_rows: identities of the rows shown, a list an example; `None` where none are.
    """

    draws: Indices
    cells: Indices
    templates: Indices
    rows: npt.NDArray[np.int64]
    inputs: pa.Array
    targets: pa.Array
    styles: pa.Array
    exemplar_rows: pa.ListArray | None = None

    def without(self, places: Indices) -> RenderedBlock:
        """All but the examples at some places."""
        kept = np.setdiff1d(np.arange(len(self.draws)), places)
        taken = pa.array(kept)
        rows = self.exemplar_rows
        return RenderedBlock(
            draws=self.draws[kept],
            cells=self.cells[kept],
            templates=self.templates[kept],
            rows=self.rows[kept],
            inputs=self.inputs.take(taken),
            targets=self.targets.take(taken),
            styles=self.styles.take(taken),
            exemplar_rows=None if rows is None else rows.take(taken),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Queries:
    """Draws whose queries are rendered, as columns of one length.

    Attributes:
      rows: indices of their rows.
      option_numbers: of the option styles; -1 where none is shown.
      labels: what `answer` stands for in targets; `None` for tasks without options.
      instructions: what stands above the exemplars; empty texts where nothing does.
    """

    draws: Indices
    cells: Indices
    templates: Indices
    rows: Indices
    inputs: pa.Array
    targets: pa.Array
    styles: pa.Array
    option_numbers: Indices
    labels: pa.Array | None
    instructions: pa.Array

    def select(self, places: Indices) -> Queries:
        """Some of them; `places` ascend."""
        if len(places) == len(self.draws):
            return self
        taken = pa.array(places)
        return Queries(
            draws=self.draws[places],
            cells=self.cells[places],
            templates=self.templates[places],
            rows=self.rows[places],
            inputs=self.inputs.take(taken),
            targets=self.targets.take(taken),
            styles=self.styles.take(taken),
            option_numbers=self.option_numbers[places],
            labels=None if self.labels is None else self.labels.take(taken),
            instructions=self.instructions.take(taken),
        )

    def finished(self, context: TaskContext) -> RenderedBlock:
        """Zero-shot examples are their queries."""
        return RenderedBlock(
            draws=self.draws,
            cells=self.cells,
            templates=self.templates,
            rows=context.rows.ids(self.rows),
            inputs=self.inputs,
            targets=self.targets,
            styles=self.styles,
        )


def render_queries(
    context: TaskContext,
    pieces: OptionPieces,
    *,
    draws: Indices,
    cells: Indices,
    templates: Indices,
    rows: Indices,
) -> Queries | None:
    """Renders the queries that can be rendered by columns.

    Args:
      context: of the task; its rows must be `ColumnarRows`.
      pieces: of all option styles.
      draws: any.
      cells: what they serve.
      templates: what they are said with.
      rows: what they are about; they have what the templates require.

    Returns:
      Those that are sound, in the order of `draws`. Missing are draws whose template or options
      need more, and whose texts are empty or may be over the budget.
    """
    able = _eligible(context, cells, templates)
    if "options" in context.rows.fields:
        chosen = np.flatnonzero(able)
        if len(chosen):
            able[chosen[option_counts(context, rows[chosen]) > PREPARED]] = False
    chosen = np.flatnonzero(able)
    if not len(chosen):
        return None
    queries = _queries(
        context, pieces, draws[chosen], cells[chosen], templates[chosen], rows[chosen]
    )
    sound = _sound(context, queries)
    return queries if sound.all() else queries.select(np.flatnonzero(sound))


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


def members_of(keys: Indices) -> tuple[list[int], list[Indices]]:
    """The keys that occur, ascending, and the places of each, ascending."""
    met, which = distinct(keys)
    order = counted_order(which, len(met))
    ends = np.cumsum(np.bincount(which, minlength=len(met))).tolist()
    return met.tolist(), [order[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def _eligible(context: TaskContext, cells: Indices, templates: Indices) -> npt.NDArray[np.bool_]:
    """Draws whose template reads columns that are known."""
    keys = cells * len(context.templates) + templates
    met, inverse = distinct(keys)
    able = np.asarray(
        [all_known(context, *divmod(key, len(context.templates))) for key in met.tolist()],
        dtype=bool,
    )
    eligible: npt.NDArray[np.bool_] = able[inverse]
    return eligible


def lacks_required(
    context: TaskContext, templates: Indices, rows: Indices
) -> npt.NDArray[np.bool_]:
    """Draws whose row is empty in a field that its template requires."""
    result = np.zeros(len(templates), dtype=bool)
    demanding = [i for i, template in enumerate(context.templates) if template.requires]
    demanding = [i for i in demanding if (templates == i).any()]
    if not demanding:
        return result
    names = sorted({name for i in demanding for name in context.templates[i].requires})
    empty = _empty(context, names, rows)
    for number in demanding:
        mine = templates == number
        for name in context.templates[number].requires:
            result |= mine & empty[name]
    return result


def _empty(
    context: TaskContext, names: Sequence[str], rows: Indices
) -> dict[str, npt.NDArray[np.bool_]]:
    """Where columns have values that are false in a template: empty texts and lists, zero, no."""
    read: Any = context.rows
    sized = [n for n in names if n in read.text_fields or n in read.list_fields]
    others = [n for n in names if n not in sized]
    lengths = read.lengths(sized, rows) if sized else {}
    found = {name: values == 0 for name, values in lengths.items()}
    for name, values in arrays_of(context, others, rows).items() if others else ():
        found[name] = ~np.asarray([bool(value) for value in as_list(values)])
    return found


def _queries(
    context: TaskContext,
    pieces: OptionPieces,
    draws: Indices,
    cells: Indices,
    templates: Indices,
    rows: Indices,
) -> Queries:
    keys, members = members_of(cells * len(context.templates) + templates)
    found = [programs_of(context, *divmod(key, len(context.templates))) for key in keys]
    prompts, targets, instructions = (list(programs) for programs in zip(*found, strict=True))
    used = {name for p in (*prompts, *targets, *instructions) for name in p.names}
    read, columns = read_rows(context, used, rows), dict[str, pa.Array]()
    if "chance" in used:
        columns["chance"] = drawn_chance(context, draws, purpose="chance")
    styles, numbers, labels = pa.repeat("", len(draws)), np.full(len(draws), -1), None
    if "answers" in context.rows.fields:
        columns["answer"] = picked_answers(context, read, draws, attempt=0)
    in_targets = columns
    places: dict[str, Indices] = {}
    if "options" in context.rows.fields:
        listed = _add_options(context, pieces, columns, read, draws, cells)
        styles, numbers, labels = listed.styles, listed.numbers, listed.targets
        places["options_text"] = listed.places
        if used & {"options", "answer_index"}:
            add_listed_order(context, columns, read, draws, purpose="option order")
        in_targets = {**columns, "answer": labels}
    if "dialog_text" in used:
        shows = np.asarray(["dialog_text" in t.names for t in context.templates])[templates]
        drawn = add_dialogs(context, columns, draws, rows, purpose="dialog style")
        styles = with_style(styles, drawn, shows)
        in_targets = {**in_targets, "dialog_text": columns["dialog_text"]}
    return Queries(
        draws=draws,
        cells=cells,
        templates=templates,
        rows=rows,
        inputs=join_texts(prompts, members, columns, places, read),
        targets=join_texts(targets, members, in_targets, places, read),
        styles=styles,
        option_numbers=numbers,
        labels=labels,
        instructions=join_texts(instructions, members, columns, places, read)
        if any(program.pieces or program.row_by_row for program in instructions)
        else pa.repeat("", len(draws)),
    )


def picked_answers(
    context: TaskContext, read: RowColumns, counters: Indices, *, attempt: int
) -> pa.Array:
    """Of several right answers the one that is drawn; as in `drawn.DrawnColumns`."""
    lists = read.arrays["answers"]
    every = lists.value_lengths().to_numpy().astype(np.int64)
    sizes, firsts = every[read.at], (np.cumsum(every) - every)[read.at]
    bits = random_bits(derive_seed(context.seed, "answer", attempt), counters) >> np.uint64(32)
    picks = ((bits * sizes.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)
    return lists.flatten().take(pa.array(firsts + picks))


def drawn_chance(context: TaskContext, counters: Indices, *, purpose: str) -> pa.Array:
    """What `choice` in a template chooses by; as in `drawn.DrawnColumns`."""
    return pa.array(random_bits(derive_seed(context.seed, purpose), counters))


def shuffles_options(context: TaskContext) -> bool:
    """Whether options are listed in a drawn order."""
    return context.plan.settings.shuffle_options and not context.plan.fixed_option_order


def add_listed_order(
    context: TaskContext,
    columns: dict[str, pa.Array],
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
    columns["options"], places = in_listed_order(
        read,
        order_seed=derive_seed(context.seed, purpose),
        draws=counters,
        shuffled=shuffles_options(context),
    )
    columns["answer_index"] = pa.array(places)


def add_dialogs(
    context: TaskContext,
    columns: dict[str, pa.Array],
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
    columns["dialog_text"] = pa.array(texts, pa.string())
    return pa.array([f"dialog={style.id}" for style in chosen], pa.string())


def with_style(styles: pa.Array, further: pa.Array, where: npt.NDArray[np.bool_]) -> pa.Array:
    """Styles with a further one after them, in some places."""
    has = pc.binary_length(styles).to_numpy(zero_copy_only=False) > 0
    marks = pa.array(["", ";"], pa.string()).take(pa.array((has & where).astype(np.int64)))
    none = pa.repeat("", len(styles))
    shown = pc.if_else(pa.array(where), further, none)
    return pc.binary_join_element_wise(styles, marks, shown, "")


def _add_options(
    context: TaskContext,
    pieces: OptionPieces,
    columns: dict[str, pa.Array],
    read: RowColumns,
    draws: Indices,
    cells: Indices,
) -> ListedColumns:
    """Adds the columns that come of options, listed as they are drawn."""
    shows = np.asarray([c.shows_options for c in context.plan.cells])[cells]
    bits = random_bits(derive_seed(context.seed, "option style"), draws)
    drawn = (bits % np.uint64(pieces.pools.option_styles)).astype(np.int64)
    listed = list_options(
        pieces,
        read,
        numbers=unambiguous(pieces, read, np.where(shows, drawn, -1)),
        order_seed=derive_seed(context.seed, "option order"),
        draws=draws,
        shuffled=shuffles_options(context),
    )
    columns["options_text"] = listed.texts
    columns["answer"] = columns["answer_text"] = listed.answers
    return listed


def _sound(context: TaskContext, queries: Queries) -> npt.NDArray[np.bool_]:
    """Draws with no empty text and none that may be over the budget: bytes bound characters."""
    limits = context.plan.settings
    result = np.ones(len(queries.draws), dtype=bool)
    budgets = ((queries.inputs, limits.input_chars), (queries.targets, limits.target_chars))
    for texts, limit in budgets:
        lengths = pc.binary_length(texts).to_numpy(zero_copy_only=False)
        result &= lengths > 0
        if limit:
            result &= lengths <= limit
    return result
