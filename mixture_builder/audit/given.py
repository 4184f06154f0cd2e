"""What the rows of a mixture give: of each draw a digest of its record, and facts of its row.

    given_files       an empty place for each draw of a mixture
    render_digests    draws of some tasks, rendered as a build does, to their places  (any worker)
    given_records     what is given for the records of a stretch

Whole tasks are rendered by columns at a fraction of what building them takes, and of a record
eight bytes are kept, two more, and of few-shot prompts where their parts begin. So every record
of a mixture can be held against its row, however large the mixture is. Without the files, what a
stretch names is rendered for it alone: the same, at a higher price.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.row_facts import RowFacts
from mixture_builder.audit.text_column import Numbers, TextColumn, text_hashes
from mixture_builder.audit.view import Given, ShardView
from mixture_builder.draw import Bits, derive_seed, random_bits
from mixture_builder.io.remote_store import store_folder
from mixture_builder.jobs.build import render_task, without_garbage_collection
from mixture_builder.jobs.rounds import Chunk, plan_rounds
from mixture_builder.jobs.shard_layout import counted_up, stretches_of_task
from mixture_builder.jobs.shard_table import code_book, coded_tables
from mixture_builder.plan import TaskPlan
from mixture_builder.render.batch import RenderedExamples
from mixture_builder.shards import shard_offset

_SEED = derive_seed(0, "audit", "record")

_FILES: tuple[tuple[str, type], ...] = (
    ("digests", np.uint64),
    ("options", np.uint8),
    ("labels", np.uint8),
    ("bounds", np.uint32),
)
"""Numbers for each draw of a mixture, task by task: of the record, how many options its row has,
and which of the task's labels its answer is, from 1; and a line of `view.Given.bounds`. 0 is for
nothing."""

Columns = tuple[npt.NDArray[Any], ...]
"""One for each of `_FILES`, each line of them for a draw."""


def given_files(context: AuditContext, folder: Path) -> list[Chunk]:
    """Makes the files of a mixture, with nothing in them; gives what has to be rendered.

    Args:
      context: of the audit.
      folder: for the files.
    """
    draws = sum(task.quota for task in context.locked.plan.tasks)
    for (name, kind), shape in zip(_FILES, _shapes(context, draws), strict=True):
        with (folder / name).open("wb") as file:
            file.truncate(math.prod(shape) * np.dtype(kind).itemsize)
    store, shards = store_folder(context.store), range(context.shards)
    rounds = plan_rounds(context.locked, store=store, shards=shards, folder=folder)
    return [chunk for part in rounds for chunk in part.chunks]


def render_digests(context: AuditContext, chunk: Chunk) -> int:
    """Renders draws and writes what is kept of them to their places; gives how many there are.

    Args:
      context: of the audit, with the folder of the files.
      chunk: which draws.

    Raises:
      StoreError: if the store does not hold the rows of the mixture.
    """
    lock = context.locked
    files, starts = _opened(context), _starts(context)
    rendered = 0
    for piece in chunk.pieces:
        plan = lock.plan.tasks[piece.task]
        shards = chunk.shards[piece.first : piece.last]
        firsts, ends = stretches_of_task(
            plan.quota,
            np.asarray(shards),
            shards=lock.plan.shards,
            offset=shard_offset(lock.plan.seed, plan.task),
        )
        wanted = counted_up(firsts.ravel(), (ends - firsts).ravel())
        if not len(wanted):
            continue
        for draws, columns in _rendered(context, plan, wanted):
            for file, column in zip(files, columns, strict=True):
                file[starts[piece.task] + draws] = column
            rendered += len(draws)
    return rendered


def given_records(
    view: ShardView, rendered: Mapping[str, RenderedExamples] | None = None
) -> Given | None:
    """What is given for the records of a stretch; nothing if the store does not hold the rows.

    Args:
      view: of the stretch.
      rendered: by task what its shard was rendered from, if it was for this audit.
    """
    context = view.context
    if not context.store or not view.rows:
        return None
    if not context.built:
        return _just_rendered(view, rendered or {})
    quotas = np.asarray([task.plan.quota if task else 0 for task in view.tasks])
    draws = view.draws
    # Draws that the plan does not have are a finding of another check.
    known = (draws >= 0) & (draws < quotas[view.task_codes])
    found = _nothing(context, view.rows)
    if context.given:
        starts = _starts(context)
        numbers = np.asarray([task.number if task else 0 for task in view.tasks])
        places = (starts[numbers[view.task_codes]] + draws)[known]
        for column, file in zip(found, _opened(context), strict=True):
            column[known] = file[places]
    missing = np.flatnonzero(known & (found[0] == 0))
    if len(missing):
        _add_missing(view, found, missing)
    digests, options, labels, bounds = found
    return Given(
        compared=known,
        same=known & (digests == _digests_of(view)),
        options=options.astype(np.int64),
        labels=labels.astype(np.int64),
        bounds=bounds,
    )


def _just_rendered(view: ShardView, rendered: Mapping[str, RenderedExamples]) -> Given:
    """Records that were rendered for this audit are what their rows give."""
    _, options, labels, bounds = _nothing(view.context, view.rows)
    for code, task in enumerate(view.tasks):
        assert task is not None
        rows = np.flatnonzero(view.task_codes == code)
        if task.lists_options:
            options[rows], labels[rows] = RowFacts(view.context, task).of(view.row_ids[rows])
        part = rendered.get(view.task_names[code])
        for block in part.blocks if part else ():
            if block.bounds is not None:
                mine = np.isin(view.draws[rows], block.draws, assume_unique=True)
                order = np.argsort(block.draws)
                at = np.searchsorted(block.draws, view.draws[rows[mine]], sorter=order)
                lists = block.bounds.take(pa.array(order[at]))
                bounds[rows[mine]] = _dense(lists, len(lists), bounds.shape[1])
    return Given(
        compared=np.zeros(view.rows, dtype=bool),
        same=np.ones(view.rows, dtype=bool),
        options=options.astype(np.int64),
        labels=labels.astype(np.int64),
        bounds=bounds,
    )


def _add_missing(view: ShardView, found: Columns, missing: Numbers) -> None:
    """Renders what some records should be; those whose draws give nothing keep nothing."""
    codes = view.task_codes[missing]
    for code in np.unique(codes).tolist():
        task = view.tasks[code]
        assert task is not None
        rows = missing[codes == code]
        wanted, places = np.unique(view.draws[rows], return_inverse=True)
        for draws, columns in _rendered(view.context, task.plan, wanted):
            held = np.full(len(wanted), -1)
            held[np.searchsorted(wanted, draws)] = np.arange(len(draws))
            of_rows = held[places]
            for column, values in zip(found, columns, strict=True):
                column[rows[of_rows >= 0]] = values[of_rows[of_rows >= 0]]


def _shapes(context: AuditContext, draws: int) -> list[tuple[int, ...]]:
    """Of each of `_FILES`, or of a part of it."""
    return [(draws,), (draws,), (draws,), (draws, context.bounds_kept)]


def _nothing(context: AuditContext, draws: int) -> Columns:
    shapes = _shapes(context, draws)
    return tuple(np.zeros(s, dtype=kind) for (_, kind), s in zip(_FILES, shapes, strict=True))


def _opened(context: AuditContext) -> Columns:
    if "files" not in context.held:
        shapes = _shapes(context, sum(task.quota for task in context.locked.plan.tasks))
        context.held["files"] = tuple(
            np.memmap(Path(context.given) / name, dtype=kind, mode="r+", shape=shape)
            if math.prod(shape)
            else np.zeros(shape, dtype=kind)
            for (name, kind), shape in zip(_FILES, shapes, strict=True)
        )
    found: Columns = context.held["files"]
    return found


def _dense(lists: pa.ListArray | None, count: int, width: int) -> npt.NDArray[np.uint32]:
    """So many lists of numbers as lines of one length, zeros behind them; without lists, zeros."""
    result = np.zeros((count, width), dtype=np.uint32)
    if lists is not None:
        sizes = lists.value_lengths().to_numpy()
        result[np.arange(width) < sizes[:, None]] = lists.flatten().to_numpy()
    return result


def _starts(context: AuditContext) -> Numbers:
    """Where in the files the draws of each task begin."""
    quotas = [task.quota for task in context.locked.plan.tasks]
    starts: Numbers = np.concatenate([[0], np.cumsum(quotas)]).astype(np.int64)
    return starts


def _rendered(
    context: AuditContext, plan: TaskPlan, draws: Numbers
) -> Iterator[tuple[Numbers, Columns]]:
    """Draws of a task that give a record, with what is kept of it."""
    lock = context.locked
    facts = _facts_of(context, plan.task)
    with without_garbage_collection():
        part = render_task(lock, plan, store=store_folder(context.store), draws=draws)
        variants = _words([cell.variant for cell in plan.cells])
        templates = _words(part.template_names)
        lists = [block.bounds for block in part.blocks if len(block.draws)]
        tables = coded_tables(part, code_book(lock))
        # What was rendered row by row comes first, and tells nothing of its parts.
        without = [None] * (len(tables) - len(lists))
        for table, bounds in zip(tables, [*without, *lists], strict=True):
            batch = table.combine_chunks().to_batches()[0]
            styles = batch.column("style").dictionary_encode()
            shown = batch.column("exemplar_rows")
            rows = batch.column("row").to_numpy()
            digests = _digests(
                text_hashes(TextColumn(batch.column("inputs"))),
                text_hashes(TextColumn(batch.column("targets"))),
                variants[batch.column("cell").to_numpy()],
                templates[batch.column("template").to_numpy()],
                text_hashes(TextColumn(styles.dictionary))[styles.indices.to_numpy()],
                _of_lists(shown.values.to_numpy(), shown.offsets.to_numpy().astype(np.int64)),
                rows.astype(np.uint64),
            )
            parts = _dense(bounds, len(rows), context.bounds_kept)
            yield batch.column("draw").to_numpy(), (digests, *facts.of(rows), parts)


def _facts_of(context: AuditContext, task: str) -> RowFacts:
    # Those of the last task alone: draws of a large one are rendered by parts.
    if context.held.get("task") != task:
        context.held.update(task=task, facts=RowFacts(context, context.tasks[task]))
    facts: RowFacts = context.held["facts"]
    return facts


def _digests_of(view: ShardView) -> Bits:
    variants, templates = _words(view.variant_names), _words(view.template_names)
    return _digests(
        view.inputs.hashes,
        view.targets.hashes,
        variants[view.variant_codes],
        templates[view.template_codes],
        view.style_hashes[view.style_codes],
        _of_lists(*view.exemplar_rows),
        view.row_ids.astype(np.uint64),
    )


def _digests(*columns: Bits) -> Bits:
    """One number for each record; never 0."""
    found = random_bits(_SEED, columns[0])
    for column in columns[1:]:
        found ^= column
        found = random_bits(_SEED, found)
    result: Bits = np.maximum(found, np.uint64(1))
    return result


def _words(texts: Sequence[str]) -> Bits:
    return np.asarray([xxhash.xxh3_64_intdigest(text.encode()) for text in texts], dtype=np.uint64)


def _of_lists(values: Numbers, starts: Numbers) -> Bits:
    """One number for each list of rows; 0 for one that is empty."""
    first, last = int(starts[0]), int(starts[-1])
    if first == last:
        return np.zeros(len(starts) - 1, dtype=np.uint64)
    sizes = np.diff(starts)
    at = np.arange(first, last) - np.repeat(starts[:-1], sizes)
    mixed = random_bits(_SEED, values[first:last].astype(np.uint64) ^ random_bits(_SEED, at))
    summed = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(mixed, dtype=np.uint64)])
    result: Bits = summed[starts[1:] - first] - summed[starts[:-1] - first]
    return result
