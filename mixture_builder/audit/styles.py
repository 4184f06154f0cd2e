"""Which styles were drawn, and whether chance has drawn them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixture_builder.audit.checks import AuditFinding
from mixture_builder.audit.context import AuditContext, AuditedTask
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.statistics import CountTest, corrected, count_test, speaks_up
from mixture_builder.audit.style_book import DRAWN, FIRST_POOL
from mixture_builder.audit.view import ShardView
from mixture_builder.style_pools import StylePools

Group = tuple[str, bool]
"""A part of the recipe, whose pools are the same, and whether questions are asked."""


@dataclass(kw_only=True, slots=True)
class DrawnStyles:
    """How often each was drawn.

    Attributes:
      counts: by part and whether questions are asked, by pool and id.
      unknown: styles by task that none of its pools has.
    """

    counts: dict[tuple[str, bool, str], Counter[str]] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)


def observe(view: ShardView) -> DrawnStyles:
    """Counts the styles of a stretch."""
    state = DrawnStyles()
    if not view.rows:
        return state
    # A part of the recipe, whether questions are asked, and the pools of its tasks.
    groups: dict[tuple[str, bool, int], int] = {}
    of_tasks = np.full((len(view.tasks), 2), -1, dtype=np.int64)
    for place, task in enumerate(view.tasks):
        for inverted in (0, 1) if task else ():
            assert task is not None
            questions = task.plan.questions and not inverted
            group = (task.plan.submixture, questions, id(task.pools))
            of_tasks[place, inverted] = groups.setdefault(group, len(groups))
    pools = {id(task.pools): _Pools.of(task.pools) for task in view.tasks if task}
    row_groups = of_tasks[view.task_codes, view.inverted.astype(np.int64)]
    listed = list(groups)
    for place, pool in enumerate(DRAWN):
        of_styles = view.styles.numbers[:, FIRST_POOL + place]
        if (of_styles < 0).all():
            continue
        drawn_ids = view.context.style_book.ids(place)
        codes = of_styles[view.style_codes]
        rows = np.flatnonzero((codes >= 0) & (row_groups >= 0))
        keys = row_groups[rows] * len(drawn_ids) + codes[rows]
        counts = np.bincount(keys)
        for key in np.flatnonzero(counts).tolist():
            group_code, number = divmod(key, len(drawn_ids))
            part, questions, of_pools = listed[group_code]
            counter = state.counts.setdefault((part, questions, pool), Counter())
            counter[drawn_ids[number]] += int(counts[key])
            if drawn_ids[number] not in pools[of_pools].ids[pool]:
                tasks, times = np.unique(view.task_codes[rows[keys == key]], return_counts=True)
                for code, count in zip(tasks.tolist(), times.tolist(), strict=True):
                    name = view.task_names[code]
                    state.unknown[name] = state.unknown.get(name, 0) + count
    return state


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pools:
    """Ids of the styles of each pool, with their places in it."""

    ids: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, pools: StylePools) -> _Pools:
        """Those of a task."""
        found = _KNOWN.get(id(pools))
        if found is None or found[0] is not pools:
            styles = pools.styles
            names = {
                "option lead-ins": [s.id for s in styles.option_lead_ins],
                "option items": [s.id for s in styles.option_items],
                "option endings": [s.id for s in styles.option_endings],
                "dialog lead-ins": [s.id for s in styles.dialog_lead_ins],
                "dialog speakers": [s.id for s in styles.dialog_speakers],
                "dialog turn ends": [s.id for s in styles.dialog_turn_ends],
                "exemplar labels": [s.id for s in styles.labels],
                "exemplar separators": [s.id for s in styles.separators],
            }
            ids = {pool: {n: i for i, n in enumerate(listed)} for pool, listed in names.items()}
            found = _KNOWN[id(pools)] = (pools, cls(ids=ids))
        return found[1]


_KNOWN: dict[int, tuple[StylePools, _Pools]] = {}


def merge(one: DrawnStyles, other: DrawnStyles) -> DrawnStyles:
    """The styles of both."""
    counts = {key: Counter(found) for key, found in one.counts.items()}
    for key, found in other.counts.items():
        counts.setdefault(key, Counter()).update(found)
    unknown = dict(Counter(one.unknown) + Counter(other.unknown))
    return DrawnStyles(counts=counts, unknown=unknown)


def report(state: DrawnStyles, context: AuditContext) -> SectionReport:
    """Counts of all styles, and pools of which some come more often than chance has it."""
    findings = [
        AuditFinding(
            check="styles/unknown",
            task=task,
            message=f"{count:,} times a style that is none of those the task draws from",
            count=count,
        )
        for task, count in sorted(state.unknown.items())
    ]
    first: dict[str, AuditedTask] = {}
    for task in context.tasks.values():
        first.setdefault(task.plan.submixture, task)
    tests: dict[tuple[str, bool, str], CountTest] = {}
    for key, found in sorted(state.counts.items()):
        part, questions, pool = key
        weights = _weights(first[part].pools, pool, questions=questions)
        if pool == "option items":
            # A style whose labels are themselves options gives way to a bullet, so bullets come
            # more often; labels among themselves are drawn alike, and so are bullets.
            continue
        test = count_test([found[name] for name in weights], list(weights.values()))
        if test is not None:
            tests[key] = test
    facts: dict[str, Any] = {}
    for (_, _, pool), found in sorted(state.counts.items()):
        total = facts.setdefault(pool, {"counts": Counter(), "tests": []})
        total["counts"].update(found)
    adjusted = corrected([test.p for test in tests.values()])
    for ((part, questions, pool), test), p in zip(tests.items(), adjusted, strict=True):
        about = {"part": part, "questions": questions, **test.to_json(), "p_corrected": p}
        facts[pool]["tests"].append(about)
        if speaks_up(test, p):
            weights = _weights(first[part].pools, pool, questions=questions)
            findings.append(_uneven(part, pool, state.counts[part, questions, pool], weights, test))
    for pool in facts.values():
        pool["counts"] = dict(sorted(pool["counts"].items()))
    return SectionReport(facts=facts, findings=findings)


def _weights(pools: StylePools, pool: str, *, questions: bool) -> dict[str, float]:
    """How often each style of a pool is drawn, beside the others."""
    if pool.startswith("exemplar"):
        pairs = pools.exemplar_pool(questions=questions)
        place = 0 if pool == "exemplar labels" else 1
        return {n: float(c) for n, c in Counter(pair[place].id for pair in pairs).items()}
    return dict.fromkeys(_Pools.of(pools).ids[pool], 1.0)


def _uneven(
    part: str,
    pool: str,
    found: Counter[str],
    weights: Mapping[str, float],
    test: CountTest,
) -> AuditFinding:
    whole = sum(weights.values())
    expected = {name: test.records * weight / whole for name, weight in weights.items()}
    worst = max(expected, key=lambda n: (found[n] - expected[n]) ** 2 / expected[n])
    return AuditFinding(
        check="styles/uneven",
        message=f"{part}: of {pool}, {worst!r} was drawn {found[worst]:,} times; chance has it "
        f"{expected[worst]:,.0f} times (w {test.effect:.2f}, p {test.p:.1g})",
        count=test.records,
        asked=round(expected[worst], 1),
        found=found[worst],
    )
