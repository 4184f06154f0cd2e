"""Prompts and targets held against what their columns say they are made of.

Template, style and number of exemplars stand in columns; the words that they put into a text
are known from the lock. So each text is looked through for them, without rendering anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from mixture_builder.audit.checks import AuditFinding, from_hits
from mixture_builder.audit.context import AuditContext, AuditedTask
from mixture_builder.audit.frames import Frame, frame_of
from mixture_builder.audit.hits import Hits
from mixture_builder.audit.layouts import MOST_OPTIONS, ExemplarLayout, OptionLayout
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.statistics import CountTest, corrected, count_test, speaks_up
from mixture_builder.audit.view import ShardView
from mixture_builder.render.exemplars import LEAK_LENGTH

NEAR_LENGTH = 24
"""Letters and digits that a query must have to be compared without case and punctuation."""

SHARE_SHOWN, SHARE_OF_OTHERS = 0.3, 0.1
"""A template shows its targets if so many of them stand in its prompts, and at most so many in
those of the task's other templates."""

FEWEST_SHOWN = 5

SHOWING_KINDS = frozenset(["extractive_qa", "classification", "multiple_choice"])
"""Kinds of which the target stands in the prompt by nature: as a span, a label or an option."""

_SOFT = bytes(range(0x30)) + bytes(range(0x3A, 0x41)) + bytes(range(0x5B, 0x61))
_DROPPED = _SOFT + bytes(range(0x7B, 0x80))
_LOWER = bytes(range(256)).lower()


@dataclass(kw_only=True, slots=True)
class Prompts:
    """What was seen of some records.

    Attributes:
      hits: records with a fault.
      positions: by task and number of options, how often the right one stood at each place.
      shown: by task and template, targets that are long enough to be looked for, and those found
        in the query.
    """

    hits: Hits = field(default_factory=Hits)
    positions: dict[tuple[str, int], Counter[int]] = field(default_factory=dict)
    shown: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Recipe:
    """What a task, a template and a variant have in common.

    Attributes:
      task: `None` if the plan does not name it, or not the template.
      inputs, targets: frames that a text may have, by whether options are listed.
      leads: whether an instruction stands above the exemplars.
      lists: whether options must be listed; `None` if they may.
      direct: whether the answer is predicted.
    """

    task: AuditedTask | None
    inputs: Mapping[bool, tuple[Frame, ...]]
    targets: Mapping[bool, tuple[Frame, ...]]
    leads: bool
    lists: bool | None
    direct: bool


def _recipe(task: AuditedTask | None, template_id: str, variant: str) -> _Recipe:
    place = task.template_places.get(template_id) if task else None
    if task is None or place is None:
        return _Recipe(task=None, inputs={}, targets={}, leads=False, lists=None, direct=False)
    template = task.templates[place]
    cells = [c for c in task.plan.cells if c.variant == variant and place in c.templates]
    forms = {cell.few_shot and not task.plan.form_of(cell).mixed_templates for cell in cells} or {
        False
    }
    inputs = {
        shows: _frames([template.input_for(few_shot=f).source for f in sorted(forms)], shows=shows)
        for shows in (False, True)
    }
    targets = {
        shows: _frames([template.target_for(few_shot=f).source for f in sorted(forms)], shows=shows)
        for shows in (False, True)
    }
    shows = {cell.shows_options for cell in cells}
    return _Recipe(
        task=task,
        inputs=inputs,
        targets=targets,
        leads=bool(template.instruction) and True in forms,
        lists=shows.pop() if len(shows) == 1 else None,
        direct=template.direction == "direct",
    )


def _frames(sources: Sequence[str], *, shows: bool) -> tuple[Frame, ...]:
    return tuple(frame_of(source, shows_options=shows) for source in dict.fromkeys(sources))


