"""Rows of a mixture that say the same: what `dedupe` finds, as findings of an audit.

Rows, not examples: a mixture asks about a row many times by design. A mixture's lock names its
rows and templates, so that neither cards nor recipe are needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mixture_builder.audit.checks import AuditFinding
from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.hits import KEPT
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.rows.duplicates import Cluster, RowSource, fields_of
from mixture_builder.errors import UsageError
from mixture_builder.fingerprint import fingerprint
from mixture_builder.io.stored_rows import StoredRows
from mixture_builder.io.stored_task import find_task, task_folder
from mixture_builder.jinja_compiler import compile_text

LISTED = 200
"""Clusters that the document holds; `dedupe --clusters` writes all."""

_CHECKS = {
    "duplicate": ("duplicates/rows", "say what rows say that come before them"),
    "near_duplicate": ("duplicates/near", "nearly say what rows say that come before them"),
    "other_target": ("duplicates/other_target", "ask what others ask, and have another target"),
}


def row_sources(context: AuditContext) -> list[RowSource]:
    """The rows of a mixture's tasks, in the order in which they stay.

    Raises:
      UsageError: if the store does not hold them.
    """
    if not context.store:
        raise UsageError(
            "--duplicates: the row store does not hold the rows of the mixture. Name the one it "
            "was built from with --store, or run ingest with its recipe."
        )
    store = Path(context.store)
    parts = {path: number for number, path in enumerate(_parts(context.locked.recipe))}
    tasks = sorted(
        context.tasks.values(),
        key=lambda t: (parts.get(t.plan.submixture, len(parts)), t.plan.submixture, t.plan.task),
    )
    answers: dict[str, frozenset[str]] = {}
    sources = []
    for rank, task in enumerate(tasks):
        name, locked = task.plan.task, context.locked.tasks[task.plan.task]
        stored = find_task(store, name, locked.stored)
        if stored is None:
            raise UsageError(f"--duplicates: {name} is not in the store. Run ingest.")
        folder = task_folder(store, name, locked.stored)
        set_name = task.plan.templates
        if set_name not in answers:
            answers[set_name] = frozenset(
                field
                for template in task.templates
                if template.direction == "direct"
                for field in compile_text(template.target).names
            )
        fields = StoredRows(folder, expected_rows=stored.rows).fields
        inputs, targets = fields_of(fields, answers[set_name])
        sources.append(
            RowSource(
                task=name,
                folder=folder,
                rows=stored.rows,
                inputs=inputs,
                targets=targets,
                # Cards are not at hand; tasks over one source have read the same files.
                source=fingerprint(sorted(str(file["name"]) for file in stored.files)),
                rank=rank,
            )
        )
    return sources


def _parts(plain: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Paths of a recipe's parts, in the order in which it has them."""
    for name, part in (plain.get("submixtures") or {}).items():
        path = f"{above}{name}"
        yield path
        yield from _parts(part, f"{path}/")


def report(sources: Sequence[RowSource], clusters: Sequence[Cluster]) -> SectionReport:
    """Rows that say the same, by task and kind.

    Args:
      sources: that were looked at.
      clusters: of their rows.
    """
    kinds = {kind: {"clusters": 0, "rows": 0} for kind in _CHECKS}
    tasks: dict[str, Counter[str]] = {}
    first: dict[tuple[str, str], list[str]] = {}
    for cluster in clusters:
        kinds[cluster.kind]["clusters"] += 1
        kinds[cluster.kind]["rows"] += len(cluster.others)
        for row in cluster.others:
            tasks.setdefault(row.task, Counter())[cluster.kind] += 1
            shown = first.setdefault((row.task, cluster.kind), [])
            if len(shown) < KEPT:
                shown.append(f"{row.place} and {cluster.kept.place} of {cluster.kept.task}")
    rows = {source.task: source.rows for source in sources}
    findings = [
        AuditFinding(
            check=_CHECKS[kind][0],
            task=task,
            message=f"{count:,} of {rows[task]:,} rows {_CHECKS[kind][1]}: "
            + "; ".join(first[task, kind]),
            count=count,
        )
        for task, counts in sorted(tasks.items())
        for kind, count in sorted(counts.items())
    ]
    return SectionReport(
        facts={
            "rows": sum(rows.values()),
            "kinds": kinds,
            "clusters": [asdict(cluster) for cluster in clusters[:LISTED]],
        },
        findings=findings,
        tasks={task: {"duplicates": dict(sorted(n.items()))} for task, n in tasks.items()},
    )
