"""Build: from a lock to shards; see `finishing` for what comes last.

A shard is a pure function of the lock, the stored rows and its number: build one, rebuild
one, resume at one. Its result stands in a small file beside the work, so that a build that
was interrupted goes on where it was.
"""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from mixture_builder.draw import Indices
from mixture_builder.errors import StoreError
from mixture_builder.io.atomic import WrittenFile, atomic_output
from mixture_builder.io.digest import content_digest
from mixture_builder.io.stored_task import StoredTask
from mixture_builder.jobs.shard_exemplars import fewer_exemplars
from mixture_builder.jobs.shard_table import code_book, coded_table
from mixture_builder.jobs.task_renderers import kept_renderer, option_pieces
from mixture_builder.lock import Lock
from mixture_builder.manifest import ShardResult
from mixture_builder.plan import TaskPlan
from mixture_builder.render.joined_tasks import render_tasks as render_together
from mixture_builder.render.task import DroppedDraw, RenderedExamples
from mixture_builder.shards import draws_of_shard, shard_name, shard_offset

DROPPED_ENTRIES = 1_000
"""Dropped draws that a shard reports in full; all are counted."""


def shard_table(lock: Lock, *, store: Path, shard: int) -> tuple[pa.Table, list[RenderedExamples]]:
    """The finished records of one shard, in their order, and what happened on the way.

    Raises:
      StoreError: if the store does not hold the rows that the lock was made for.
    """
    coded, rendered = _coded_shard(lock, store=store, shard=shard)
    return code_book(lock).finish(coded), rendered


def _coded_shard(lock: Lock, *, store: Path, shard: int) -> tuple[pa.Table, list[RenderedExamples]]:
    with without_garbage_collection():
        rendered = []
        for task in lock.plan.tasks:
            stretches = draws_of_shard(
                task.quota,
                shard=shard,
                shards=lock.plan.shards,
                offset=shard_offset(lock.plan.seed, task.task),
            )
            if stretches:
                draws = np.concatenate([np.arange(s.start, s.stop) for s in stretches])
                rendered.append(render_task(lock, task, store=store, draws=draws))
        return coded_table(rendered, code_book(lock)), rendered


def render_task(
    lock: Lock, task: TaskPlan, *, store: Path, draws: Iterable[int] | Indices
) -> RenderedExamples:
    """Renders some draws of one task.

    Raises:
      StoreError: as for `shard_table`.
    """
    pieces = option_pieces(lock.style_pools_for(task.settings))
    with kept_renderer(lock, task, store=store) as renderer:
        return renderer.render_blocks(draws, pieces)


