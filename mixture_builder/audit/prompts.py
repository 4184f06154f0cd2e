"""Prompts and targets held against what their columns say they are made of.

Template, style and number of exemplars stand in columns; the words that they put into a text
are known from the lock. So each text is looked through for them, without rendering anything.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixture_builder.audit.checks import AuditFinding, from_hits
from mixture_builder.audit.context import AuditContext, AuditedTask
from mixture_builder.audit.exemplars import find_target, look_at_exemplars, may_show
from mixture_builder.audit.frames import faults
from mixture_builder.audit.hits import Hits
from mixture_builder.audit.listed_options import look_at_options
from mixture_builder.audit.noted import Noted
from mixture_builder.audit.prompt_recipes import recipes_of
from mixture_builder.audit.queries import Queries, find_queries
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.statistics import CountTest, corrected, count_test, speaks_up
from mixture_builder.audit.style_book import NAMED
from mixture_builder.audit.text_column import Numbers
from mixture_builder.audit.view import ShardView
from mixture_builder.render.exemplars import LEAK_LENGTH

SHARE_SHOWN, SHARE_OF_OTHERS = 0.3, 0.1
"""A template shows its targets if so many of them stand in its prompts, and at most so many in
those of the task's other templates."""

FEWEST_SHOWN = 5

SHOWING_KINDS = frozenset(["extractive_qa", "classification", "multiple_choice"])
"""Kinds of which the target stands in the prompt by nature: as a span, a label or an option."""

_SHOWN = "text/target_in_prompt "
"""Records are kept by template as well."""


@dataclass(kw_only=True, slots=True)
class Prompts:
    """What was seen of some records.

    Attributes:
      hits: records with a fault.
      positions: by task and number of options, how often the right one stood at each place.
      shown: by task and template, targets that are long enough to be looked for, and those found
        in the query; of tasks whose targets have no place there.
    """

    hits: Hits = field(default_factory=Hits)
    positions: dict[tuple[str, int], Counter[int]] = field(default_factory=dict)
    shown: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)


def observe(view: ShardView) -> Prompts:
    """Looks through the prompts and targets of a stretch."""
    state = Prompts()
    if not view.rows:
        return state
    noted = Noted(view)
    recipes, keys = recipes_of(view)
    shows = view.styles.numbers[view.style_codes, NAMED] > 0
    queries = find_queries(noted, recipes, keys)
    codes = 2 * keys + shows
    # What is as its row gives it has the words of its template: they were put there.
    framed = np.flatnonzero(queries.framed & ~view.trusted)
    if len(framed):
        frames = [r.inputs[shown] for r in recipes for shown in (False, True)]
        begins, ends = queries.begins[framed], queries.ends[framed]
        for row, fault in faults(noted.inputs, frames, codes[framed], framed, begins, ends):
            noted.note(f"template/{fault}", row)
    read = np.flatnonzero(queries.read & ~view.trusted)
    if len(read):
        frames = [r.targets[shown] for r in recipes for shown in (False, True)]
        begins, ends = noted.targets.offsets[:-1][read], noted.targets.offsets[1:][read]
        for row, fault in faults(noted.targets, frames, codes[read], read, begins, ends):
            noted.note(f"template/{fault}_of_target", row)
    state.positions = look_at_options(noted, queries, recipes, keys, shows)
    direct = np.asarray([recipe.direct for recipe in recipes], dtype=bool)[keys]
    look_at_exemplars(noted, queries, direct)
    looked_for = np.asarray([_hides_targets(task) for task in view.tasks], dtype=bool)
    rows = np.flatnonzero(direct & queries.sure & looked_for[view.task_codes])
    state.shown = _look_for_targets(noted, queries, rows)
    noted.add_to(state.hits)
    return state


def _hides_targets(task: AuditedTask | None) -> bool:
    """Whether long targets of a task have no place in its prompts."""
    return task is not None and not (
        task.kind in SHOWING_KINDS or task.lists_options or task.card.get("cot")
    )


