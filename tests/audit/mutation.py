"""Audit by mutation: faults of every kind are planted in a clean mixture, one at a time.

`python -m tests.audit.mutation` builds the quickstart mixture, plants every fault, and prints
the table of docs/reference/audit.md.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.document import document
from mixture_builder.audit.shard import ShardAudit, merged, observed
from mixture_builder.audit.subject import built_mixture
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA
from mixture_builder.jobs.inspect.records import read_batches
from tests.audit.faults import KINDS, ROWS, Extent, Kind, Record

FROM_THE_START = frozenset(["licences/no_citation"])
"""The quickstart cites nothing: that is no fault."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What an audit said of one fault.

    Attributes:
      kind: its name.
      task: where it was planted.
      records: how many have it.
      found: checks that spoke up.
      right: those of them that ought to; `content/not_as_rendered` always is one.
    """

    kind: str
    task: str
    records: int
    found: frozenset[str]
    right: frozenset[str]


class Mutations:
    """A clean mixture, seen task by task: what a fault leaves alone is not looked at again.

    States of an audit can be merged in any way, so this says what an audit of the shards says.

    Args:
      out: folder of the mixture.
      store: its row store.
    """

    def __init__(self, out: Path, store: Path) -> None:
        self.context: AuditContext = built_mixture(str(out), store=store)
        self.records: dict[str, list[Record]] = {}
        for shard in self.context.manifest["shards"]:
            url = f"{out}/{shard['file']}"
            for batch in read_batches(url, format=self.context.manifest["format"]):
                for record in batch.to_pylist():
                    self.records.setdefault(record["task_id"], []).append(record)
        self._seen = {task: self._look(records) for task, records in self.records.items()}

    def _look(self, records: Sequence[Record]) -> ShardAudit:
        table = pa.Table.from_pylist(list(records), schema=EXAMPLE_SCHEMA)
        return observed([table], self.context, file=self.context.shard_file(0))

    def document(self, changed: Mapping[str, Sequence[Record]] | None = None) -> dict[str, Any]:
        """The document of an audit of the mixture, with other records of some tasks."""
        seen = dict(self._seen)
        for task, records in (changed or {}).items():
            seen[task] = self._look(records)
        return document(merged(seen.values()), self.context)

    def checks(self, changed: Mapping[str, Sequence[Record]] | None = None) -> frozenset[str]:
        """The checks that speak up of the mixture, with other records of some tasks."""
        told = self.document(changed)
        return frozenset(f["check"] for f in told["findings"]) - FROM_THE_START

    def outcome(self, kind: Kind, extent: Extent, seed: int) -> Outcome:
        """Plants a fault in a task that is chosen by chance, and audits."""
        random = Random(f"{kind.name} {extent} {seed}")
        tasks = sorted(kind.tasks or self.records)
        random.shuffle(tasks)
        for task in tasks:
            changed, count = kind.plant(self.context, self.records[task], random, extent)
            if count:
                found = self.checks({task: changed})
                return Outcome(
                    kind=kind.name,
                    task=task,
                    records=count,
                    found=found,
                    right=found & frozenset((*kind.checks, ROWS)),
                )
        raise AssertionError(f"no task can have the fault {kind.name!r}, {extent}")


def outcomes(mutations: Mutations, kinds: Sequence[Kind] = KINDS) -> Iterator[Outcome]:
    """Every fault of every kind and extent."""
    for kind in kinds:
        for extent in kind.extents:
            for seed in range(kind.times):
                yield mutations.outcome(kind, extent, seed)


def table(told: Sequence[Outcome]) -> str:
    """A line for each kind, in Markdown; what was caught and what was not."""
    lines = [
        "| Fault | Planted | Records | From texts and columns | Only against the rows | Missed |",
        "|---|--:|--:|---|--:|--:|",
    ]
    for kind in dict.fromkeys(o.kind for o in told):
        mine = [o for o in told if o.kind == kind]
        by = Counter(check for o in mine for check in o.right - {ROWS})
        sizes = sorted({o.records for o in mine})
        span = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
        seen = sum(bool(o.right - {ROWS}) for o in mine)
        names = ", ".join(f"`{check}` {n}" for check, n in by.most_common())
        cells = [
            kind,
            str(len(mine)),
            span,
            f"{seen}: {names}" if seen else "0",
            str(sum(o.right == {ROWS} for o in mine)),
            str(sum(not o.right for o in mine)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    caught = sum(bool(o.right) for o in told)
    alone = sum(o.right == {ROWS} for o in told)
    summary = (
        f"{len(told)} faults of {len({o.kind for o in told})} kinds, {caught} caught "
        f"({100 * caught / len(told):.1f} %), {caught - alone} "
        f"({100 * (caught - alone) / len(told):.1f} %) from texts and columns alone."
    )
    return "\n".join([*lines, "", summary])


def main() -> int:
    """Prints the table; 1 if fewer than 95 in a hundred are caught, or the clean one is not."""
    from tests.cli.helpers import run

    with TemporaryDirectory() as folder:
        out, store = Path(folder, "out"), Path(folder, "store")
        built = run("quickstart", "--out", out, "--store", store, "--workers", 0)
        assert built.exit_code == 0, built.output
        mutations = Mutations(out, store)
        clean = mutations.checks()
        told = list(outcomes(mutations))
    sys.stdout.write(table(told) + "\n")
    sys.stdout.write(f"Of the clean mixture: {', '.join(sorted(clean)) or 'nothing is found'}.\n")
    return int(bool(clean) or sum(bool(o.right) for o in told) < 0.95 * len(told))


if __name__ == "__main__":
    sys.exit(main())
