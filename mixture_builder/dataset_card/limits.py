"""What a reader should know of a mixture before: what it lacks, and what the audit warns of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixture_builder.dataset_card.markdown import named
from mixture_builder.filters import is_filtered
from mixture_builder.hub_terms import hub_licence
from mixture_builder.licences import about, licences_of

_MOST_WARNINGS = 20
"""Warnings of the audit that are repeated; of more it gives the number."""


def limits(manifest: Mapping[str, Any], audit: Mapping[str, Any] | None) -> str:
    """A list of them; `audit` is its plain data, if there was one."""
    tasks = manifest["tasks"]
    lines = []
    missing = manifest["asked"] - manifest["realised"]
    if missing:
        lines.append(
            f"{missing:,} of the examples asked for could not be made; the manifest counts them "
            "by task and reason."
        )
    again = {n: t for n, t in tasks.items() if t["realised"] > t["rows"] > 0}
    if again:
        lines.append(
            f"{len(again):,} of {len(tasks):,} tasks give more examples than they have rows, so "
            f"their rows come more than once, in other words: {named(again)}."
        )
    unknown = [use for use in licences_of(manifest) if hub_licence(use.id) == "unknown"]
    if unknown and any(about(task) for task in tasks.values()):
        use = unknown[0]
        lines.append(
            f"Of {len(use.tasks):,} tasks ({use.examples:,} examples) nobody knows the licence."
        )
    held_out = {n: about(t).get("held_out") for n, t in tasks.items() if about(t).get("held_out")}
    if held_out:
        lines.append(
            f"The cards of {len(held_out):,} tasks name evaluations that share their source: "
            f"{named(held_out)}."
        )
    lines += _audited(audit)
    lines.append(
        "Prompts are made from templates and texts of the sources as they are: errors, dated facts "
        "and offensive wording of the sources are still there."
    )
    return "\n".join(f"- {line}" for line in lines)


def _audited(audit: Mapping[str, Any] | None) -> list[str]:
    if audit is None:
        return []
    findings = [f for f in audit.get("findings", ()) if f.get("severity") == "warning"]
    lines = []
    for found in findings[:_MOST_WARNINGS]:
        where = f"`{found['task']}`: " if found.get("task") else ""
        lines.append(f"The audit warns: {where}{found.get('message', '')}")
    if len(findings) > _MOST_WARNINGS:
        lines.append(f"The audit has {len(findings) - _MOST_WARNINGS:,} more warnings.")
    if not findings:
        lines.append("The audit has no warning.")
    return lines


def left_out_sections(manifest: Mapping[str, Any]) -> list[str]:
    """Headings and texts about tasks that the mixture lacks; nothing if it lacks none."""
    parts = []
    left_out = manifest["left_out"]
    failed = [task for task, why in left_out.items() if not is_filtered(why)]
    if failed:
        names = ", ".join(f"`{task}`" for task in failed)
        parts += ["## Left out", f"These could not be built; the manifest says why: {names}."]
    if len(failed) < len(left_out):
        count = len(left_out) - len(failed)
        said = f"The recipe's filters took out {count:,} of the tasks it names; the manifest says "
        parts += ["## Filtered", said + "why of each."]
    return parts