def render_tasks(
    lock: Lock, asked: Sequence[tuple[TaskPlan, Indices]], *, store: Path
) -> list[RenderedExamples]:
    """For each of some tasks what `render_task` gives; small ones cost less together.

    Raises:
      StoreError: as for `shard_table`.
    """
    pieces = [option_pieces(lock.style_pools_for(task.settings)) for task, _ in asked]
    with ExitStack() as stack:
        renderers = [
            stack.enter_context(kept_renderer(lock, task, store=store)) for task, _ in asked
        ]
        return render_together(renderers, [draws for _, draws in asked], pieces)


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """For what makes millions of texts and lists and no cycles: rendering, opening a mixture.

    To look for cycles among them again and again takes a fifth of the time of few-shot shards.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def write_shard(format: str, table: pa.Table, url: str) -> WrittenFile:  # noqa: A002
    """Writes one shard in one of the formats; see `mixture_builder.io`.

    It may not be on the disk yet: who builds a mixture sees to that, see `building`.
    """
    if format == "parquet":
        from mixture_builder.io.parquet import write_parquet

        return write_parquet(table, url, durable=False)
    if format == "tfrecord":
        from mixture_builder.io.tfrecord import write_tfrecord

        return write_tfrecord(table, url, durable=False)
    from mixture_builder.io.jsonl import write_jsonl

    return write_jsonl(table, url, durable=False)


def build_shard(lock: Lock, *, store: Path, out: str, shard: int) -> ShardResult:
    """Builds one shard and leaves its result in the work folder.

    Args:
      lock: of the mixture.
      store: root of the row store.
      out: folder or URL of the mixture.
      shard: from 0.

    Raises:
      StoreError: if the store does not hold the rows that the lock was made for.
      BuildError: if the storage refuses.
    """
    coded, rendered = _coded_shard(lock, store=store, shard=shard)
    events = ShardEvents.of(rendered)
    return finish_shard(lock, coded, events, out=out, shard=shard)


@dataclass(kw_only=True, slots=True)
class ShardEvents:
    """What went wrong with draws of a shard.

    Attributes:
      redrawn: how often a draw took another row, by task and reason.
      dropped: draws that no row could be rendered for.
    """

    redrawn: dict[str, Counter[str]] = field(default_factory=dict)
    dropped: list[DroppedDraw] = field(default_factory=list)

    @classmethod
    def of(cls, rendered: Iterable[RenderedExamples]) -> ShardEvents:
        """Those of everything that was rendered."""
        events = cls()
        for part in rendered:
            for _, reason in part.redraws:
                events.redrawn.setdefault(part.plan.task, Counter())[reason] += 1
            events.dropped.extend(part.dropped)
        return events


def finish_shard(
    lock: Lock, coded: pa.Table, events: ShardEvents, *, out: str, shard: int
) -> ShardResult:
    """Writes a shard whose examples are rendered, and leaves its result in the work folder.

    Args:
      lock: of the mixture.
      coded: all examples of the shard, in any order.
      events: what happened while they were rendered.
      out: folder or URL of the mixture.
      shard: from 0.

    Raises:
      BuildError: if the storage refuses.
    """
    book = code_book(lock)
    table = book.finish(coded)
    file = f"data/{shard_name(shard, lock.plan.shards, lock.format)}"
    written = write_shard(lock.format, table, f"{out}/{file}")
    dropped: dict[str, dict[str, list[int]]] = {}
    ordered = sorted(events.dropped, key=lambda drop: (drop.task, drop.draw))
    for drop in ordered:
        dropped.setdefault(drop.task, {}).setdefault(drop.reason, []).append(drop.draw)
    result = ShardResult(
        shard=shard,
        file=file,
        rows=written.rows,
        bytes=written.bytes,
        sha256=written.sha256,
        content_digest=content_digest(table),
        cells=book.cells(coded),
        redrawn={t: dict(sorted(c.items())) for t, c in sorted(events.redrawn.items())},
        dropped={t: {why: len(k) for why, k in sorted(r.items())} for t, r in dropped.items()},
        dropped_draws={t: dict(sorted(reasons.items())) for t, reasons in dropped.items()},
        entries=[asdict(drop) for drop in ordered[:DROPPED_ENTRIES]],
        fewer_exemplars=fewer_exemplars(lock, coded, book),
    )
    # A result that a crash of the machine loses costs one shard; waiting for the disk costs all.
    with atomic_output(result_url(out, lock.fingerprint, shard), durable=False) as output:
        output.write(json.dumps(result.to_json(), ensure_ascii=False).encode("utf-8", "replace"))
    return result


def work_folder(out: str, fingerprint: str) -> str:
    """Where the results of finished shards stand until the manifest is written."""
    return f"{out}/.work/{fingerprint}"


def result_url(out: str, fingerprint: str, shard: int) -> str:
    """Where one shard's result stands."""
    return f"{work_folder(out, fingerprint)}/shard-{shard:05d}.json"


def rows_of(lock: Lock) -> dict[str, str]:
    """Where in a row store the rows of a lock's tasks stand, and their digests."""
    return {f"{task}/{locked.stored}": locked.digest for task, locked in lock.tasks.items()}


def check_store(lock: Lock, stored: Mapping[str, StoredTask]) -> None:
    """Refuses a store whose rows are not those of the lock.

    Raises:
      StoreError: naming the first task that differs and how many do.
    """
    wrong = [
        task
        for task, locked in lock.tasks.items()
        if task not in stored or stored[task].digest != locked.digest
    ]
    if wrong:
        raise StoreError(
            f"the row store holds other rows than the lock for {len(wrong)} of "
            f"{len(lock.tasks)} tasks, the first is {wrong[0]}. Run ingest on the sources the "
            "mixture was built from, or name the store with --store."
        )
