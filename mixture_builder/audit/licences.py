"""Licences and citations of what a mixture holds, by what its manifest keeps of the cards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixture_builder.audit.checks import AuditFinding
from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.view import ShardView, as_counter
from mixture_builder.hub_terms import UNKNOWN
from mixture_builder.licences import licence_in, terms_of

CUSTOM = "custom"

_ABOUT = (
    "What each task of the mixture is made of. Licences are as the task cards give them; they are "
    "those of the data, not of this text."
)


@dataclass(kw_only=True, slots=True)
class Licensed:
    """Examples by task."""

    examples: Counter[str] = field(default_factory=Counter)


def observe(view: ShardView) -> Licensed:
    """Counts the examples of a stretch."""
    return Licensed(examples=Counter(as_counter(view.task_names, np.asarray(view.task_codes))))


def merge(one: Licensed, other: Licensed) -> Licensed:
    """The counts of both."""
    return Licensed(examples=one.examples + other.examples)


def report(state: Licensed, context: AuditContext) -> SectionReport:
    """The table of licences, and what is not known."""
    rows: dict[str, dict[str, int]] = {}
    findings = []
    without: list[str] = []
    uncited: list[str] = []
    tasks: dict[str, dict[str, Any]] = {}
    for name, task in context.tasks.items():
        examples = state.examples[name]
        licence = terms_of(task.card)
        if not task.card:
            without.append(name)
        elif not task.card.get("citation"):
            uncited.append(name)
        id_ = licence_in(task.card)
        line = rows.setdefault(id_, {"tasks": 0, "rows": 0, "examples": 0})
        line["tasks"] += 1
        line["rows"] += task.plan.rows
        line["examples"] += examples
        tasks[name] = {
            "licence": id_,
            "licence_read_at": licence.get("read_at"),
            "citation": task.card.get("citation") or None,
            "title": task.card.get("title"),
            "kind": task.kind or None,
            "languages": list(task.card.get("languages", ())),
        }
        if task.card and id_ == UNKNOWN:
            findings.append(
                AuditFinding(
                    check="licences/unknown",
                    task=name,
                    message=f"{examples:,} examples of which no licence is known",
                    count=examples,
                )
            )
        elif id_ == CUSTOM:
            where = licence.get("read_at") or licence.get("note") or "the card does not say where"
            findings.append(
                AuditFinding(
                    check="licences/custom",
                    task=name,
                    message=f"{examples:,} examples under terms of their own: {where}",
                    count=examples,
                )
            )
    if without:
        findings.append(
            AuditFinding(
                check="licences/no_card",
                message=f"the manifest says nothing of the cards of {len(without):,} tasks",
                count=len(without),
            )
        )
    if uncited:
        findings.append(
            AuditFinding(
                check="licences/no_citation",
                message=f"{len(uncited):,} tasks name nothing to cite",
                count=len(uncited),
            )
        )
    return SectionReport(
        facts={
            "table": dict(sorted(rows.items())),
            "citations": len(context.manifest.get("citations", {})),
            "without_citation": uncited,
        },
        findings=findings,
        tasks=tasks,
    )


def attribution(told: Mapping[str, Any]) -> str:
    """A text that names every task with its licence, where that was read, and its examples.

    Args:
      told: the document of an audit.
    """
    name = told["mixture"]["name"]
    lines = [
        f"# Attribution of {name}",
        "",
        _ABOUT,
        "",
        "| licence | tasks | rows | examples |",
        "|---|--:|--:|--:|",
    ]
    for id_, line in told["licences"]["table"].items():
        lines.append(f"| {id_} | {line['tasks']:,} | {line['rows']:,} | {line['examples']:,} |")
    by_licence: dict[str, list[str]] = {}
    for task, facts in told["tasks"].items():
        by_licence.setdefault(str(facts.get("licence", UNKNOWN)), []).append(task)
    for id_, tasks in sorted(by_licence.items()):
        lines += ["", f"## {id_}", ""]
        for task in tasks:
            facts = told["tasks"][task]
            where = facts.get("licence_read_at")
            lines.append(
                f"- `{task}`: {facts.get('title') or 'no title'}; {facts.get('found', 0):,} "
                f"examples" + (f". Read at: {where}" if where else "")
            )
    return "\n".join(lines) + "\n"
