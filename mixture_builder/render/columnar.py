"""Prompts made by Arrow kernels: whole columns of a task's draws, no Python object a row.

Most templates only put texts and fields one after the other, some of them under a condition.
Their prompts are one `take` of pieces for all draws of a task, and so are lists of options and
few-shot prompts. Templates that do more (filters, loops) are rendered row by row, and what comes
out is a piece like any other. Draws with which something is wrong, and rows with long lists of
options, are left to `task.py`, whose texts all of these are, letter for letter: the tests compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.draw import Indices, counted_order, derive_seed, distinct, random_bits
from mixture_builder.render.batch import TaskContext
from mixture_builder.render.columnar_blocks import Asked, Queries
from mixture_builder.render.columnar_drawn import (
    add_dialogs,
    add_listed_order,
    arrays_of,
    drawn_chance,
    option_counts,
    picked_answers,
    read_rows,
    shuffles_options,
    with_style,
)
from mixture_builder.render.columnar_options import (
    ListedColumns,
    OptionPieces,
    list_options,
    unambiguous,
)
from mixture_builder.render.columnar_texts import join_texts
from mixture_builder.render.row_columns import DrawColumn, RowColumns
from mixture_builder.render.task_programs import said_by
from mixture_builder.render.text_arrays import as_list
from mixture_builder.style_pools import PREPARED


def render_queries(
    context: TaskContext,
    pieces: OptionPieces,
    asked: Asked,
) -> Queries | None:
    """Renders the queries that can be rendered by columns.

    Args:
      context: of the task; its rows must be `ColumnarRows`.
      pieces: of all option styles.
      asked: any draws.

    Returns:
      Those that are sound, in the order of `asked`. Missing are draws whose template or options
      need more, and whose texts are empty or may be over the budget.
    """
    keys = asked.cells * len(context.templates) + asked.templates
    able = _eligible(context, keys)
    if "options" in context.rows.fields:
        chosen = np.flatnonzero(able)
        if len(chosen):
            able[chosen[option_counts(context, asked.rows[chosen]) > PREPARED]] = False
    if not able.all():
        chosen = np.flatnonzero(able)
        if not len(chosen):
            return None
        asked, keys = asked.select(chosen), keys[chosen]
    elif not len(keys):
        return None
    queries = _queries(context, pieces, asked, keys)
    sound = _sound(context, queries)
    return queries if sound.all() else queries.select(np.flatnonzero(sound))


def members_of(keys: Indices) -> tuple[list[int], list[Indices]]:
    """The keys that occur, ascending, and the places of each, ascending."""
    met, which = distinct(keys)
    order = counted_order(which, len(met))
    ends = np.cumsum(np.bincount(which, minlength=len(met))).tolist()
    return met.tolist(), [order[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def _eligible(context: TaskContext, keys: Indices) -> npt.NDArray[np.bool_]:
    """Draws whose template reads columns that are known; for `keys` see `said_by`."""
    used = np.flatnonzero(np.bincount(keys))
    known = [said.known for said in said_by(context, used.tolist())]
    if all(known):
        return np.ones(len(keys), dtype=bool)
    return ~np.isin(keys, used[~np.asarray(known)])


def lacks_required(
    context: TaskContext, templates: Indices, rows: Indices
) -> npt.NDArray[np.bool_]:
    """Draws whose row is empty in a field that its template requires."""
    result = np.zeros(len(templates), dtype=bool)
    used = np.flatnonzero(np.bincount(templates, minlength=len(context.templates))).tolist()
    demanding = [number for number in used if context.templates[number].requires]
    if not demanding:
        return result
    names = sorted({name for number in demanding for name in context.templates[number].requires})
    empty = _empty(context, names, rows)
    for number in demanding if empty else ():
        mine = templates == number
        for name in empty.keys() & context.templates[number].requires:
            result |= mine & empty[name]
    return result


def _empty(
    context: TaskContext, names: Sequence[str], rows: Indices
) -> dict[str, npt.NDArray[np.bool_]]:
    """Where columns have values that are false in a template: empty texts and lists, zero, no.

    Columns in which no draw has one are left out.
    """
    read: Any = context.rows
    sized = [n for n in names if n in read.text_fields or n in read.list_fields]
    others = [n for n in names if n not in sized]
    found: dict[str, npt.NDArray[np.bool_]] = read.empty(sized, rows) if sized else {}
    for name, values in arrays_of(context, others, rows).items() if others else ():
        found[name] = ~np.asarray([bool(value) for value in as_list(values)])
    return {name: where for name, where in found.items() if where.any()}


def _queries(
    context: TaskContext,
    pieces: OptionPieces,
    asked: Asked,
    keys: Indices,
) -> Queries:
    draws, cells, templates, rows = asked.draws, asked.cells, asked.templates, asked.rows
    limits = context.plan.settings
    met, members = members_of(keys)
    found = [said.programs for said in said_by(context, met)]
    prompts, targets, instructions = (list(programs) for programs in zip(*found, strict=True))
    used = {name for p in (*prompts, *targets, *instructions) for name in p.names}
    read = read_rows(context, used, rows)
    columns = read.columns()
    if "chance" in used:
        columns["chance"] = drawn_chance(context, draws, purpose="chance")
    styles, numbers, labels = pa.repeat("", len(draws)), np.full(len(draws), -1), None
    if "answers" in context.rows.fields:
        columns["answer"] = picked_answers(context, read, draws, attempt=0)
    in_targets = columns
    if "options" in context.rows.fields:
        listed = _add_options(context, pieces, columns, read, draws, cells)
        styles, numbers, labels = listed.styles, listed.numbers, listed.targets
        if used & {"options", "answer_index"}:
            add_listed_order(context, columns, read, draws, purpose="option order")
        in_targets = {**columns, "answer": DrawColumn(values=labels)}
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
        inputs=join_texts(prompts, members, columns, longest=limits.input_chars),
        targets=join_texts(targets, members, in_targets, longest=limits.target_chars),
        styles=styles,
        option_numbers=numbers,
        labels=labels,
        instructions=join_texts(instructions, members, columns)
        if any(program.pieces or program.row_by_row for program in instructions)
        else pa.repeat("", len(draws)),
    )


def _add_options(
    context: TaskContext,
    pieces: OptionPieces,
    columns: dict[str, DrawColumn],
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