def _look_for_targets(
    noted: Noted, queries: Queries, rows: Numbers
) -> dict[tuple[str, str], tuple[int, int]]:
    """Long targets by task and template, and those of them that stand in the query."""
    view, offsets = noted.view, noted.targets.offsets
    rows = rows[offsets[rows + 1] - offsets[rows] >= LEAK_LENGTH]
    width = len(view.template_names)
    codes = view.task_codes[rows] * width + view.template_codes[rows]
    different, tested = np.unique(codes, return_counts=True)
    found: Counter[int] = Counter()
    goals, stops, begins, ends = (
        offsets[rows],
        offsets[rows + 1],
        queries.begins[rows],
        queries.ends[rows],
    )
    for place in may_show(noted, goals, stops, begins, ends):
        query = int(begins[place])
        at = find_target(noted, int(goals[place]), int(stops[place]), query, int(ends[place]))
        if at >= 0:
            code = int(codes[place])
            found[code] += 1
            noted.note(
                f"{_SHOWN}{view.template_names[code % width]}", int(rows[place]), at=at - query
            )
    shown = {}
    for code, count in zip(different.tolist(), tested.tolist(), strict=True):
        key = (view.task_names[code // width], view.template_names[code % width])
        shown[key] = (count, found[code])
    return shown


def merge(one: Prompts, other: Prompts) -> Prompts:
    """What was seen of both."""
    positions = {key: Counter(counts) for key, counts in one.positions.items()}
    for key, counts in other.positions.items():
        positions.setdefault(key, Counter()).update(counts)
    shown = dict(one.shown)
    for key_of, (tested, found) in other.shown.items():
        before = shown.get(key_of, (0, 0))
        shown[key_of] = (before[0] + tested, before[1] + found)
    return Prompts(hits=one.hits.merged(other.hits), positions=positions, shown=shown)


_MESSAGES = {
    "template/words": "{count} without the words of their template",
    "template/gap": "{count} with nothing where the template prints a field",
    "template/words_of_target": "{count} whose target has not the words of their template",
    "template/gap_of_target": "{count} whose target has nothing where the template prints a field",
    "shots/style": "{count} of a few-shot variant whose style names no layout of exemplars",
    "shots/separator": "{count} with fewer separators and labels than exemplars",
    "shots/query_label": "{count} that do not end with the label of their target",
    "shots/query_shown": "{count} with the query among its own exemplars",
    "shots/query_nearly_shown": "{count} with the query, but for case and punctuation, among its "
    "own exemplars",
    "options/no_list": "{count} without the list of options that their variant and style name",
    "options/unwanted_list": "{count} of a variant without options, with a list of them",
    "options/no_label": "{count} whose target is no label of their style",
    "options/label_beyond_list": "{count} whose target is the label of an option that is not there",
    "options/target_not_listed": "{count} whose target is not among the options",
}


def report(state: Prompts, context: AuditContext) -> SectionReport:
    """What there is to say of prompts and targets."""
    findings: list[AuditFinding] = []
    for check, message in _MESSAGES.items():
        findings += from_hits(state.hits, check, message)
    findings += _answers_shown(state, context)
    findings += _targets_shown(state)
    positions, more = _positions(state, context)
    findings += more
    tasks: dict[str, dict[str, Any]] = {}
    for task, figures in positions.items():
        tasks.setdefault(task, {})["option_positions"] = figures
    for task, templates in _by_task(state).items():
        long, shown = (sum(counts) for counts in zip(*templates.values(), strict=True))
        tasks.setdefault(task, {})["targets_in_prompt"] = {"long": long, "shown": shown}
    tested = [f["p"] for f in positions.values() if "p" in f]
    return SectionReport(
        facts={"option_positions": {"tasks": len(positions), "tested": len(tested)}},
        findings=findings,
        tasks=tasks,
    )


def _answers_shown(state: Prompts, context: AuditContext) -> list[AuditFinding]:
    found = from_hits(
        state.hits, "shots/answer_shown", "{count} with their own target in the exemplars"
    )
    # Answers that all rows choose from recur by nature, however long they are.
    labels = {name for name, task in context.tasks.items() if task.lists_options}
    return [f for f in found if f.task not in labels]


def _by_task(state: Prompts) -> dict[str, dict[str, tuple[int, int]]]:
    result: dict[str, dict[str, tuple[int, int]]] = {}
    for (task, template), counts in sorted(state.shown.items()):
        result.setdefault(task, {})[template] = counts
    return result


def _targets_shown(state: Prompts) -> list[AuditFinding]:
    findings = []
    for name, templates in _by_task(state).items():
        long, shown = (sum(counts) for counts in zip(*templates.values(), strict=True))
        for template, (tested, found) in templates.items():
            others, others_shown = long - tested, shown - found
            if (
                found >= FEWEST_SHOWN
                and found >= SHARE_SHOWN * tested
                and others >= FEWEST_SHOWN
                and others_shown <= SHARE_OF_OTHERS * others
            ):
                findings.append(
                    AuditFinding(
                        check="text/target_in_prompt",
                        task=name,
                        message=f"{found:,} of {tested:,} long targets stand in their own prompt "
                        f"with the template {template!r}, and {others_shown:,} of {others:,} with "
                        "the others",
                        count=found,
                        evidence=state.hits.kept[_SHOWN + template, name],
                    )
                )
    return findings


def _positions(
    state: Prompts, context: AuditContext
) -> tuple[dict[str, dict[str, Any]], list[AuditFinding]]:
    figures: dict[str, dict[str, Any]] = {}
    tests: dict[str, CountTest] = {}
    sizes: dict[str, dict[int, Counter[int]]] = {}
    for (name, size), found in sorted(state.positions.items()):
        sizes.setdefault(name, {})[size] = found
    for name, by_size in sizes.items():
        task = context.tasks[name]
        counts: Counter[int] = Counter()
        weights: Counter[int] = Counter()
        for size, found in by_size.items():
            counts.update(found)
            for place in range(size):
                weights[place] += found.total() / size  # type: ignore[assignment]
        figures[name] = {
            "counts": [counts[place] for place in range(max(weights) + 1)],
            "shuffled": task.shuffled,
        }
        if task.shuffled:
            order = sorted(weights)
            test = count_test([counts[p] for p in order], [weights[p] for p in order])
            if test is not None:
                tests[name] = test
    findings = []
    for name, p in zip(tests, corrected([t.p for t in tests.values()]), strict=True):
        figures[name] |= {**tests[name].to_json(), "p_corrected": p}
        if speaks_up(tests[name], p):
            findings.append(
                AuditFinding(
                    check="options/positions",
                    task=name,
                    message=f"the right option does not stand at all places alike: "
                    f"{figures[name]['counts']} (w {tests[name].effect:.2f}, p {p:.1g})",
                    count=tests[name].records,
                    found=figures[name]["counts"],
                )
            )
    return figures, findings
