"""The document of an audit: plain data, the same for any runner, order of shards and machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from mixture_builder.audit.checks import AuditFinding
from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.sections import SECTIONS
from mixture_builder.audit.shard import ShardAudit, nothing
from mixture_builder.findings import Severity

AUDIT_VERSION = 1
"""Raised when keys of the document change their meaning or go away."""


def document(seen: ShardAudit, context: AuditContext) -> dict[str, Any]:
    """Findings and figures, as `schemas/audit.schema.json` describes them.

    Args:
      seen: in all shards.
      context: of the audit.
    """
    if not seen.states:
        seen = nothing(context)
    if not context.built:
        context = context.with_dropped(seen.dropped, redrawn=seen.redrawn)
    findings: list[AuditFinding] = []
    facts: dict[str, Any] = {}
    tasks: dict[str, dict[str, Any]] = {name: {} for name in context.tasks}
    for name, section in SECTIONS.items():
        told = section.report(seen.states[name], context)
        facts[name] = dict(told.facts)
        findings += told.findings
        for task, figures in told.tasks.items():
            tasks.setdefault(task, {}).update(figures)
    findings.sort(key=lambda f: (f.level.rank, f.check, f.task, f.message))
    counts = Counter(f.level for f in findings)
    for finding in findings:
        if finding.task in tasks:
            listed = tasks[finding.task].setdefault("findings", [])
            listed.append(finding.check)
    manifest = context.manifest
    return {
        "audit_version": AUDIT_VERSION,
        "mixture": {
            "name": manifest["name"],
            "fingerprint": manifest["fingerprint"],
            "content_digest": manifest.get("content_digest"),
            "format": manifest.get("format"),
            "seed": context.locked.plan.seed,
            "shards": context.shards,
            "built": context.built,
        },
        "examples": seen.examples,
        "counts": {severity.value: counts[severity] for severity in Severity},
        "findings": [finding.to_json() for finding in findings],
        **facts,
        "tasks": dict(sorted(tasks.items())),
    }


def with_section(told: Mapping[str, Any], name: str, found: SectionReport) -> dict[str, Any]:
    """A document with what was found beside the records.

    Args:
      told: the document.
      name: under which its figures stand.
      found: what there is to say.
    """
    findings = [*told["findings"], *(finding.to_json() for finding in found.findings)]
    rank = {severity.value: severity.rank for severity in Severity}
    findings.sort(key=lambda f: (rank[f["severity"]], f["check"], f["task"] or "", f["message"]))
    tasks = {task: dict(facts) for task, facts in told["tasks"].items()}
    for task, facts in found.tasks.items():
        tasks.setdefault(task, {}).update(facts)
    for finding in found.findings:
        if finding.task in tasks:
            facts = tasks[finding.task]
            facts["findings"] = sorted([*facts.get("findings", ()), finding.check])
    counts = Counter(finding["severity"] for finding in findings)
    return {
        **told,
        "findings": findings,
        "counts": {severity: counts[severity] for severity in told["counts"]},
        name: dict(found.facts),
        "tasks": tasks,
    }
