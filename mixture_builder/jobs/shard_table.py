"""Tables of examples: coded while they are on their way, finished when a shard is written.

A coded table says in small numbers what a finished one says in words: which task, which of
its cells, which of its templates. So examples can be put aside and put in order at little
cost, and the words stand where they are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mixture_builder.draw import Indices, derive_seed, distinct, random_bits
from mixture_builder.errors import BuildError
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA
from mixture_builder.lock import Lock
from mixture_builder.render.batch import RenderedExamples, TooMuchTextError
from mixture_builder.render.text_arrays import MAX_BYTES, one_array

_ROW_LISTS = EXAMPLE_SCHEMA.field("exemplar_rows").type

CODED_SCHEMA: pa.Schema = pa.schema(
    [
        pa.field(name, type_, nullable=False)
        for name, type_ in (
            ("inputs", pa.string()),
            ("targets", pa.string()),
            ("style", pa.string()),
            ("exemplar_rows", _ROW_LISTS),
            ("row", pa.int64()),
            ("draw", pa.int64()),
            ("task", pa.int32()),
            ("cell", pa.int32()),
            ("template", pa.int32()),
            ("order", pa.uint64()),
        )
    ]
)
"""A task is its place in the plan, a cell its place in the task, a template its place in the
file; `order` is the hash by which a shard is sorted."""


WELL_BELOW = 1 << 30
"""Bytes of a shard that are far enough below what a column may hold."""


class CodeBook:
    """The words that codes of a mixture stand for.

    Args:
      lock: of the mixture.
    """

    def __init__(self, lock: Lock) -> None:
        tasks = lock.plan.tasks
        self.shards = lock.plan.shards
        self.numbers = {task.task: number for number, task in enumerate(tasks)}
        self.tasks = [task.task for task in tasks]
        self.seeds = [derive_seed(lock.plan.seed, "order", task.task) for task in tasks]
        self._submixtures = pa.array([task.submixture for task in tasks], pa.string())
        self._names = pa.array(self.tasks, pa.string())
        # Cells and templates of all tasks stand one after the other.
        cells = [task.cells for task in tasks]
        templates = [lock.templates[task.templates] for task in tasks]
        self._first_cell = _starts([len(c) for c in cells])
        self._first_template = _starts([len(t) for t in templates])
        self.cell_names = [cell.name for of_task in cells for cell in of_task]
        self._variants = pa.array([c.variant for of_task in cells for c in of_task], pa.string())
        self._templates = pa.array([t.id for of_task in templates for t in of_task], pa.string())
        self._rank = np.argsort(np.argsort(np.asarray(self.tasks, dtype=object)))

    def finish(self, coded: pa.Table) -> pa.Table:
        """The finished table of a shard: in order, with the words in place of codes.

        Args:
          coded: all examples of the shard, in any order.

        Raises:
          BuildError: if they come to more than an Arrow column may hold.
        """
        tasks, draws = _numbers(coded, "task"), _numbers(coded, "draw")
        hashes = _numbers(coded, "order")
        order = np.argsort(hashes)
        sorted_hashes = hashes[order]
        if (sorted_hashes[1:] == sorted_hashes[:-1]).any():
            # As good as impossible; task and draw settle it all the same.
            order = np.lexsort((draws, self._rank[tasks], hashes))
        taken = pa.array(order)
        tasks = tasks[order]
        try:
            found = {
                name: _whole(coded.column(name)).take(taken)
                for name in ("inputs", "targets", "style", "exemplar_rows", "row")
            }
        except TooMuchTextError:
            raise too_much_text(coded.nbytes, shards=self.shards) from None
        words = {
            "task_id": self._names.take(pa.array(tasks)),
            "submixture": self._submixtures.take(pa.array(tasks)),
            "variant": self._variants.take(pa.array(self.cell_codes(coded)[order])),
            "template_id": self._templates.take(
                pa.array(self._first_template[tasks] + _numbers(coded, "template")[order])
            ),
            "num_exemplars": found["exemplar_rows"].value_lengths(),
            "draw": pa.array(draws[order]),
        }
        columns = {**found, **words}
        return pa.Table.from_arrays(
            [columns[name] for name in EXAMPLE_SCHEMA.names], schema=EXAMPLE_SCHEMA
        )

    def cell_codes(self, coded: pa.Table) -> Indices:
        """For each example the place of its cell among the cells of all tasks."""
        codes: Indices = self._first_cell[_numbers(coded, "task")] + _numbers(coded, "cell")
        return codes

    def cells(self, coded: pa.Table) -> dict[str, dict[str, int]]:
        """How many examples each cell of each task has."""
        result: dict[str, dict[str, int]] = {}
        codes, places = distinct(self.cell_codes(coded))
        counts = np.bincount(places, minlength=len(codes))
        owners = np.searchsorted(self._first_cell, codes, side="right") - 1
        for code, owner, count in zip(
            codes.tolist(), owners.tolist(), counts.tolist(), strict=True
        ):
            result.setdefault(self.tasks[owner], {})[self.cell_names[code]] = count
        return {task: dict(sorted(cells.items())) for task, cells in result.items()}


_books: dict[str, CodeBook] = {}
"""The last lock's code book: a worker builds many shards of one mixture."""


