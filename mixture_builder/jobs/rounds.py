"""Shards built in rounds: tasks are rendered first, each as a whole, and shards put together then.

    plan_rounds      which shards are built together, and which draws are rendered together
    render_chunk     some tasks' draws for all shards of a round -> one Arrow file
    assemble_shard   one shard's part of all those files -> the shard

To begin with a task costs some milliseconds, however few of its draws a shard holds: rows are
opened, templates looked up, draws dealt. In a mixture of a thousand small tasks that would be
most of a build, once for each task and shard; in rounds it is paid once for each task. The
files are Arrow's own, uncompressed, in batches each of one shard. Those of a round are written
over by the round after the next, which costs the system less than to remove and to make them.
Shards come out byte for byte as `build.build_shard` makes them one by one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
import pyarrow as pa

from mixture_builder.draw import Indices, counted_order
from mixture_builder.io.mapped_file import mapped_file
from mixture_builder.io.remote_store import ROWS_NAME
from mixture_builder.io.stored_task import task_folder
from mixture_builder.jobs.build import (
    ShardEvents,
    finish_shard,
    render_tasks,
    without_garbage_collection,
)
from mixture_builder.jobs.shard_layout import counted_up, stretches_of_task
from mixture_builder.jobs.shard_table import CODED_SCHEMA, code_book, coded_tables
from mixture_builder.lock import Lock
from mixture_builder.manifest import ShardResult
from mixture_builder.plan import TaskPlan
from mixture_builder.render.batch import DroppedDraw, RenderedExamples
from mixture_builder.shards import shard_offset

Item = TypeVar("Item")

FEW_DRAWS = 4_000
"""With fewer draws a task and shard on average, rounds cost less than shards one by one."""

CHUNK_BYTES = 24 << 20
"""About what the texts of a chunk take: a worker holds them three times over."""

CHUNK_EXAMPLES = 75_000

ROUND_BYTES = 2 << 30
"""About what the files of a round take on disk at most; those of two may stand there together."""

WORKER_ROUND_BYTES = 96 << 20
"""What they take for each worker where tasks are large: so little is written over before the system
puts it on the disk, and there are jobs enough for all workers."""

MANY_DRAWS = 8_000
"""With as many draws a task and round on average, to begin with a task costs next to nothing; with
more, files of a round take memory of the system anew that smaller ones would write over."""

TEMPLATE_BYTES = 300
"""About what a template, an option list and the columns beside the texts add to an example."""

GATHERED_BYTES = 256 << 10
"""So much is gathered of a file of a round before it is handed to the system."""

LARGE_BATCH = 128 << 10
"""Bytes of a table for each shard from which on it is worth a batch of its own there."""

DRAWS_TOGETHER = 8_000
"""Draws of small tasks that are rendered together at most."""

GROUP_BYTES = 1 << 30
"""Bytes of tables that are put in order together at most."""

EVENTS = b"events of shard %d"
"""Key under which a file says what went wrong with draws of a shard of its round."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """The draws of one task that go to some of the shards of a round.

    Attributes:
      task: its place in the plan.
      first, last: places among the shards of the round; `last` is one past the last.
    """

    task: int
    first: int
    last: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """Draws that one job renders.

    Attributes:
      shards: all shards of its round.
      pieces: of which tasks.
      file: that the examples are written to.
    """

    shards: tuple[int, ...]
    pieces: tuple[Piece, ...]
    file: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Assembly:
    """A shard that one job puts together.

    Attributes:
      shard: from 0.
      place: of the shard among those of its round.
      of: how many shards its round has.
      files: of all chunks of the round.
      out: folder or URL of the mixture.
    """

    shard: int
    place: int
    of: int
    files: tuple[str, ...]
    out: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """Shards that are built together, and the chunks that hold their examples."""

    shards: tuple[int, ...]
    chunks: tuple[Chunk, ...]

    def assemblies(self, out: str) -> list[Assembly]:
        """The jobs that follow once all chunks are rendered."""
        files = tuple(chunk.file for chunk in self.chunks)
        return [
            Assembly(shard=shard, place=place, of=len(self.shards), files=files, out=out)
            for place, shard in enumerate(self.shards)
        ]


def worth_rounds(lock: Lock, shards: Sequence[int]) -> bool:
    """Whether rounds cost less than building these shards one by one."""
    if len(shards) < 2:
        return False
    return lock.plan.examples < FEW_DRAWS * len(lock.plan.tasks) * lock.plan.shards


def plan_rounds(
    lock: Lock,
    *,
    store: Path,
    shards: Sequence[int],
    folder: Path,
    small: int | None = None,
) -> Iterator[Round]:
    """Cuts a build into rounds and chunks of bounded size.

    Args:
      lock: of the mixture.
      store: root of the row store.
      shards: those that are wanted.
      folder: for the files of chunks.
      small: bytes that a round takes where tasks are large; if it is left out, as many as it may
        take at all, which is best where nothing is written to files.
    """
    sizes = _example_bytes(lock, store)
    quotas = [task.quota for task in lock.plan.tasks]
    total = sum(size * quota for size, quota in zip(sizes, quotas, strict=True))
    together = _together(
        total,
        sum(quotas),
        tasks=len(quotas),
        shards=lock.plan.shards,
        small=ROUND_BYTES if small is None else small,
    )
    rounds = -(-len(shards) // together)
    even = -(-len(shards) // rounds)
    for number in range(rounds):
        chosen = tuple(shards[number * even : (number + 1) * even])
        if chosen:
            chunks = tuple(
                Chunk(
                    shards=chosen,
                    pieces=tuple(pieces),
                    file=str(folder / f"chunk-{at:05d}-{'ab'[number % 2]}.arrow"),
                )
                for at, pieces in enumerate(_chunks(quotas, sizes, chosen, lock.plan.shards))
            )
            yield Round(shards=chosen, chunks=chunks)


def _together(size: float, examples: int, *, tasks: int, shards: int, small: int) -> int:
    """How many shards a round has: enough for each task to be worth beginning with."""
    wanted = size * MANY_DRAWS * tasks / max(1, examples)
    round_bytes = min(ROUND_BYTES, max(small, wanted))
    return max(1, int(round_bytes * shards / max(1.0, size)))


def _example_bytes(lock: Lock, store: Path) -> list[float]:
    """About how large an example of each task is."""
    result = []
    for task in lock.plan.tasks:
        file = task_folder(store, task.task, lock.tasks[task.task].stored) / ROWS_NAME
        row = file.stat().st_size / max(1, task.rows) if file.exists() else 0.0
        shown = sum(cell.quota * task.form_of(cell).mean for cell in task.cells if cell.few_shot)
        result.append(row * float(1 + shown / max(1, task.quota)) + TEMPLATE_BYTES)
    return result


def _chunks(
    quotas: Sequence[int], sizes: Sequence[float], shards: Sequence[int], of: int
) -> Iterator[list[Piece]]:
    """Tasks in their order, cut where a chunk is full; large ones are cut by shards."""
    pieces: list[Piece] = []
    room = 1.0
    for task, (quota, size) in enumerate(zip(quotas, sizes, strict=True)):
        a_shard = quota / of
        # Part of a full chunk that a shard's draws of this task take.
        part = max(a_shard / CHUNK_EXAMPLES, a_shard * size / CHUNK_BYTES, 1e-9)
        first = 0
        while first < len(shards):
            last = min(len(shards), first + max(1, int(room / part)))
            if part * (last - first) > room and pieces:
                yield pieces
                pieces, room = [], 1.0
                continue
            pieces.append(Piece(task=task, first=first, last=last))
            room -= part * (last - first)
            first = last
    if pieces:
        yield pieces


def render_chunk(lock: Lock, chunk: Chunk, *, store: Path) -> int:
    """Renders the draws of a chunk into its file; gives how many examples there are.

    Raises:
      StoreError: if the store does not hold the rows that the lock was made for.
      BuildError: if the storage refuses.
    """
    book = code_book(lock)
    events = [ShardEvents() for _ in chunk.shards]
    tables: list[tuple[pa.Table, Indices]] = []
    with without_garbage_collection():
        # Small tasks are rendered together.
        for asked in _stretches(_asked(lock, chunk), lambda of: len(of[-1]), DRAWS_TOGETHER):
            parts = render_tasks(lock, [(task, draws) for task, _, _, draws in asked], store=store)
            for part, (_, starts, owners, _) in zip(parts, asked, strict=True):
                _note_events(part, starts, owners, events)
                for table in coded_tables(part, book):
                    found = table.column("draw").to_numpy()
                    owner = owners[np.searchsorted(starts, found, side="right") - 1]
                    tables.append((table, owner))
    _write_chunk(chunk, tables, events)
    return sum(table.num_rows for table, _ in tables)


def _stretches(
    items: Iterable[Item], size: Callable[[Item], int], most: int
) -> Iterator[list[Item]]:
    """Items in their order, in stretches of at most a size; a larger item is one by itself."""
    some: list[Item] = []
    held = 0
    for item in items:
        further = size(item)
        if some and held + further > most:
            yield some
            some, held = [], 0
        some.append(item)
        held += further
    if some:
        yield some


def _asked(lock: Lock, chunk: Chunk) -> Iterator[tuple[TaskPlan, Indices, Indices, Indices]]:
    """The tasks of a chunk that have draws there, each with its `_draws`."""
    for piece in chunk.pieces:
        task = lock.plan.tasks[piece.task]
        starts, owners, draws = _draws(lock, task, chunk.shards, piece)
        if len(draws):
            yield task, starts, owners, draws


def _draws(
    lock: Lock, task: TaskPlan, shards: Sequence[int], piece: Piece
) -> tuple[Indices, Indices, Indices]:
    """First draws of the stretches, ascending, whose shard each is, and all draws, by shards."""
    firsts, ends = stretches_of_task(
        task.quota,
        np.asarray(shards[piece.first : piece.last]),
        shards=lock.plan.shards,
        offset=shard_offset(lock.plan.seed, task.task),
    )
    owners = np.repeat(np.arange(piece.first, piece.last), 2)
    held = (firsts < ends).ravel()
    starts, owners, lengths = firsts.ravel()[held], owners[held], (ends - firsts).ravel()[held]
    order = np.argsort(starts)
    return starts[order], owners[order], counted_up(starts, lengths)


def _note_events(
    part: RenderedExamples, starts: Indices, owners: Indices, events: Sequence[ShardEvents]
) -> None:
    def of(draw: int) -> ShardEvents:
        return events[int(owners[np.searchsorted(starts, draw, side="right") - 1])]

    for draw, reason in part.redraws:
        of(draw).redrawn.setdefault(part.plan.task, Counter())[reason] += 1
    for drop in part.dropped:
        of(drop.draw).dropped.append(drop)


def _write_chunk(
    chunk: Chunk, tables: Sequence[tuple[pa.Table, Indices]], events: Sequence[ShardEvents]
) -> None:
    """Writes examples in groups, each with a batch for each shard.

    A large table that stands in the order of shards is a group of its own and is written as it
    is; all others are put in that order together.
    """
    groups: list[tuple[pa.RecordBatch, Indices]] = []
    others: list[tuple[pa.Table, Indices]] = []
    for table, owner in tables:
        large = table.nbytes >= LARGE_BATCH * len(chunk.shards)
        if large and (owner[1:] >= owner[:-1]).all():
            groups.append((table.combine_chunks().to_batches()[0], owner))
        else:
            others.append((table, owner))
    # Nearly always one stretch; the texts of each fit into one array.
    stretches = _stretches(others, lambda of: of[0].nbytes, GROUP_BYTES)
    groups += [_by_shards(some, len(chunk.shards)) for some in stretches]
    noted = {
        EVENTS % place: json.dumps(
            {"redrawn": e.redrawn, "dropped": [_plain(drop) for drop in e.dropped]}
        )
        for place, e in enumerate(events)
        if e.redrawn or e.dropped
    }
    # Read again soon and on this machine only: nothing waits for the disk.
    schema = CODED_SCHEMA.with_metadata(noted)
    with _written_over(chunk.file) as file, pa.ipc.new_file(file, schema) as writer:
        for batch, owner in groups:
            start = 0
            for count in np.bincount(owner, minlength=len(chunk.shards)).tolist():
                writer.write_batch(batch.slice(start, count))
                start += count


def _by_shards(
    tables: Sequence[tuple[pa.Table, Indices]], shards: int
) -> tuple[pa.RecordBatch, Indices]:
    """Tables as one batch in the order of shards, and whose shard each row is."""
    joined = pa.concat_tables([table for table, _ in tables]).combine_chunks()
    owner = np.concatenate([owner for _, owner in tables])
    order = pa.array(counted_order(owner, shards))
    columns = [column.chunk(0).take(order) for column in joined.columns]
    return pa.RecordBatch.from_arrays(columns, schema=CODED_SCHEMA), owner


@contextmanager
def _written_over(file: str) -> Iterator[IO[bytes]]:
    """A file to write, from its beginning; what stands there keeps its place in memory."""
    Path(file).touch()
    # The columns of a batch are small and many: each by itself would be a call of the system.
    with open(file, "r+b", buffering=GATHERED_BYTES) as held:
        yield held
        held.truncate()


def _plain(drop: DroppedDraw) -> dict[str, object]:
    return {field.name: getattr(drop, field.name) for field in fields(DroppedDraw)}


def assemble_shard(lock: Lock, assembly: Assembly) -> ShardResult:
    """Builds a shard of the chunks of its round.

    Raises:
      BuildError: if the storage refuses.
    """
    batches = []
    events = ShardEvents()
    for file in assembly.files:
        # By memory map: what is put together is copied once, not twice. Only the pages of this
        # shard are touched.
        with pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped_file(file)))) as reader:
            for number in range(assembly.place, reader.num_record_batches, assembly.of):
                batches.append(reader.get_batch(number).replace_schema_metadata())
            held = (reader.schema.metadata or {}).get(EVENTS % assembly.place)
        if held is None:
            continue
        noted = json.loads(held)
        for task, reasons in noted["redrawn"].items():
            events.redrawn.setdefault(task, Counter()).update(reasons)
        events.dropped.extend(DroppedDraw(**drop) for drop in noted["dropped"])
    coded = pa.Table.from_batches(batches, CODED_SCHEMA)
    return finish_shard(lock, coded, events, out=assembly.out, shard=assembly.shard)
