"""One shard of a mixture to a state, and states to one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import pyarrow as pa

from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.given import given_records
from mixture_builder.audit.sections import SECTIONS
from mixture_builder.audit.view import ShardView
from mixture_builder.errors import VerifyError
from mixture_builder.io.bounded_slices import bounded_slices
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA, REPETITIVE_COLUMNS
from mixture_builder.io.parquet import read_parquet
from mixture_builder.io.remote_store import store_folder
from mixture_builder.jobs.build import shard_table
from mixture_builder.jobs.inspect.records import read_batches
from mixture_builder.render.batch import RenderedExamples

STRETCH_ROWS, STRETCH_BYTES = 32_768, 32 * 1024 * 1024
"""So much of a shard is looked at in one go; memory depends on it, not on the shard."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardAudit:
    """What was seen in some shards.

    Attributes:
      examples: records.
      states: of each section.
      dropped: draws that gave no example, by task; known only if the audit renders them.
      redrawn: how often draws took another row, by task; likewise.
    """

    examples: int = 0
    states: Mapping[str, Any] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    redrawn: Counter[str] = field(default_factory=Counter)

    def merged(self, other: ShardAudit) -> ShardAudit:
        """What was seen in both."""
        return ShardAudit(
            examples=self.examples + other.examples,
            states={
                name: section.merge(self.states[name], other.states[name])
                for name, section in SECTIONS.items()
            }
            if self.states and other.states
            else self.states or other.states,
            dropped=self.dropped + other.dropped,
            redrawn=self.redrawn + other.redrawn,
        )


def merged(parts: Iterable[ShardAudit]) -> ShardAudit:
    """One state for those of any shards, in any order."""
    return reduce(ShardAudit.merged, parts, ShardAudit())


def audit_shard(context: AuditContext, shard: int) -> ShardAudit:
    """Reads a shard, or renders it if the mixture is not built, and looks at every record.

    Args:
      context: of the audit.
      shard: from 0.

    Raises:
      VerifyError: if the shard is missing or damaged.
      StoreError: if the store does not hold the rows of a mixture that is not built.
    """
    file = context.shard_file(shard)
    if context.built:
        return observed(_written(context, file), context, file=file)
    table, rendered = shard_table(context.locked, store=store_folder(context.store), shard=shard)
    stretches = bounded_slices(table, rows=STRETCH_ROWS, size=STRETCH_BYTES)
    dropped = Counter(drop.task for part in rendered for drop in part.dropped)
    redrawn = Counter(part.plan.task for part in rendered for _ in part.redraws)
    parts = {part.plan.task: part for part in rendered}
    seen = observed(stretches, context, file=file, rendered=parts)
    return replace(seen, dropped=dropped, redrawn=redrawn)


def observed(
    stretches: Iterable[pa.Table],
    context: AuditContext,
    *,
    file: str,
    rendered: Mapping[str, RenderedExamples] | None = None,
) -> ShardAudit:
    """Looks at the records of a shard.

    Args:
      stretches: of its records.
      context: of the audit.
      file: of the shard.
      rendered: by task what it was rendered from, if it was for this audit.
    """
    result = ShardAudit()
    row = 0
    for table in stretches:
        view = ShardView(table, context, file=file, first_row=row)
        view.given = given_records(view, rendered)
        row += table.num_rows
        states = {name: section.observe(view) for name, section in SECTIONS.items()}
        result = result.merged(ShardAudit(examples=table.num_rows, states=states))
        del table, view
    return result


def nothing(context: AuditContext) -> ShardAudit:
    """What is seen where there are no records."""
    return observed([EXAMPLE_SCHEMA.empty_table()], context, file="")


def _written(context: AuditContext, file: str) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    rows = size = 0
    try:
        for batch in _batches(f"{context.out}/{file}", context.manifest["format"]):
            held.append(batch)
            rows += batch.num_rows
            size += batch.nbytes
            # More than half is enough: another batch might be as large.
            if rows > STRETCH_ROWS // 2 or size > STRETCH_BYTES // 2:
                yield _joined(held)
                rows = size = 0
    except FileNotFoundError:
        raise VerifyError(
            f"{context.out}/{file}: found no such file, which the manifest names. Build the "
            "mixture again; only what is missing is built."
        ) from None
    if held:
        yield _joined(held)


def _joined(held: list[pa.RecordBatch]) -> pa.Table:
    """One table, of which there is no second copy while it is looked at."""
    table = pa.Table.from_batches(held).combine_chunks()
    held.clear()
    return table


_CODED: pa.Schema = pa.schema(
    [
        pa.field(f.name, pa.dictionary(pa.int32(), pa.string()), nullable=False)
        if f.name in REPETITIVE_COLUMNS
        else f
        for f in EXAMPLE_SCHEMA
    ]
)


def _batches(url: str, format_: str) -> Iterator[pa.RecordBatch]:
    """The records of a shard; where the format can, repetitive columns in codes."""
    if format_ == "parquet":
        return read_parquet(url, schema=_CODED, rows=STRETCH_ROWS, size=STRETCH_BYTES)
    return read_batches(url, format=format_)