def code_book(lock: Lock) -> CodeBook:
    """The code book of a lock; made once for shards of the same one."""
    book = _books.get(lock.fingerprint)
    if book is None:
        _books.clear()
        book = _books[lock.fingerprint] = CodeBook(lock)
    return book


def coded_table(rendered: Sequence[RenderedExamples], book: CodeBook) -> pa.Table:
    """Examples as they were rendered, in codes and in no order."""
    tables = [table for part in rendered for table in coded_tables(part, book)]
    return pa.concat_tables([CODED_SCHEMA.empty_table(), *tables])


def coded_tables(part: RenderedExamples, book: CodeBook) -> list[pa.Table]:
    """Examples of one task in codes, a table for each way they were rendered in."""
    batches = [_of_lists(part, book)] if part.draws else []
    batches += [_of_block(part, block, book) for block in part.blocks if len(block.draws)]
    return [pa.Table.from_batches([batch]) for batch in batches]


def _of_lists(part: RenderedExamples, book: CodeBook) -> pa.RecordBatch:
    return _batch(
        part,
        book,
        draws=np.asarray(part.draws, dtype=np.int64),
        cells=np.asarray(part.cell_codes, dtype=np.int32),
        templates=np.asarray(part.template_codes, dtype=np.int32),
        inputs=_texts(part.inputs, book),
        targets=_texts(part.targets, book),
        style=pa.array(part.styles, pa.string()),
        exemplar_rows=pa.array(part.exemplar_rows, _ROW_LISTS),
        row=pa.array(part.rows, pa.int64()),
    )


def _texts(texts: Sequence[str], book: CodeBook) -> pa.Array:
    made = pa.array(texts, pa.string())
    if isinstance(made, pa.ChunkedArray):
        # So Arrow does where they are too much for one array.
        raise too_much_text(made.nbytes, shards=book.shards)
    return made


def _of_block(part: RenderedExamples, block: Any, book: CodeBook) -> pa.RecordBatch:
    return _batch(
        part,
        book,
        draws=block.draws,
        cells=block.cells,
        templates=block.templates,
        inputs=block.inputs,
        targets=block.targets,
        style=block.styles,
        exemplar_rows=block.exemplar_rows
        if block.exemplar_rows is not None
        else _no_rows(len(block.draws)),
        row=pa.array(block.rows),
    )


def _batch(
    part: RenderedExamples,
    book: CodeBook,
    *,
    draws: Indices,
    cells: npt.NDArray[Any],
    templates: npt.NDArray[Any],
    **found: pa.Array,
) -> pa.RecordBatch:
    number = book.numbers[part.plan.task]
    columns = {
        **found,
        "draw": pa.array(draws),
        "task": pa.array(np.full(len(draws), number, dtype=np.int32)),
        "cell": pa.array(cells.astype(np.int32)),
        "template": pa.array(templates.astype(np.int32)),
        "order": pa.array(random_bits(book.seeds[number], draws)),
    }
    return pa.RecordBatch.from_arrays(
        [columns[name] for name in CODED_SCHEMA.names], schema=CODED_SCHEMA
    )


def _no_rows(count: int) -> pa.Array:
    return pa.ListArray.from_arrays(
        pa.array(np.zeros(count + 1, dtype=np.int32)), pa.array([], pa.int64()), type=_ROW_LISTS
    )


def _starts(sizes: Sequence[int]) -> Indices:
    starts: Indices = np.concatenate([[0], np.cumsum(sizes)])[:-1].astype(np.int64)
    return starts


def _numbers(table: pa.Table, name: str) -> npt.NDArray[Any]:
    numbers: npt.NDArray[Any] = table.column(name).to_numpy()
    return numbers


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return one_array(column.chunks) if column.num_chunks else pa.array([], column.type)


def too_much_text(size: int, *, shards: int) -> BuildError:
    """Why a shard cannot be made, and the way out.

    Args:
      size: bytes of its examples.
      shards: how many there are.
    """
    enough = -(-shards * size // WELL_BELOW)
    return BuildError(
        f"the examples of a shard come to {size / 1e9:.1f} GB; expected at most "
        f"{MAX_BYTES / 1e9:.1f} GB of prompts or of targets. Use more shards (--shards {enough}), "
        "or shorter texts (`limits` of the recipe)."
    )