class _Reader:
    """Goes through the records of a stretch."""

    def __init__(self, view: ShardView) -> None:
        self.view = view
        self.state = Prompts()
        self.found: dict[str, list[int]] = {}
        self.places: dict[str, list[int]] = {}
        self.inputs, self.targets = view.inputs, view.targets
        self._data = self.inputs.data
        self._wanted = self.targets.data

    def note(self, check: str, row: int, at: int = 0) -> None:
        self.found.setdefault(check, []).append(row)
        # In characters, for the excerpt; bytes are near enough and cost nothing.
        self.places.setdefault(check, []).append(at)

    def read(self) -> Prompts:
        view = self.view
        if not view.rows:
            return self.state
        templates, variants = len(view.template_names), len(view.variant_names)
        codes = (view.task_codes * templates + view.template_codes) * variants + view.variant_codes
        different, keys = np.unique(codes, return_inverse=True)
        recipes = [
            self._recipe_of(
                code // variants // templates,
                view.template_names[code // variants % templates],
                view.variant_names[code % variants],
            )
            for code in different.tolist()
        ]
        layouts = view.context.layouts
        exemplars = [layouts.exemplars(style) for style in view.styles]
        options = [layouts.options(style) for style in view.styles]
        named = [bool(style.options) for style in view.styles]
        starts, goals = self.inputs.offsets.tolist(), self.targets.offsets.tolist()
        lines = zip(
            keys.tolist(),
            view.style_codes.tolist(),
            view.shots.tolist(),
            view.few_shot.tolist(),
            strict=True,
        )
        for row, (key, style, shots, few_shot) in enumerate(lines):
            recipe = recipes[key]
            if recipe.task is None:
                continue
            start, end = starts[row], starts[row + 1]
            goal, goal_end = goals[row], goals[row + 1]
            shows = named[style]
            frames = recipe.inputs[shows]
            query, query_end, sure = start, end, True
            if few_shot and shots:
                layout = exemplars[style]
                if layout is None:
                    self.note("shots/style", row)
                    continue
                query, query_end, begins = self._query(
                    row, start, end, layout, shots, frames, leads=recipe.leads
                )
                sure = bool(begins)
                if sure:
                    self._compare(row, begins, query_end, layout, goal, goal_end, recipe.direct)
            else:
                self._frame(row, frames, query, query_end)
            fault = _least(recipe.targets[shows], self._wanted, goal, goal_end)
            if fault:
                self.note(f"template/{fault}_of_target", row)
            if shows:
                self._options(
                    row, recipe, options[style], query, query_end, (goal, goal_end), shows=shows
                )
            elif recipe.lists:
                self.note("options/no_list", row)
            if recipe.direct and sure and goal_end - goal >= LEAK_LENGTH:
                key_of = (recipe.task.plan.task, view.template_names[view.template_codes[row]])
                self._shown(row, key_of, query, query_end, goal, goal_end)
        for check, rows in self.found.items():
            column = "targets" if check.endswith("_of_target") else "inputs"
            view.hit(self.state.hits, check, rows, column=column, at=self.places[check])
        return self.state

    def _recipe_of(self, task: int, template: str, variant: str) -> _Recipe:
        known = self.view.context.recipes
        key = (self.view.task_names[task], template, variant)
        if key not in known:
            known[key] = _recipe(self.view.tasks[task], template, variant)
        found: _Recipe = known[key]
        return found

    def _frame(self, row: int, frames: tuple[Frame, ...], start: int, end: int) -> None:
        fault = _least(frames, self._data, start, end)
        if fault:
            self.note(f"template/{fault}", row)

    def _query(
        self,
        row: int,
        start: int,
        end: int,
        layout: ExemplarLayout,
        shots: int,
        frames: tuple[Frame, ...],
        *,
        leads: bool,
    ) -> tuple[int, int, list[int]]:
        """Where the query begins and ends; and where it and, going up, the exemplars begin.

        The list is empty where that is not sure.
        """
        data = self._data
        if not data.endswith(layout.tail, start, end):
            self.note("shots/query_label", row, at=end - start)
            return start, end, []
        query_end = end - len(layout.tail)
        marker = layout.marker
        # Markers may share white space at their ends, which `count` would pass over.
        places: list[int] = []
        at = data.rfind(marker, start, query_end)
        most = shots + leads
        while at >= 0 and len(places) <= most + _SPARE:
            places.append(at + len(marker))
            at = data.rfind(marker, start, at + len(marker) - 1)
        if len(places) < shots:
            self.note("shots/separator", row)
            return start, query_end, []
        if len(places) <= most:
            self._frame(row, frames, places[0], query_end)
            del places[shots:]
            # The first exemplar begins the prompt, or stands below the instruction.
            lead = data.rfind(layout.lead, start, places[-1] - len(marker)) if leads else -1
            places.append(start + len(layout.before) if lead < 0 else lead + len(layout.lead))
            return places[0], query_end, places
        for place in places:
            if not _least(frames, data, place, query_end):
                return place, query_end, []
        if len(places) <= most + _SPARE:
            self.note("template/words", row, at=end - start)
        return places[0], query_end, []

    def _compare(
        self,
        row: int,
        begins: list[int],
        query_end: int,
        layout: ExemplarLayout,
        goal: int,
        stop: int,
        direct: bool,  # noqa: FBT001  (called once)
    ) -> None:
        """The exemplars, with the query and with its target."""
        data = self._data
        query, first = begins[0], begins[-1]
        start = int(self.inputs.offsets[row])
        if direct:
            # Inverted prompts name a label or so, and are alike by nature.
            text = data[query:query_end]
            shown = data.find(text + layout.between, first, query)
            # Where only white space follows the query, the exemplar may go on behind it.
            if shown >= 0 and shown in begins:
                exact = "shots/query_shown" if layout.tail else "shots/query_nearly_shown"
                self.note(exact, row, at=shown - start)
            elif any(self._nearly(text, begin, above, layout) for above, begin in pairwise(begins)):
                self.note("shots/query_nearly_shown", row)
        if stop - goal >= LEAK_LENGTH:
            at = data.find(self._wanted[goal:stop], first, query - len(layout.marker))
            if at >= 0 and len(self._wanted[goal:stop].decode("utf-8", "replace")) >= LEAK_LENGTH:
                self.note("shots/answer_shown", row, at=at - start)

    def _nearly(self, text: bytes, begin: int, end: int, layout: ExemplarLayout) -> bool:
        """Whether an exemplar asks what the query asks, but for case, spacing and punctuation."""
        data = self._data
        at = data.find(layout.between, max(begin, begin + len(text) - _SLACK), end)
        if at < 0 or at > begin + len(text) + _SLACK:
            return False
        near = text.translate(_LOWER, _DROPPED)
        return len(near) >= NEAR_LENGTH and near == data[begin:at].translate(_LOWER, _DROPPED)

    def _options(
        self,
        row: int,
        recipe: _Recipe,
        layout: OptionLayout | None,
        start: int,
        end: int,
        goal: tuple[int, int],
        *,
        shows: bool,
    ) -> None:
        if recipe.lists is False:
            self.note("options/unwanted_list", row)
            return
        if layout is None:
            self.note("options/no_list", row)
            return
        data = self._data
        first = layout.prefix(0).lstrip()
        at = data.rfind(layout.lead_in + first, start, end) if layout.lead_in.strip() else -1
        if at < 0:
            # Lead-ins may be nothing, and indentation goes where a list opens the prompt.
            at = data.find(layout.lead_in.strip(), start, end)
            at = data.find(first, at, end) if at >= 0 else -1
        else:
            at += len(layout.lead_in)
        if at < 0:
            self.note("options/no_list", row, at=end - start)
            return
        lone = any(frame.lone_name == "answer" for frame in recipe.targets[shows])
        if not recipe.direct or not lone:
            return
        target = self._wanted[goal[0] : goal[1]]
        if layout.item.enumerate:
            count = _count_options(data, layout, at, end)
            index = layout.label_index(target.decode("utf-8", "replace"))
            if index < 0:
                self.note("options/no_label", row)
            elif index >= count:
                self.note("options/label_beyond_list", row, at=end - start)
            else:
                self._place(recipe.task, count, index)
        # Lists without labels are read for their texts only: on one line, what follows the list is
        # not told apart from its items.
        elif data.find(target, at, end) < 0:
            self.note("options/target_not_listed", row, at=at - start)

    def _place(self, task: AuditedTask | None, count: int, index: int) -> None:
        assert task is not None
        key = (task.plan.task, count)
        self.state.positions.setdefault(key, Counter())[index] += 1

    def _shown(
        self, row: int, key: tuple[str, str], query: int, query_end: int, goal: int, stop: int
    ) -> None:
        tested, found = self.state.shown.get(key, (0, 0))
        at = self._data.find(self._wanted[goal:stop], query, query_end)
        if at >= 0:
            found += 1
            self.note(f"{_SHOWN}{key[1]}", row, at=at - query)
        self.state.shown[key] = (tested + 1, found)


_SHOWN = "text/target_in_prompt "
"""Records are kept by template as well."""

_SPARE = 24
"""Places that could be where the query begins, that are tried beyond those expected."""

_SLACK = 16
"""Bytes by which an exemplar may be longer or shorter than a query that it nearly is."""


def _least(frames: tuple[Frame, ...], data: bytes, start: int, end: int) -> str:
    """The fault of a text with the frame that it fits best."""
    fault = ""
    for frame in frames:
        fault = frame.fault(data, start, end)
        if not fault:
            return ""
    return fault


def _count_options(data: bytes, layout: OptionLayout, at: int, end: int) -> int:
    count = 1
    here = at
    while count < MOST_OPTIONS:
        mark = layout.separator + layout.prefix(count)
        here = data.find(mark, here, end)
        if here < 0 or not layout.item.label_of(count):
            return count
        here += len(mark)
        count += 1
    return count


def observe(view: ShardView) -> Prompts:
    """Looks through the prompts and targets of a stretch."""
    return _Reader(view).read()


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
    findings += _targets_shown(state, context)
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


def _targets_shown(state: Prompts, context: AuditContext) -> list[AuditFinding]:
    findings = []
    for name, templates in _by_task(state).items():
        task = context.tasks[name]
        if task.kind in SHOWING_KINDS or task.lists_options or task.card.get("cot"):
            continue
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
