"""Figures of coverage: what was asked for beside what there is, by part, variant and task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from mixture_builder.audit.context import AuditContext, AuditedTask


def variants_asked(task: AuditedTask) -> Counter[str]:
    """How many examples of each variant the plan gives a task."""
    asked: Counter[str] = Counter()
    for cell in task.plan.cells:
        asked[cell.variant] += cell.quota
    return asked


def parts_told(
    context: AuditContext, by_task: Mapping[str, Counter[tuple[str, str]]]
) -> dict[str, dict[str, int]]:
    """Examples of each part of the recipe; `by_task` has records by variant and template."""
    parts: dict[str, dict[str, int]] = {}
    for name, task in context.tasks.items():
        part = parts.setdefault(task.plan.submixture, {"tasks": 0, "asked": 0, "found": 0})
        part["tasks"] += 1
        part["asked"] += task.plan.quota
        part["found"] += by_task.get(name, Counter()).total()
    return dict(sorted(parts.items()))


def variants_told(
    context: AuditContext, by_task: Mapping[str, Counter[tuple[str, str]]]
) -> dict[str, dict[str, int]]:
    """Examples of each variant; `by_task` has records by variant and template."""
    variants: dict[str, dict[str, int]] = {}
    for task in context.tasks.values():
        for variant, quota in variants_asked(task).items():
            variants.setdefault(variant, {"asked": 0, "found": 0})["asked"] += quota
    for counts in by_task.values():
        for (variant, _), count in counts.items():
            variants.setdefault(variant, {"asked": 0, "found": 0})["found"] += count
    return dict(sorted(variants.items()))


def task_facts(
    task: AuditedTask, found: Counter[tuple[str, str]], shots: Counter[tuple[str, int]]
) -> dict[str, Any]:
    """Figures of a task.

    Args:
      task: of the plan.
      found: its records by variant and template.
      shots: its records by variant and number of exemplars.
    """
    asked = variants_asked(task)
    variants: dict[str, dict[str, int]] = {
        v: {"asked": n, "found": 0} for v, n in sorted(asked.items())
    }
    templates: dict[str, dict[str, int]] = {}
    for (variant, template), count in sorted(found.items()):
        variants.setdefault(variant, {"asked": 0, "found": 0})["found"] += count
        templates.setdefault(template, {})[variant] = count
    numbers: Counter[int] = Counter()
    for (_, number), count in shots.items():
        numbers[number] += count
    return {
        "submixture": task.plan.submixture,
        "asked": task.plan.quota,
        "found": found.total(),
        "rows": task.plan.rows,
        "variants": variants,
        "templates": templates,
        "shots": {str(n): c for n, c in sorted(numbers.items())},
    }
