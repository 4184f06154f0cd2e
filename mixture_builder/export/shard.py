"""Exporting one shard: its examples divided into splits, and the parts that the target writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from mixture_builder.export.certify import Certificate, certify
from mixture_builder.export.parts import Part, Parts
from mixture_builder.export.plan import ExportPlan
from mixture_builder.export.reading import read_shard
from mixture_builder.export.splits import split_examples
from mixture_builder.export.targets import find_target
from mixture_builder.io.atomic import atomic_output
from mixture_builder.io.tokenizer import load_tokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardExport:
    """What exporting one shard gave.

    Attributes:
      rows: examples in the shard.
      parts: the files that the target wrote.
      tasks: examples by task and split; `left_out` counts as a split.
      certificate: of the shard, if one was asked for.
    """

    shard: int
    rows: int
    parts: Sequence[Part]
    tasks: Mapping[str, Mapping[str, int]]
    certificate: Certificate | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        plain = asdict(self)
        plain["certificate"] = self.certificate and self.certificate.to_json()
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> ShardExport:
        """The result that `to_json` described.

        Raises:
          TypeError, KeyError: if it is another kind of data.
        """
        known = plain["certificate"]
        return cls(
            **{
                **plain,
                "parts": [Part(**part) for part in plain["parts"]],
                "certificate": known and Certificate.from_json(known),
            }
        )


def export_shard(argument: tuple[ExportPlan, int]) -> ShardExport:
    """Writes the parts of one shard and leaves its result in the work folder.

    Raises:
      VerifyError: if the shard is not what the mixture's manifest says.
      BuildError: if the storage refuses.
    """
    plan, shard = argument
    examples = read_shard(plan.context.mixture, plan.context.manifest, shard=shard)
    divided = split_examples(examples, plan.held)
    target = find_target(plan.target)
    written: list[Part] = []
    tasks: dict[str, Counter[str]] = {}
    for split, table in divided.tables.items():
        parts = Parts(work=plan.work, shard=shard, split=split)
        target.write(table, split, plan.context, parts)
        written += parts.written
        _count(tasks, table, split)
    _count(tasks, divided.left_out, "left_out")
    result = ShardExport(
        shard=shard,
        rows=examples.num_rows,
        parts=written,
        tasks={task: dict(counts) for task, counts in sorted(tasks.items())},
        certificate=_certificate(plan, examples, shard) if plan.certify else None,
    )
    with atomic_output(plan.result_url(shard), durable=False) as output:
        output.write(json.dumps(result.to_json(), ensure_ascii=False).encode())
    return result


def _certificate(plan: ExportPlan, examples: pa.Table, shard: int) -> Certificate:
    return certify(
        examples,
        load_tokenizer(plan.context.tokenizer),
        separator=plan.context.separator,
        file=plan.context.manifest["shards"][shard]["file"],
    )


def _count(tasks: dict[str, Counter[str]], table: pa.Table, split: str) -> None:
    for entry in table.column("task_id").value_counts().to_pylist():
        tasks.setdefault(entry["values"], Counter())[split] += entry["counts"]
