"""Audit by mutation: faults of every kind are planted in a clean mixture, one at a time.

`python -m tests.audit.mutation` builds the quickstart mixture, plants every fault, and prints
the table of docs/reference/audit.md.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.document import document
from mixture_builder.audit.rows.held_out import HeldOutItem, build_index, save_index
from mixture_builder.audit.shard import ShardAudit, merged, observed
from mixture_builder.audit.subject import built_mixture
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA
from mixture_builder.jobs.inspect.records import read_batches
from tests.audit.faults import KINDS, NEED_ROWS, ROWS, Extent, Kind, Record
from tests.audit.held_out_items import ITEMS

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
      seen: those of `right` that need no rows.
    """

    kind: str
    task: str
    records: int
    found: frozenset[str]
    right: frozenset[str]

    @property
    def seen(self) -> frozenset[str]:
        """Right checks that looked at texts and columns only."""
        return self.right - NEED_ROWS

    @property
    def balanced(self) -> frozenset[str]:
        """Right checks that count all records, whether with the rows or without."""
        return self.right - {ROWS}


class Mutations:
    """A clean mixture, seen task by task: what a fault leaves alone is not looked at again.

    States of an audit can be merged in any way, so this says what an audit of the shards says.

    Args:
      out: folder of the mixture.
      store: its row store.
    """

    def __init__(self, out: Path, store: Path) -> None:
        folder = out.parent / "held_out"
        folder.mkdir(exist_ok=True)
        held = [HeldOutItem(held_out="planted", item=str(n), texts=i) for n, i in enumerate(ITEMS)]
        save_index(build_index(held), folder)
        self.context: AuditContext = replace(
            built_mixture(str(out), store=store), held_out=str(folder)
        )
        self._shards: dict[tuple[str, int], int] = {}
        self.records: dict[str, list[Record]] = {}
        for number, shard in enumerate(self.context.manifest["shards"]):
            url = f"{out}/{shard['file']}"
            for batch in read_batches(url, format=self.context.manifest["format"]):
                for record in batch.to_pylist():
                    self.records.setdefault(record["task_id"], []).append(record)
                    self._shards[record["task_id"], record["draw"]] = number
        self._seen = {task: self._look(records) for task, records in self.records.items()}

    def _look(self, records: Sequence[Record]) -> ShardAudit:
        by_shard: dict[int, list[Record]] = {}
        for record in records:
            shard = self._shards.get((record["task_id"], record["draw"]), 0)
            by_shard.setdefault(shard, []).append(record)
        return merged(
            observed(
                [pa.Table.from_pylist(held, schema=EXAMPLE_SCHEMA)],
                self.context,
                file=self.context.shard_file(shard),
            )
            for shard, held in sorted(by_shard.items())
        )

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


def table(told: Sequence[Outcome], large: Sequence[Outcome]) -> str:
    """A line for each kind, in Markdown; what was caught and what was not.

    Args:
      told: of a mixture of which all texts are taken apart.
      large: of one of which those of the first shard are, and such as are not as their rows give
        them; the same kinds.
    """
    lines = [
        "| Fault | Planted | Records | From texts and columns | With answers | With rows | Large |",
        "|---|--:|--:|---|--:|--:|--:|",
    ]
    for kind in dict.fromkeys(o.kind for o in told):
        mine = [o for o in told if o.kind == kind]
        there = [o for o in large if o.kind == kind]
        by = Counter(check for o in mine for check in o.seen)
        sizes = sorted({o.records for o in mine})
        span = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
        seen = sum(bool(o.seen) for o in mine)
        names = ", ".join(
            f"`{check}` {n}" for check, n in sorted(by.items(), key=lambda c: (-c[1], c[0]))
        )
        cells = [
            kind,
            str(len(mine)),
            span,
            f"{seen}: {names}" if seen else "0",
            str(sum(bool(o.balanced) for o in mine)),
            str(sum(bool(o.right) for o in mine)),
            f"{sum(bool(o.right) for o in there)} of {len(there)}",
        ]
        lines.append(f"| {' | '.join(cells)} |")

    def share(count: int, of: Sequence[Outcome]) -> str:
        return f"{count} of {len(of)} ({100 * count / len(of):.1f} %)"

    summary = (
        f"{len(told)} faults of {len({o.kind for o in told})} kinds. From texts and columns alone "
        f"{share(sum(bool(o.seen) for o in told), told)} are caught, with counts of the rows' "
        f"answers {share(sum(bool(o.balanced) for o in told), told)}, held against their rows "
        f"{share(sum(bool(o.right) for o in told), told)}. In the large mixture "
        f"{share(sum(bool(o.right) for o in large), large)} are caught, and from texts and columns "
        f"alone {share(sum(bool(o.seen) for o in large), large)}."
    )
    return "\n".join([*lines, "", summary])


LARGE = 24_000
"""Examples of a mixture of which most texts are not taken apart, if they are as rows give them."""


def _outcomes_of(folder: Path, *, examples: int = 0) -> tuple[frozenset[str], list[Outcome]]:
    """What is found in a clean quickstart, of some size, and in it with every fault."""
    import yaml

    from mixture_builder.shipped import find_recipe
    from tests.cli.helpers import run

    out, store = folder / "out", folder / "store"
    recipe = folder / "quickstart.yaml"
    plain = yaml.safe_load(find_recipe("quickstart").read_text(encoding="utf-8"))
    if examples:
        plain["size"] = {"examples": examples}
    recipe.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    built = run("build", recipe, "--out", out, "--store", store, "--workers", 0)
    assert built.exit_code == 0, built.output
    mutations = Mutations(out, store)
    return mutations.checks(), list(outcomes(mutations))


def main() -> int:
    """Prints the table; 1 if fewer than 95 in a hundred are caught, or the clean one is not."""
    with TemporaryDirectory() as folder, TemporaryDirectory() as other:
        clean, told = _outcomes_of(Path(folder))
        clean_large, large = _outcomes_of(Path(other), examples=LARGE)
    sys.stdout.write(table(told, large) + "\n")
    found = ", ".join(sorted(clean | clean_large)) or "nothing is found"
    sys.stdout.write(f"Of the clean mixtures: {found}.\n")
    few = any(sum(bool(o.right) for o in of) < 0.95 * len(of) for of in (told, large))
    return int(bool(clean | clean_large) or few)


if __name__ == "__main__":
    sys.exit(main())
