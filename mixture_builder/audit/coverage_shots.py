"""Numbers of exemplars: those that the recipe asks for, as often as it asks for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from mixture_builder.audit.checks import AuditFinding
from mixture_builder.audit.context import AuditContext, AuditedTask
from mixture_builder.audit.statistics import CountTest, corrected, count_test, speaks_up


def _shot_rates(task: AuditedTask, variant: str) -> dict[int, float]:
    """Shares of numbers of exemplars among the prompts of a few-shot variant."""
    rates: dict[int, float] = {}
    cells = [c for c in task.plan.cells if c.variant == variant and c.quota]
    total = sum(c.quota for c in cells)
    for cell in cells:
        counts = task.plan.form_of(cell).counts
        whole = sum(rate for _, rate in counts)
        for number, rate in counts:
            share = float(rate / whole) * cell.quota / total
            rates[number] = rates.get(number, 0.0) + share
    return rates


def shot_findings(task: AuditedTask, shots: Counter[tuple[str, int]]) -> list[AuditFinding]:
    """Prompts of a task that show more exemplars than the recipe asks for.

    Args:
      task: of the plan.
      shots: its records by variant and number of exemplars.
    """
    findings = []
    for variant in sorted({v for v, _ in shots if v.startswith("fs_")}):
        rates = _shot_rates(task, variant)
        most = max(rates, default=0)
        over = sum(n for (v, number), n in shots.items() if v == variant and number > most)
        if over and rates:
            findings.append(
                AuditFinding(
                    check="coverage/unplanned_shots",
                    task=task.plan.task,
                    message=f"{over:,} records of {variant} with more than {most} exemplars",
                    count=over,
                    asked=most,
                    found=max(number for v, number in shots if v == variant),
                )
            )
    return findings


def shot_tests(
    context: AuditContext, shots: Mapping[str, Counter[tuple[str, int]]]
) -> tuple[dict[str, Any], list[AuditFinding]]:
    """Numbers of exemplars of each part of the mixture, tested against the recipe's rates.

    Args:
      context: of the audit.
      shots: records by task, variant and number of exemplars.
    """
    asked: dict[str, Counter[int]] = {}
    found: dict[str, Counter[int]] = {}
    for name, task in context.tasks.items():
        part = task.plan.submixture
        by_variant: Counter[str] = Counter()
        for (variant, number), count in shots.get(name, Counter()).items():
            if variant.startswith("fs_"):
                by_variant[variant] += count
                found.setdefault(part, Counter())[number] += count
        for variant, count in by_variant.items():
            for number, rate in _shot_rates(task, variant).items():
                # Counters take any numbers; these are expectations.
                asked.setdefault(part, Counter())[number] += rate * count  # type: ignore[assignment]
    tests: dict[str, CountTest] = {}
    for part, numbers in asked.items():
        keys = sorted(numbers)
        # Fewer than asked for: put to the next number that is asked for.
        counts = Counter[int]()
        for number, count in found[part].items():
            counts[next((k for k in keys if k >= number), keys[-1])] += count
        test = count_test([counts[k] for k in keys], [numbers[k] for k in keys])
        if test is not None:
            tests[part] = test
    adjusted = dict(zip(tests, corrected([t.p for t in tests.values()]), strict=True))
    facts: dict[str, Any] = {}
    findings = []
    for part in sorted(asked):
        facts[part] = {
            "asked": {str(n): round(v, 1) for n, v in sorted(asked[part].items())},
            "found": {str(n): v for n, v in sorted(found[part].items())},
        }
        if part in tests:
            facts[part] |= {"test": tests[part].to_json(), "p_corrected": adjusted[part]}
            if speaks_up(tests[part], adjusted[part]):
                findings.append(
                    AuditFinding(
                        check="coverage/shots",
                        message=f"{part}: prompts show {_mean(found[part]):.2f} exemplars in the "
                        f"mean, the recipe asks for {_mean(asked[part]):.2f} "
                        f"(w {tests[part].effect:.2f}, p {adjusted[part]:.1g})",
                        count=tests[part].records,
                        asked=facts[part]["asked"],
                        found=facts[part]["found"],
                    )
                )
    return facts, findings


def _mean(counts: Mapping[int, float]) -> float:
    return sum(n * count for n, count in counts.items()) / max(1, sum(counts.values()))
