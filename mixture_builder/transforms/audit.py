"""Beam over `audit.shard`: numbers of shards in, the document of an audit out.

    shard number -> GroupByKey -> audit_shard -> Combine -> document

What passes through Beam is a small state for each shard, no records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.document import document
from mixture_builder.audit.shard import ShardAudit, audit_shard, merged
from mixture_builder.errors import MixtureBuilderError
from mixture_builder.transforms.quiet_beam import beam
from mixture_builder.transforms.results import write_error, write_result

if TYPE_CHECKING:
    from apache_beam.pvalue import PCollection

DOCUMENT = "audit.json"
"""The name of the result file."""


class Audit(beam.PTransform[Any, Any]):
    """Audits shards: shard numbers (from 0) to one document, as plain data.

    Args:
      context: of the audit; its mixture, or the row store, must be seen by workers.
      results: folder or URL, seen by workers, in which the document is left as well.
    """

    def __init__(self, context: AuditContext, *, results: str) -> None:
        super().__init__()
        self._context = context
        self._results = results

    def expand(self, shards: PCollection[int]) -> PCollection[dict[str, Any]]:
        """See the class."""
        told: PCollection[dict[str, Any]] = (
            shards
            | "NameShard" >> beam.Map(_by_shard).with_output_types(tuple[int, int])
            # Deals shards out: without it, the runner may fuse all of them to one worker.
            | "SpreadShards" >> beam.GroupByKey()
            | "AuditShard"
            >> beam.ParDo(_AuditShard(self._context, self._results)).with_output_types(ShardAudit)
            | "PutTogether" >> beam.CombineGlobally(merged)
            | "Tell"
            >> beam.ParDo(_Tell(self._context, self._results)).with_output_types(dict[str, Any])
        )
        return told


def _by_shard(shard: int) -> tuple[int, int]:
    return shard, shard


class _AuditShard(beam.DoFn):
    def __init__(self, context: AuditContext, results: str) -> None:
        self._context = context
        self._results = results

    def process(self, element: tuple[int, Iterable[int]]) -> Iterator[ShardAudit]:
        try:
            yield audit_shard(self._context, element[0])
        except MixtureBuilderError as problem:
            write_error(self._results, DOCUMENT, problem)
            raise


class _Tell(beam.DoFn):
    def __init__(self, context: AuditContext, results: str) -> None:
        self._context = context
        self._results = results

    def process(self, element: ShardAudit) -> Iterator[dict[str, Any]]:
        plain = document(element, self._context)
        write_result(self._results, DOCUMENT, plain)
        yield plain
