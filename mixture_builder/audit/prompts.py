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
from mixture_builder.audit.frames import Frame, faults, frame_of, least_fault
from mixture_builder.audit.hits import Hits
from mixture_builder.audit.layouts import (
    MOST_OPTIONS,
    DrawnStyle,
    ExemplarLayout,
    OptionLayout,
)
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.statistics import CountTest, corrected, count_test, speaks_up
from mixture_builder.audit.view import Flags, Numbers, ShardView
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
_FOLDED = np.asarray([0 if b in _DROPPED else _LOWER[b] for b in range(256)], dtype=np.uint8)


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
      lone: whether the target is the answer and nothing else, where options are listed.
    """

    task: AuditedTask | None
    inputs: Mapping[bool, tuple[Frame, ...]]
    targets: Mapping[bool, tuple[Frame, ...]]
    leads: bool
    lists: bool | None
    direct: bool
    lone: bool


_NO_RECIPE = _Recipe(
    task=None,
    inputs={False: (), True: ()},
    targets={False: (), True: ()},
    leads=False,
    lists=None,
    direct=False,
    lone=False,
)


def _recipe(task: AuditedTask | None, template_id: str, variant: str) -> _Recipe:
    place = task.template_places.get(template_id) if task else None
    if task is None or place is None:
        return _NO_RECIPE
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
        lone=any(frame.lone_name == "answer" for frame in targets[True]),
    )


def _frames(sources: Sequence[str], *, shows: bool) -> tuple[Frame, ...]:
    return tuple(frame_of(source, shows_options=shows) for source in dict.fromkeys(sources))


@dataclass(kw_only=True, slots=True)
class _Queries:
    """Where what is asked stands in each prompt.

    Attributes:
      begins, ends: of the query; of the prompt where that is not known.
      read: whether the record is looked at at all.
      framed: whether the query is to be held against its template.
      sure: whether its place is.
      rows: records of which it is known where the exemplars stand; the next three are of these.
      layouts: how the exemplars are set off.
      counts: how many places each has in `places`: one more than it has exemplars.
      places: where the query and, going up, the exemplars begin, of one record after the other.
    """

    begins: Numbers
    ends: Numbers
    read: Flags
    framed: Flags
    sure: Flags
    rows: list[int] = field(default_factory=list)
    layouts: list[ExemplarLayout] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


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
        options = [layouts.options(style) for style in view.styles]
        named = np.asarray([bool(style.options) for style in view.styles], dtype=bool)
        shows = named[view.style_codes]
        queries = self._queries(recipes, keys)
        frames = [r.inputs[shown] for r in recipes for shown in (False, True)]
        goals = [r.targets[shown] for r in recipes for shown in (False, True)]
        codes = 2 * keys + shows
        framed = np.flatnonzero(queries.framed)
        for row, fault in faults(
            self.inputs, frames, codes[framed], framed, queries.begins[framed], queries.ends[framed]
        ):
            self.note(f"template/{fault}", row)
        read = np.flatnonzero(queries.read)
        offsets = self.targets.offsets
        for row, fault in faults(
            self.targets, goals, codes[read], read, offsets[:-1][read], offsets[1:][read]
        ):
            self.note(f"template/{fault}_of_target", row)
        lists = np.asarray([bool(recipe.lists) for recipe in recipes], dtype=bool)[keys]
        self.note_all("options/no_list", np.flatnonzero(queries.read & ~shows & lists))
        listed = np.flatnonzero(queries.read & shows)
        for row, key, style, begin, end in zip(
            listed.tolist(),
            keys[listed].tolist(),
            view.style_codes[listed].tolist(),
            queries.begins[listed].tolist(),
            queries.ends[listed].tolist(),
            strict=True,
        ):
            self._options(row, recipes[key], options[style], begin, end)
        direct = np.asarray([recipe.direct for recipe in recipes], dtype=bool)[keys]
        self._exemplars(queries, direct)
        self._shown(queries, np.flatnonzero(direct & queries.sure))
        for check, rows in self.found.items():
            column = "targets" if check.endswith("_of_target") else "inputs"
            order = np.argsort(np.asarray(rows), kind="stable").tolist()
            places = self.places[check]
            view.hit(
                self.state.hits,
                check,
                [rows[i] for i in order],
                column=column,
                at=[places[i] for i in order],
            )
        return self.state

    def note_all(self, check: str, rows: Numbers) -> None:
        for row in rows.tolist():
            self.note(check, row)

    def _queries(self, recipes: Sequence[_Recipe], keys: Numbers) -> _Queries:
        view = self.view
        known = np.asarray([recipe.task is not None for recipe in recipes], dtype=bool)[keys]
        shown = known & view.few_shot & (view.shots > 0)
        offsets = self.inputs.offsets
        found = _Queries(
            begins=offsets[:-1].copy(),
            ends=offsets[1:].copy(),
            read=known.copy(),
            framed=known & ~shown,
            sure=known & ~shown,
        )
        rows = np.flatnonzero(shown)
        layouts = view.context.layouts
        exemplars = [layouts.exemplars(style) for style in view.styles] if len(rows) else []
        begins, ends, unread = [], [], []
        for row, key, style, shots, start, end in zip(
            rows.tolist(),
            keys[rows].tolist(),
            view.style_codes[rows].tolist(),
            view.shots[rows].tolist(),
            offsets[:-1][rows].tolist(),
            offsets[1:][rows].tolist(),
            strict=True,
        ):
            layout = exemplars[style]
            if layout is None:
                self.note("shots/style", row)
                unread.append(row)
                begins.append(start)
                ends.append(end)
                continue
            query, query_end, places = self._query(
                row, start, end, layout, shots, recipes[key], view.styles[style]
            )
            begins.append(query)
            ends.append(query_end)
            if places:
                found.rows.append(row)
                found.layouts.append(layout)
                found.counts.append(len(places))
                found.places += places
        found.begins[rows], found.ends[rows] = begins, ends
        found.read[unread] = False
        found.framed[found.rows] = found.sure[found.rows] = True
        return found

    def _recipe_of(self, task: int, template: str, variant: str) -> _Recipe:
        known = self.view.context.recipes
        key = (self.view.task_names[task], template, variant)
        if key not in known:
            known[key] = _recipe(self.view.tasks[task], template, variant)
        found: _Recipe = known[key]
        return found

    def _query(
        self,
        row: int,
        start: int,
        end: int,
        layout: ExemplarLayout,
        shots: int,
        recipe: _Recipe,
        style: DrawnStyle,
    ) -> tuple[int, int, list[int]]:
        """Where the query begins and ends; and where it and, going up, the exemplars begin.

        The list is empty where that is not sure.
        """
        data, marker, leads = self._data, layout.marker, recipe.leads
        if not data.endswith(layout.tail, start, end):
            self.note("shots/query_label", row, at=end - start)
            return start, end, []
        query_end = end - len(layout.tail)
        size = len(marker)
        # Markers may share white space at their ends, which `count` would pass over.
        places: list[int] = []
        most = shots + leads
        tried = most + _SPARE
        at = data.rfind(marker, start, query_end)
        while at >= 0 and len(places) <= tried:
            places.append(at + size)
            at = data.rfind(marker, start, at + size - 1)
        if len(places) < shots:
            self.note("shots/separator", row)
            return start, query_end, []
        if len(places) <= most:
            del places[shots:]
            # The first exemplar begins the prompt, or stands below the instruction.
            lead = data.rfind(layout.lead, start, places[-1] - size) if leads else -1
            places.append(start + len(layout.before) if lead < 0 else lead + len(layout.lead))
            return places[0], query_end, places
        frames = recipe.inputs[bool(style.options)]
        for place in places:
            if not least_fault(frames, data, place, query_end):
                return place, query_end, []
        if len(places) <= tried:
            self.note("template/words", row, at=end - start)
        return places[0], query_end, []

    def _exemplars(self, queries: _Queries, direct: Flags) -> None:
        """The exemplars, with the query and with its target."""
        if not queries.rows:
            return
        rows, counts = np.asarray(queries.rows), np.asarray(queries.counts)
        firsts = np.cumsum(counts) - counts
        self._leaks(queries, rows, firsts + counts - 1)
        likely, same = self._likely(queries, rows, firsts)
        owners = np.repeat(np.arange(len(rows)), counts - 1)
        # Inverted prompts name a label or so, and are alike by nature.
        suspicious = np.unique(owners[(likely | same) & direct[rows[owners]]])
        starts = self.inputs.offsets[rows]
        for place in suspicious.tolist():
            row, first, count = queries.rows[place], int(firsts[place]), queries.counts[place]
            layout, begins = queries.layouts[place], queries.places[first : first + count]
            # Before its first place, there is an exemplar less than there are places.
            one = first - place
            maybe, alike = likely[one : one + count - 1], same[one : one + count - 1]
            query, start = begins[0], int(starts[place])
            text = self._data[query : queries.ends[row]]
            whole = text + layout.between
            # Where only white space follows the query, the exemplar may go on behind it.
            exact = [
                begin
                for begin, equal in zip(begins[1:], alike, strict=True)
                if equal and self._data.startswith(whole, begin, query)
            ]
            if exact:
                check = "shots/query_shown" if layout.tail else "shots/query_nearly_shown"
                self.note(check, row, at=min(exact) - start)
            elif any(
                near and self._nearly(text, begin, above, layout)
                for (above, begin), near in zip(pairwise(begins), maybe, strict=True)
            ):
                self.note("shots/query_nearly_shown", row)

    def _leaks(self, queries: _Queries, rows: Numbers, lasts: Numbers) -> None:
        """Looks for long targets in the exemplars; `lasts` are places of the topmost ones."""
        goals, stops = self.targets.offsets[rows], self.targets.offsets[rows + 1]
        for place in np.flatnonzero(stops - goals >= LEAK_LENGTH).tolist():
            goal, stop, row = int(goals[place]), int(stops[place]), queries.rows[place]
            top = queries.places[lasts[place]]
            end = int(queries.begins[row]) - len(queries.layouts[place].marker)
            at = self._find_target(goal, stop, top, end)
            long = at >= 0 and self._wanted[goal:stop].decode("utf-8", "replace")
            if long and len(long) >= LEAK_LENGTH:
                self.note("shots/answer_shown", row, at=at - int(self.inputs.offsets[row]))

    def _likely(self, queries: _Queries, rows: Numbers, firsts: Numbers) -> tuple[Flags, Flags]:
        """For each exemplar of each record whether it may nearly be the query, or be it."""
        places, sizes = np.asarray(queries.places), np.asarray(queries.counts) - 1
        begins = np.ones(len(places), dtype=bool)
        begins[firsts] = False
        begin, above = places[begins], places[np.append(begins[1:], False)]
        between = np.repeat([len(layout.between) for layout in queries.layouts], sizes)
        query = np.repeat(places[firsts], sizes)
        size = np.repeat(queries.ends[rows], sizes) - query
        one, other = self.inputs.byte_at(begin), self.inputs.byte_at(query)
        # What both begin with decides, unless it is left aside in the comparison.
        differ = (_FOLDED[one] != _FOLDED[other]) & (_FOLDED[one] > 0) & (_FOLDED[other] > 0)
        near = (above - begin >= size - _SLACK + between) & ~differ
        same = (size == 0) | (
            (one == other)
            & (self.inputs.byte_at(begin + size - 1) == self.inputs.byte_at(query + size - 1))
        )
        # So does the first difference, which mostly stands where the words of the template end.
        some = np.flatnonzero(near | same)
        begin, query, size = begin[some], query[some], size[some]
        common = self.inputs.common(begin, query, size)
        apart = common < size
        same[some] &= ~apart
        one = _FOLDED[self.inputs.byte_at(begin + common)]
        other = _FOLDED[self.inputs.byte_at(query + common)]
        apart &= (common < size - _SLACK) & (one > 0) & (other > 0) & (one != other)
        near[some] &= ~apart
        return near, same

    def _nearly(self, text: bytes, begin: int, end: int, layout: ExemplarLayout) -> bool:
        """Whether an exemplar asks what the query asks, but for case, spacing and punctuation."""
        data = self._data
        size, between = len(text), layout.between
        stop = min(end, begin + size + _SLACK + len(between))
        at = data.find(between, max(begin, begin + size - _SLACK), stop)
        if at < 0:
            return False
        near = text.translate(_LOWER, _DROPPED)
        return len(near) >= NEAR_LENGTH and near == data[begin:at].translate(_LOWER, _DROPPED)

    def _find_target(self, goal: int, stop: int, start: int, end: int) -> int:
        """Where a target stands in a stretch of the prompts; -1 if it does not."""
        middle = max(goal, (goal + stop - _PROBE) // 2)
        # Of a long target the middle, which hardly ever stands there, is sooner looked for.
        if self._data.find(self._wanted[middle : min(stop, middle + _PROBE)], start, end) < 0:
            return -1
        return self._data.find(self._wanted[goal:stop], start, end)

    def _options(
        self,
        row: int,
        recipe: _Recipe,
        layout: OptionLayout | None,
        start: int,
        end: int,
    ) -> None:
        if recipe.lists is False:
            self.note("options/unwanted_list", row)
            return
        if layout is None:
            self.note("options/no_list", row)
            return
        data = self._data
        first = layout.first
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
        if not recipe.direct or not recipe.lone:
            return
        target = self._wanted[self.targets.offsets[row] : self.targets.offsets[row + 1]]
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

    def _shown(self, queries: _Queries, rows: Numbers) -> None:
        view, offsets = self.view, self.targets.offsets
        rows = rows[offsets[rows + 1] - offsets[rows] >= LEAK_LENGTH]
        width = len(view.template_names)
        codes = view.task_codes[rows] * width + view.template_codes[rows]
        different, tested = np.unique(codes, return_counts=True)
        found: Counter[int] = Counter()
        for row, code, goal, stop, query, end in zip(
            rows.tolist(),
            codes.tolist(),
            offsets[rows].tolist(),
            offsets[rows + 1].tolist(),
            queries.begins[rows].tolist(),
            queries.ends[rows].tolist(),
            strict=True,
        ):
            at = self._find_target(goal, stop, query, end)
            if at >= 0:
                found[code] += 1
                self.note(f"{_SHOWN}{view.template_names[code % width]}", row, at=at - query)
        for code, count in zip(different.tolist(), tested.tolist(), strict=True):
            key = (view.task_names[code // width], view.template_names[code % width])
            self.state.shown[key] = (count, found[code])


_SHOWN = "text/target_in_prompt "
"""Records are kept by template as well."""

_SPARE = 24
"""Places that could be where the query begins, that are tried beyond those expected."""

_PROBE = 32
"""Bytes from the middle of a long target that are looked for first."""

_SLACK = 16
"""Bytes by which an exemplar may be longer or shorter than a query that it nearly is."""


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
