"""Task by template by variant by shots: what there is, against what the plan says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixture_builder.audit.checks import AuditFinding, from_hits
from mixture_builder.audit.context import AuditContext, AuditedTask
from mixture_builder.audit.coverage_figures import (
    parts_told,
    task_facts,
    variants_asked,
    variants_told,
)
from mixture_builder.audit.coverage_shots import shot_findings, shot_tests
from mixture_builder.audit.coverage_templates import template_findings
from mixture_builder.audit.hits import Hits
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.view import ShardView
from mixture_builder.draw import derive_seed, distinct, random_bits

_SUM_SEED = derive_seed(0, "audit", "draws")
_WRAP = (1 << 64) - 1
_STRETCH = 1 << 20


@dataclass(kw_only=True, slots=True)
class Coverage:
    """Counts of some records.

    Attributes:
      templates: records by task, variant and template.
      shots: by task, variant and number of exemplars.
      draws: by task, the sum of hashes of the draws, modulo 2**64.
      hits: records of which the columns contradict each other.
    """

    templates: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    shots: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    draws: dict[str, int] = field(default_factory=dict)
    hits: Hits = field(default_factory=Hits)


def observe(view: ShardView) -> Coverage:
    """Counts the records of a stretch."""
    state = Coverage()
    templates, template_codes = view.template_names, view.template_codes
    pair = view.task_codes * len(view.variant_names) + view.variant_codes
    for found, count in _counted(pair * len(templates) + template_codes):
        rest, template = divmod(found, len(templates))
        task, variant = divmod(rest, len(view.variant_names))
        key = (view.task_names[task], view.variant_names[variant], templates[template])
        state.templates[key] = count
    most = int(view.shots.max(initial=0)) + 1
    for found, count in _counted(pair * most + view.shots):
        rest, shots = divmod(found, most)
        task, variant = divmod(rest, len(view.variant_names))
        state.shots[view.task_names[task], view.variant_names[variant], shots] = count
    _add_draws(state, view)
    _add_exemplars(state, view)
    _, starts = view.exemplar_rows
    wrong = (np.diff(starts) != view.shots) | (view.few_shot != (view.shots > 0))
    view.hit(state.hits, "coverage/shots_of_variant", np.flatnonzero(wrong))
    return state


def _counted(codes: Any) -> list[tuple[int, int]]:
    found, places = distinct(codes)
    return list(zip(found.tolist(), np.bincount(places).tolist(), strict=True))


def _add_draws(state: Coverage, view: ShardView) -> None:
    if not view.rows:
        return
    draws = view.column("draw").to_numpy()
    # As numbers of one kind they are sorted several times as fast as by two keys.
    keys = view.task_codes * (1 << 40) + draws
    order = np.argsort(keys)
    if (draws < 0).any() or (draws >= 1 << 40).any() or (np.diff(keys[order]) == 0).any():
        # Which of two comes first matters where there are two.
        order = np.lexsort((draws, view.task_codes))
    tasks, sorted_draws = view.task_codes[order], draws[order]
    starts = np.flatnonzero(np.diff(tasks, prepend=-1))
    sums = np.add.reduceat(random_bits(_SUM_SEED, sorted_draws), starts)
    for code, total in zip(tasks[starts].tolist(), sums.tolist(), strict=True):
        state.draws[view.task_names[code]] = int(total)
    twice = (np.diff(tasks) == 0) & (np.diff(sorted_draws) == 0)
    view.hit(state.hits, "coverage/draws", np.sort(order[1:][twice]))


def _add_exemplars(state: Coverage, view: ShardView) -> None:
    values, starts = view.exemplar_rows
    shown = values[starts[0] : starts[-1]] if view.rows else values[:0]
    owners = np.repeat(np.arange(view.rows), np.diff(starts))
    asked = np.unique(owners[shown == view.row_ids[owners]])
    view.hit(state.hits, "shots/query_row", asked)
    sizes = np.diff(starts)
    twice = np.zeros(view.rows, dtype=bool)
    for size in np.unique(sizes[sizes > 1]).tolist():
        rows = np.flatnonzero(sizes == size)
        rows_shown = np.sort(values[starts[rows][:, None] + np.arange(size)], axis=1)
        twice[rows] = (np.diff(rows_shown) == 0).any(axis=1)
    view.hit(state.hits, "shots/exemplar_twice", np.flatnonzero(twice))


def merge(one: Coverage, other: Coverage) -> Coverage:
    """The counts of both."""
    draws = dict(one.draws)
    for task, total in other.draws.items():
        draws[task] = (draws.get(task, 0) + total) & _WRAP
    return Coverage(
        templates=one.templates + other.templates,
        shots=one.shots + other.shots,
        draws=draws,
        hits=one.hits.merged(other.hits),
    )


def report(state: Coverage, context: AuditContext) -> SectionReport:
    """Compares the counts with the plan."""
    by_task: dict[str, Counter[tuple[str, str]]] = {}
    for (name, variant, template), count in state.templates.items():
        by_task.setdefault(name, Counter())[variant, template] += count
    shots: dict[str, Counter[tuple[str, int]]] = {}
    for (name, variant, number), count in state.shots.items():
        shots.setdefault(name, Counter())[variant, number] += count
    findings = from_hits(
        state.hits,
        "coverage/shots_of_variant",
        "{count} of other exemplars than the variant and the number of exemplars say",
    )
    findings += from_hits(
        state.hits, "shots/query_row", "{count} with the row that is asked about as an exemplar"
    )
    findings += from_hits(
        state.hits, "shots/exemplar_twice", "{count} with an exemplar that is shown twice"
    )
    for name in sorted(set(by_task) - set(context.tasks)):
        count = by_task[name].total()
        findings.append(
            AuditFinding(
                check="coverage/unplanned_task",
                task=name,
                message=f"{count:,} records of a task that the plan does not name",
                count=count,
                asked=0,
                found=count,
            )
        )
    no_room: dict[str, int] = {}
    unmet: dict[str, int] = {}
    facts: dict[str, Any] = {}
    for name, task in context.tasks.items():
        found = by_task.get(name, Counter())
        dropped = context.dropped(name)
        findings += _task_findings(task, found, state, dropped)
        for counts, number in zip(
            (no_room, unmet), template_findings(task, found, dropped, findings), strict=True
        ):
            if number:
                counts[name] = number
        findings += shot_findings(task, shots.get(name, Counter()))
        facts[name] = task_facts(task, found, shots.get(name, Counter()))
    if no_room:
        findings.append(
            AuditFinding(
                check="coverage/no_room",
                message=f"{sum(no_room.values()):,} templates of {len(no_room):,} tasks are not "
                "used: the tasks get fewer examples than templates",
                count=sum(no_room.values()),
            )
        )
    if unmet:
        findings.append(
            AuditFinding(
                check="coverage/unmet_field",
                message=f"{sum(unmet.values()):,} templates of {len(unmet):,} tasks are not used "
                "and need a field that may be empty",
                count=sum(unmet.values()),
            )
        )
    tests, more = shot_tests(context, shots)
    findings += more
    return SectionReport(
        facts={
            "parts": parts_told(context, by_task),
            "variants": variants_told(context, by_task),
            "templates": {
                "asked": sum(
                    len({t for c in task.plan.cells if c.quota for t in c.templates})
                    for task in context.tasks.values()
                ),
                "found": sum(len({t for _, t in counts}) for counts in by_task.values()),
            },
            "shots": tests,
        },
        findings=findings,
        tasks=facts,
    )


def _task_findings(
    task: AuditedTask,
    found: Counter[tuple[str, str]],
    state: Coverage,
    dropped: int,
) -> list[AuditFinding]:
    name, quota = task.plan.task, task.plan.quota
    count = found.total()
    findings = []
    if count != quota - dropped:
        findings.append(
            AuditFinding(
                check="coverage/task_count",
                task=name,
                message=f"{count:,} examples; the plan asks for {quota:,}"
                + (f", of which {dropped:,} were dropped" if dropped else ""),
                count=abs(count - (quota - dropped)),
                asked=quota - dropped,
                found=count,
            )
        )
    asked = variants_asked(task)
    realised: Counter[str] = Counter()
    for (variant, _), number in found.items():
        realised[variant] += number
    for variant in sorted({*asked, *realised}):
        low, high = asked[variant] - dropped, asked[variant]
        if not low <= realised[variant] <= high:
            findings.append(
                AuditFinding(
                    check="coverage/variant_count",
                    task=name,
                    message=f"{realised[variant]:,} examples of {variant}; the plan asks for "
                    f"{high:,}",
                    count=abs(realised[variant] - high),
                    asked=high,
                    found=realised[variant],
                )
            )
    twice = state.hits.counts.get(("coverage/draws", name), 0)
    sums_differ = (
        not dropped and count == quota and state.draws.get(name, 0) != _sum_of_draws(quota)
    )
    if twice or sums_differ:
        findings.append(
            AuditFinding(
                check="coverage/draws",
                task=name,
                message=f"{twice:,} draws come twice"
                if twice
                else f"its {count:,} draws are not those from 0 to {quota - 1:,}",
                count=twice or 1,
                evidence=state.hits.kept.get(("coverage/draws", name), ()),
            )
        )
    return findings


def _sum_of_draws(quota: int) -> int:
    total = 0
    for start in range(0, quota, _STRETCH):
        draws = np.arange(start, min(quota, start + _STRETCH))
        total += int(random_bits(_SUM_SEED, draws).sum(dtype=np.uint64))
    return total & _WRAP
