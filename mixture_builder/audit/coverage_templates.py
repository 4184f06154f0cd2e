"""Templates of a task: used as often as the plan says, and none left out."""

from __future__ import annotations

from collections import Counter

from mixture_builder.audit.checks import AuditFinding
from mixture_builder.audit.context import AuditedTask


def template_findings(
    task: AuditedTask,
    found: Counter[tuple[str, str]],
    dropped: int,
    findings: list[AuditFinding],
) -> tuple[int, int]:
    """Adds what is wrong with the templates of a task.

    Gives how many are not used for want of room, and how many for want of a field.

    Args:
      task: of the plan.
      found: its records by variant and template.
      dropped: draws that gave no example.
      findings: are added to.
    """
    low: Counter[tuple[str, str]] = Counter()
    high: Counter[tuple[str, str]] = Counter()
    moved: set[str] = set()
    for cell in task.plan.cells:
        ids = [task.templates[place].id for place in cell.templates]
        if any(task.templates[place].requires for place in cell.templates):
            moved.add(cell.variant)
        for template in ids:
            low[cell.variant, template] += cell.quota // len(ids)
            high[cell.variant, template] += -(-cell.quota // len(ids))
    for (variant, template), count in sorted(found.items()):
        if not high[variant, template]:
            findings.append(
                AuditFinding(
                    check="coverage/unplanned_template",
                    task=task.plan.task,
                    message=f"{count:,} records of the template {template!r} in {variant}; the "
                    "plan has none there",
                    count=count,
                    asked=0,
                    found=count,
                )
            )
    used = {template for _, template in found}
    no_room = unmet = 0
    for variant, template in sorted(high):
        key = (variant, template)
        if variant in moved or not high[key] or template not in used:
            continue
        if not low[key] - dropped <= found[key] <= high[key]:
            findings.append(
                AuditFinding(
                    check="coverage/template_count",
                    task=task.plan.task,
                    message=f"{found[key]:,} records of the template {template!r} in {variant}; "
                    f"expected {_span(low[key], high[key])}",
                    count=max(low[key] - found[key], found[key] - high[key]),
                    asked=high[key],
                    found=found[key],
                )
            )
    demanding = {template.id for template in task.templates if template.requires}
    for template in sorted({t for (_, t), most in high.items() if most} - used):
        least = sum(count for (_, t), count in low.items() if t == template)
        if template in demanding:
            unmet += 1
            continue
        if least <= dropped:
            no_room += 1
            continue
        findings.append(
            AuditFinding(
                check="coverage/unused_template",
                task=task.plan.task,
                message=f"the template {template!r} is not used; the plan has room for {least:,} "
                "examples of it",
                count=1,
                asked=least,
                found=0,
            )
        )
    return no_room, unmet


def _span(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
