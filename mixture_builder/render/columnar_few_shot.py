"""Few-shot prompts made by Arrow kernels; letter for letter those of `few_shot.FewShot`.

Each exemplar that some prompt shows is rendered once. A prompt is then a stretch of pieces:
instruction, for each exemplar label, input, label, target and separator, and last the query.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.draw import Indices, derive_seed, distinct, random_bits
from mixture_builder.render.batch import TaskContext
from mixture_builder.render.columnar import members_of
from mixture_builder.render.columnar_blocks import Pairs, Queries, RenderedBlock
from mixture_builder.render.columnar_drawn import (
    add_dialogs,
    add_listed_order,
    drawn_chance,
    option_counts,
    picked_answers,
    read_rows,
    shuffles_options,
    with_style,
)
from mixture_builder.render.columnar_leaks import (
    long_targets,
    shown_by_exemplars,
    shown_in_prompts,
)
from mixture_builder.render.columnar_options import OptionPieces, list_options
from mixture_builder.render.columnar_styles import ExemplarPieces, may_begin_with_label
from mixture_builder.render.columnar_texts import join_texts
from mixture_builder.render.few_shot import FewShot
from mixture_builder.render.row_columns import DrawColumn
from mixture_builder.render.task_programs import said_by
from mixture_builder.render.text_arrays import lay_down, one_array
from mixture_builder.style_pools import PREPARED


def with_exemplars(
    context: TaskContext, few_shot: FewShot, pieces: OptionPieces, queries: Queries
) -> RenderedBlock | None:
    """Puts exemplars before queries of few-shot cells.

    Args:
      context: of the task.
      few_shot: chooses exemplars and styles.
      pieces: of all option styles.
      queries: that are sound.

    Returns:
      The finished examples. Missing are prompts that need a second look: where exemplars are
      barred, unsound or fewer than asked for, or where not one fits.
    """
    wanted = few_shot.shots(queries.draws, queries.cells)
    chosen, counts = few_shot.choose(
        queries.draws, queries.cells, queries.templates, queries.rows, attempt=0, wanted=wanted
    )
    full = np.flatnonzero(counts == wanted)
    if not len(full):
        return None
    queries, chosen, counts = queries.select(full), chosen[full], counts[full]
    pairs = _pairs(context, pieces, queries, chosen, counts)
    good = _sound(context, queries, pairs)
    if not good.any():
        return None
    styles = _style_numbers(context, few_shot, pieces.exemplars, queries, pairs)
    kept, fits = _within_budget(context, queries, pairs, counts, pieces.exemplars, styles)
    good &= fits > 0
    # Targets are looked for in finished prompts; exemplars that were cut do not stand there.
    long = long_targets(few_shot, queries)
    good[shown_by_exemplars(queries, pairs, good & long & (fits < counts))] = False
    places = np.flatnonzero(good)
    if not len(places):
        return None
    kept &= good[pairs.owners]
    return _assembled(
        context, pieces.exemplars, queries, pairs, styles, long, places=places, kept=kept
    )


def _pairs(
    context: TaskContext,
    pieces: OptionPieces,
    queries: Queries,
    chosen: Indices,
    counts: Indices,
) -> Pairs:
    """Renders each exemplar that is needed once: one for a template, row and option style."""
    held = np.arange(chosen.shape[1]) < counts[:, None]
    owners, rows = np.repeat(np.arange(len(counts)), counts), chosen[held]
    numbers = queries.option_numbers[owners]
    pool, styles = context.plan.pool, pieces.pools.option_styles
    groups = queries.templates[owners] * 2 + (numbers >= 0)
    keys = (groups * pool + rows) * styles + np.maximum(numbers, 0)
    met, shown = distinct(keys)
    rest, number = np.divmod(met, styles)
    group, row = np.divmod(rest, pool)
    number = np.where(group % 2 == 1, number, -1)
    inputs, targets = _render(context, pieces, queries, group, row, number)
    return Pairs(inputs=inputs, targets=targets, owners=owners, shown=shown, rows=rows)


def _render(
    context: TaskContext,
    pieces: OptionPieces,
    queries: Queries,
    groups: Indices,
    rows: Indices,
    numbers: Indices,
) -> tuple[pa.Array, pa.Array]:
    """Texts of exemplars; a group is a template with or without its options."""
    met, members = members_of(groups)
    # Any cell of the group will do: the text depends on whether options show, no more.
    shows = np.asarray([c.shows_options for c in context.plan.cells])[queries.cells]
    cell_of = dict(
        zip((queries.templates * 2 + shows).tolist(), queries.cells.tolist(), strict=True)
    )
    keys = [cell_of[group] * len(context.templates) + group // 2 for group in met]
    found = [said.programs for said in said_by(context, keys)]
    prompts, targets = [prompt for prompt, _, _ in found], [target for _, target, _ in found]
    used = {name for p in (*prompts, *targets) for name in p.names}
    read = read_rows(context, used, rows)
    columns = read.columns()
    if "chance" in used:
        columns["chance"] = drawn_chance(context, rows, purpose="exemplar chance")
    if "answers" in context.rows.fields:
        columns["answer"] = picked_answers(context, read, rows, attempt=-1)
    in_targets = columns
    if "dialog_text" in used:
        add_dialogs(context, columns, rows, rows, purpose="exemplar dialog style")
    if "options" in context.rows.fields:
        if used & {"options", "answer_index"}:
            add_listed_order(context, columns, read, rows, purpose="exemplar option order")
        listed = list_options(
            pieces,
            read,
            numbers=numbers,
            order_seed=derive_seed(context.seed, "exemplar option order"),
            draws=rows,
            shuffled=shuffles_options(context),
        )
        columns["options_text"] = listed.texts
        columns["answer"] = columns["answer_text"] = listed.answers
        in_targets = {**columns, "answer": DrawColumn(values=listed.targets)}
    return (
        join_texts(prompts, members, columns),
        join_texts(targets, members, in_targets),
    )


def _sound(context: TaskContext, queries: Queries, pairs: Pairs) -> npt.NDArray[np.bool_]:
    """Prompts none of whose exemplars is empty or has more options than are prepared."""
    result = np.ones(len(queries.draws), dtype=bool)
    empty = np.zeros(len(pairs.inputs), dtype=bool)
    for texts in (pairs.inputs, pairs.targets):
        empty |= pc.binary_length(texts).to_numpy(zero_copy_only=False) == 0
    if "options" in context.rows.fields:
        too_many = option_counts(context, np.arange(context.plan.pool)) > PREPARED
        result[pairs.owners[too_many[pairs.rows]]] = False
    result[pairs.owners[empty[pairs.shown]]] = False
    return result


def _style_numbers(
    context: TaskContext,
    few_shot: FewShot,
    pieces: ExemplarPieces,
    queries: Queries,
    pairs: Pairs,
) -> Indices:
    """The exemplar style of each prompt, as a place among all styles."""
    bits = random_bits(derive_seed(context.seed, "exemplar style"), queries.draws)
    direct = np.asarray([t.direction == "direct" for t in context.templates])
    asks = direct[queries.templates] & context.plan.questions
    first = np.where(asks, int(pieces.sizes[0]), 0)
    numbers: Indices = first + (bits % pieces.sizes[asks.astype(np.int64)]).astype(np.int64)
    # Another style is drawn where a label stands at the beginning of the first exemplar.
    firsts = pairs.shown[np.flatnonzero(np.diff(pairs.owners, prepend=-1))]
    places, which = distinct(firsts)
    maybe = np.zeros(len(pairs.inputs), dtype=bool)
    for texts, beginnings in zip((pairs.inputs, pairs.targets), pieces.beginnings, strict=True):
        maybe[may_begin_with_label(texts, beginnings)] = True
    doubtful = np.flatnonzero(maybe[places])
    taken = pa.array(places[doubtful])
    inputs, targets = (
        pc.utf8_slice_codeunits(texts.take(taken), 0, pieces.longest).to_pylist()
        for texts in (pairs.inputs, pairs.targets)
    )
    labels = pieces.labels
    suspect = {
        int(place): (shown, solved)
        for place, shown, solved in zip(doubtful, inputs, targets, strict=True)
        if shown.casefold().startswith(labels[0]) or solved.casefold().startswith(labels[1])
    }
    for at in np.flatnonzero(np.isin(which, list(suspect))).tolist() if suspect else []:
        pair = suspect[int(which[at])]
        number = few_shot.style_number(int(bits[at]), questions=bool(asks[at]), pair=pair)
        numbers[at] = first[at] + number
    return numbers


def _within_budget(
    context: TaskContext,
    queries: Queries,
    pairs: Pairs,
    counts: Indices,
    pieces: ExemplarPieces,
    styles: Indices,
) -> tuple[npt.NDArray[np.bool_], Indices]:
    """For each exemplar whether it fits with those before it, and how many fit of each prompt."""
    limit = context.plan.settings.input_chars
    if not limit:
        return np.ones(len(pairs.owners), dtype=bool), counts

    def characters(texts: pa.Array) -> Indices:
        found: Indices = pc.utf8_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
        return found

    around = (pieces.before + pieces.between + pieces.after)[styles]
    instruction = characters(queries.instructions)
    fixed = np.where(instruction > 0, instruction + pieces.separators[styles], 0)
    fixed += (pieces.before + pieces.tails)[styles] + characters(queries.inputs)
    texts = characters(pairs.inputs) + characters(pairs.targets)
    each = texts[pairs.shown] + around[pairs.owners]
    summed = np.cumsum(each)
    starts = np.cumsum(counts) - counts
    before = np.where(starts > 0, summed[starts - 1], 0)
    fits = summed - before[pairs.owners] + fixed[pairs.owners] <= limit
    return fits, np.bincount(pairs.owners, weights=fits, minlength=len(counts)).astype(np.int64)


def _assembled(
    context: TaskContext,
    pieces: ExemplarPieces,
    queries: Queries,
    pairs: Pairs,
    styles: Indices,
    long: npt.NDArray[np.bool_],
    *,
    places: Indices,
    kept: npt.NDArray[np.bool_],
) -> RenderedBlock:
    """The prompts at some places, with the exemplars that are kept; none shows a long target."""
    finished = queries.select(places)
    numbers = styles[places]
    place_of = np.full(len(queries.draws), -1)
    place_of[places] = np.arange(len(places))
    owners, shown = place_of[pairs.owners[kept]], pairs.shown[kept]
    counts = np.bincount(owners, minlength=len(places))
    of = len(pieces.styles)
    before, between, after, separators, tails = (1 + of * part for part in range(5))
    parts = [pieces.literals, pairs.inputs, pairs.targets, finished.inputs]
    parts.append(finished.instructions)
    bases = np.cumsum([0, *(len(part) for part in parts)])
    instructed = pc.binary_length(finished.instructions).to_numpy(zero_copy_only=False) > 0
    lengths = 2 + 5 * counts + 3
    ends = np.cumsum(lengths)
    starts = ends - lengths
    found = np.empty(int(ends[-1]), dtype=np.int64)
    own = np.arange(len(places))
    found[starts] = bases[4] + own
    found[starts + 1] = np.where(instructed, separators + numbers, 0)
    rank = np.arange(len(owners)) - (np.cumsum(counts) - counts)[owners]
    at = starts[owners] + 2 + 5 * rank
    found[at] = before + numbers[owners]
    found[at + 1] = bases[1] + shown
    found[at + 2] = between + numbers[owners]
    found[at + 3] = bases[2] + shown
    found[at + 4] = after + numbers[owners]
    found[ends - 3] = before + numbers
    found[ends - 2] = bases[3] + own
    found[ends - 1] = tails + numbers
    ids = context.rows.ids(np.arange(context.plan.pool))[pairs.rows[kept]]
    inputs, positions = lay_down(one_array(parts), found, lengths)
    block = RenderedBlock(
        draws=finished.draws,
        cells=finished.cells,
        templates=finished.templates,
        rows=context.rows.ids(finished.rows),
        inputs=inputs,
        targets=finished.targets,
        styles=with_style(
            finished.styles,
            pieces.names.take(pa.array(numbers)),
            np.ones(len(places), dtype=bool),
        ),
        exemplar_rows=_lists(pa.array(ids), counts),
        bounds=_bounds(positions, starts, ends, at + 1, counts),
    )
    leaks = shown_in_prompts(
        block, np.flatnonzero(long[places]), positions[starts], positions[ends - 3]
    )
    return block if not len(leaks) else block.without(leaks)


def _lists(items: pa.Array, counts: Indices) -> pa.ListArray:
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), items)


def _bounds(
    positions: npt.NDArray[np.int32],
    starts: Indices,
    ends: Indices,
    exemplars: Indices,
    counts: Indices,
) -> pa.ListArray:
    """`RenderedBlock.bounds` of prompts.

    Args:
      positions: byte at which each piece begins.
      starts: the first piece of each prompt.
      ends: one past its last; the last two are the query and what follows it.
      exemplars: the piece that each exemplar begins with, prompt by prompt, going down.
      counts: how many exemplars each prompt has.
    """
    sizes = counts + 2
    lasts = np.cumsum(sizes)
    firsts = lasts - sizes
    found = np.empty(int(sizes.sum()), dtype=np.int64)
    found[firsts], found[firsts + 1] = positions[ends - 1], positions[ends - 2]
    rank = np.arange(len(exemplars)) - np.repeat(np.cumsum(counts) - counts, counts)
    found[np.repeat(lasts - 1, counts) - rank] = positions[exemplars]
    found -= np.repeat(positions[starts], sizes)
    return _lists(pa.array(found), sizes)
