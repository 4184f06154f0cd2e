"""Labels: which answers the targets of a task are, against the answers that its rows have.

A task has labels if all its rows have one of a few answers. Only targets that are the answer and
nothing else are counted: those of direct templates that print one field as it is. Where a letter
stands for an option, the option's text is read from the list in the prompt. Templates, variants
and styles are drawn without a look at the row, so that what is left out takes no answer with it.

Rows are drawn without replacement, pass by pass, so counts lie closer to the source than chance
alone has it, and a test for chance is cautious. Draws whose row gave way to another may have
gone from one answer to any other: so many records are taken off every difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mixture_builder.audit.checks import AuditFinding
from mixture_builder.audit.context import AuditContext, AuditedTask
from mixture_builder.audit.frames import Frame, frame_of
from mixture_builder.audit.hits import KEPT, Evidence
from mixture_builder.audit.layouts import ExemplarLayout, OptionLayout
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.statistics import CountTest, corrected, count_test, speaks_up
from mixture_builder.audit.view import Numbers, ShardView
from mixture_builder.errors import StoreError
from mixture_builder.io.stored_rows import StoredRows
from mixture_builder.io.stored_task import task_folder
from mixture_builder.templates import PromptTemplate
from mixture_builder.variants import Cell

MOST_LABELS = 20
"""A task whose rows have more different answers has no labels."""

MOST_SEEN = 64
"""Different targets of a task that are told apart; with more it is not looked at."""

LONGEST = 80
"""Bytes of a label."""

FEWEST_ROWS = 3
"""Rows there must be for each label in the mean."""

_FIRST_LOOK = 2048
"""Rows by which most tasks without labels are known."""

_MARKS = b".;"
"""What styles put behind an option; labels are compared without it."""

ANSWER = "answer"

Group = tuple[str, str]
"""A task, and the field that its targets are."""

Place = tuple[str, int]
"""File of a shard, and the place of a record in it."""

Seen = Mapping[str, tuple[int, Place]]
"""How often each label is a target, and the record that stands first."""


@dataclass(kw_only=True, slots=True)
class Labels:
    """Targets of some records.

    Attributes:
      groups: labels by task and field; `None` where there are too many, or too long ones.
    """

    groups: dict[Group, Seen | None] = field(default_factory=dict)


def observe(view: ShardView) -> Labels:
    """Counts the labels of a stretch."""
    state = Labels()
    if not view.rows or not view.context.store:
        return state
    fields, keys = _fields_of_records(view)
    layouts = view.context.layouts
    options = [layouts.options(style) for style in view.styles]
    named = np.asarray([bool(style.options) for style in view.styles], dtype=bool)
    # Lists without a mark of their own, or on one line, are not told apart from what follows.
    lettered = np.asarray([bool(o and o.item.enumerate) for o in options], dtype=bool)
    readable = np.asarray([_is_readable(o) for o in options], dtype=bool)
    shows, letters = named[view.style_codes], lettered[view.style_codes]
    width = len(_SORTS)
    listed = sorted({name for line in fields for name in line if name})
    numbers = {name: number for number, name in enumerate(listed)}
    codes = np.asarray([[numbers.get(n, -1) for n in line] for line in fields], dtype=np.int64)
    codes = codes.reshape(len(fields), width)
    of_records = codes[keys, 2 * letters + (shows | letters)]
    of_records = np.where(letters & ~readable[view.style_codes], -1, of_records)
    groups = np.where(of_records >= 0, view.task_codes * len(listed) + of_records, -1)
    names = {
        code: (view.task_names[code // len(listed)], listed[code % len(listed)])
        for code in np.unique(groups[groups >= 0]).tolist()
    }
    long = np.unique(groups[view.targets.sizes > LONGEST])
    state.groups.update({names[code]: None for code in long.tolist() if code >= 0})
    groups[np.isin(groups, long)] = -1
    plain = _plain_labels(view, groups, np.flatnonzero((groups >= 0) & ~letters))
    by_letter = np.flatnonzero((groups >= 0) & letters)
    by_letter = by_letter[np.argsort(groups[by_letter], kind="stable")]
    starts = np.flatnonzero(np.diff(groups[by_letter], prepend=-1))
    for rows in np.split(by_letter, starts[1:]) if len(by_letter) else ():
        code = int(groups[rows[0]])
        seen = plain.get(code, {})
        if seen is not None:
            plain[code] = _listed_labels(view, rows, options, seen)
    state.groups.update({names[code]: seen for code, seen in plain.items()})
    return state


_SORTS = ((False, False), (True, False), (False, True), (True, True))
"""Whether options are shown, and whether letters stand for them; in the order of `_target`."""


def _is_readable(options: OptionLayout | None) -> bool:
    return bool(
        options and options.item.enumerate and not options.inline and options.lead_in.strip()
    )


def _fields_of_records(view: ShardView) -> tuple[list[tuple[str, ...]], Numbers]:
    """What the target of each record is a field of, by whether options and letters are shown."""
    templates, variants = len(view.template_names), len(view.variant_names)
    codes = (view.task_codes * templates + view.template_codes) * variants + view.variant_codes
    different, keys = np.unique(codes, return_inverse=True)
    known = view.context.recipes
    fields = []
    for code in different.tolist():
        name = view.task_names[code // variants // templates]
        template = view.template_names[code // variants % templates]
        variant = view.variant_names[code % variants]
        key = (f"labels of {name}", template, variant)
        if key not in known:
            task = view.tasks[code // variants // templates]
            known[key] = _target(task, template, variant, known)
        fields.append(known[key])
    return fields, keys


_NOTHING = ("",) * len(_SORTS)


def _target(
    task: AuditedTask | None, template_id: str, variant: str, known: dict[tuple[str, str, str], Any]
) -> tuple[str, ...]:
    """The field that is the target, for each of `_SORTS`; empty where it is more, or unknown."""
    place = task.template_places.get(template_id) if task else None
    if task is None or place is None or task.templates[place].direction != "direct":
        return _NOTHING
    found = {
        _target_in_cell(task, cell, place, known)
        for cell in task.plan.cells
        if cell.variant == variant and place in cell.templates
    }
    return found.pop() if len(found) == 1 else _NOTHING


def _target_in_cell(
    task: AuditedTask, cell: Cell, place: int, known: dict[tuple[str, str, str], Any]
) -> tuple[str, ...]:
    few_shot = cell.few_shot and not task.plan.form_of(cell).mixed_templates
    # Tasks by the hundred share their templates, and the same cells of them.
    key = (task.plan.templates, f"{cell.templates}", f"labels {few_shot}")
    if key not in known:
        every = {
            other: _fields_of_template(task.templates[other], few_shot=few_shot)
            for other in cell.templates
        }
        if any(task.templates[other].requires for other in cell.templates):
            # A row that lacks a field gives way to other templates: all count, or none does.
            sorts = map(set, zip(*every.values(), strict=True))
            alike = tuple(names.pop() if len(names) == 1 else "" for names in sorts)
            every = dict.fromkeys(every, alike)
        known[key] = every
    fields: tuple[str, ...] = known[key][place]
    return fields


def _fields_of_template(template: PromptTemplate, *, few_shot: bool) -> tuple[str, ...]:
    result = []
    for shows, letters in _SORTS:
        target = template.target_for(few_shot=few_shot).source
        name = frame_of(target, shows_options=shows).lone_name
        if letters:
            prompt = frame_of(template.input_for(few_shot=few_shot).source, shows_options=shows)
            result.append(ANSWER if name == ANSWER and _ends_line(prompt) else "")
        else:
            result.append(ANSWER if name == "answer_text" else name)
    return tuple(result)


def _ends_line(frame: Frame) -> bool:
    """Whether a list of options is followed by a new line, or by nothing."""
    for word, gap in zip(frame.words[1:], frame.gaps, strict=True):
        if "options_text" in gap.names:
            return gap.names[-1] == "options_text" and (not word or word.startswith(b"\n"))
    return False


def _plain_labels(view: ShardView, groups: Numbers, rows: Numbers) -> dict[int, Seen | None]:
    """Targets that are texts of answers, by group."""
    if not len(rows):
        return {}
    encoded = view.targets.array.take(pa.array(rows)).dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    pairs = groups[rows] * len(texts) + encoded.indices.to_numpy()
    different, firsts, counts = np.unique(pairs, return_index=True, return_counts=True)
    owners, codes = np.divmod(different, len(texts))
    many = np.bincount(owners) > MOST_SEEN
    result: dict[int, Seen | None] = dict.fromkeys(np.flatnonzero(many).tolist())
    kept = np.flatnonzero(~many[owners])
    found: dict[int, dict[str, tuple[int, Place]]] = {}
    for owner, code, first, count in zip(
        owners[kept].tolist(),
        codes[kept].tolist(),
        rows[firsts[kept]].tolist(),
        counts[kept].tolist(),
        strict=True,
    ):
        place = (view.file, view.first_row + first)
        _add(found.setdefault(owner, {}), plain_label(texts[code]), count, place)
    return {**result, **found}


def _add(seen: dict[str, tuple[int, Place]], label: str, count: int, place: Place) -> None:
    before = seen.get(label)
    seen[label] = (count, place) if before is None else (before[0] + count, min(before[1], place))


def plain_label(text: str) -> str:
    """A label without the marks that styles put behind it.

    >>> plain_label(" not sure.")
    'not sure'
    """
    return text.strip().rstrip(_MARKS.decode()).rstrip()


def _listed_labels(
    view: ShardView, rows: Numbers, options: list[OptionLayout | None], seen: Seen
) -> Seen | None:
    """Targets that are letters, as the options they stand for."""
    found = dict(seen)
    data, offsets = view.inputs.data, view.inputs.offsets
    layouts = view.context.layouts
    for row in rows.tolist():
        style = int(view.style_codes[row])
        layout = options[style]
        assert layout is not None
        index = layout.label_index(view.targets.text(row))
        if index < 0:
            continue
        shown = layouts.exemplars(view.styles[style]) if view.few_shot[row] else None
        text = _option(data, int(offsets[row]), int(offsets[row + 1]), layout, index, shown)
        if text is None:
            continue
        if len(text) > LONGEST:
            return None
        label = plain_label(text.decode("utf-8", "replace"))
        _add(found, label, 1, (view.file, view.first_row + row))
        if len(found) > MOST_SEEN:
            return None
    return found


def _option(
    data: bytes,
    start: int,
    end: int,
    layout: OptionLayout,
    index: int,
    exemplars: ExemplarLayout | None,
) -> bytes | None:
    """The text of an option of the last list of a prompt; `None` if there is no such option."""
    if exemplars is not None and data.endswith(exemplars.tail, start, end):
        end -= len(exemplars.tail)
    opening = layout.lead_in + layout.first
    at = data.rfind(opening, start, end)
    if at < 0:
        return None
    at += len(opening)
    for number in range(1, index + 1):
        mark = layout.separator + layout.prefix(number)
        at = data.find(mark, at, end)
        if at < 0:
            return None
        at += len(mark)
    stop = data.find(layout.separator + layout.prefix(index + 1), at, end)
    if stop < 0:
        line = data.find(b"\n", at, end)
        stop = end if line < 0 else line
    return data[at:stop]


def merge(one: Labels, other: Labels) -> Labels:
    """The targets of both."""
    groups = dict(one.groups)
    for group, seen in other.groups.items():
        mine = groups.get(group, {})
        if mine is None or seen is None:
            groups[group] = None
            continue
        both = dict(mine)
        for label, (count, place) in seen.items():
            _add(both, label, count, place)
        groups[group] = both if len(both) <= MOST_SEEN else None
    return Labels(groups=groups)


def report(state: Labels, context: AuditContext) -> SectionReport:
    """Labels against those of the rows."""
    tests: dict[Group, CountTest] = {}
    figures: dict[Group, dict[str, Any]] = {}
    findings: list[AuditFinding] = []
    for group, seen in sorted(state.groups.items()):
        task = context.tasks.get(group[0])
        source = source_labels(task, group[1], context) if task and seen else {}
        if not seen or not source or task is None:
            continue
        findings += _unknown(group[0], seen, source)
        counts = {label: seen[label][0] if label in seen else 0 for label in source}
        figures[group] = {
            "field": group[1],
            "found": dict(sorted(counts.items())),
            "source": dict(sorted(source.items())),
        }
        # Their row may have given way to one with any other answer.
        moved = context.redrawn(group[0]) + context.dropped(group[0])
        test = count_test(_without_moved(counts, source, moved), _of(source))
        if test is not None:
            tests[group] = test
    adjusted = corrected([test.p for test in tests.values()])
    for (group, test), p in zip(tests.items(), adjusted, strict=True):
        figures[group] |= {**test.to_json(), "p_corrected": p}
        if speaks_up(test, p):
            findings.append(_unbalanced(group[0], figures[group], test, p))
    tasks: dict[str, dict[str, Any]] = {}
    for (name, _), told in figures.items():
        tasks.setdefault(name, {}).setdefault("labels", []).append(told)
    return SectionReport(
        facts={"tasks": len(tasks), "tested": len(tests)}, findings=findings, tasks=tasks
    )


def _of(source: Mapping[str, int]) -> list[float]:
    return [float(count) for count in source.values()]


def _without_moved(counts: Mapping[str, int], source: Mapping[str, int], moved: int) -> list[int]:
    """Counts as near to the source's as some records more or less of each label bring them."""
    total, rows = sum(counts.values()), sum(source.values())
    result = []
    for label, count in counts.items():
        expected = total * source[label] / rows
        off = max(0.0, abs(count - expected) - moved)
        result.append(round(expected + off) if count > expected else round(expected - off))
    return result


def _unknown(task: str, seen: Seen, source: Mapping[str, int]) -> Iterator[AuditFinding]:
    strange = {label: told for label, told in seen.items() if label not in source}
    if not strange:
        return
    count = sum(count for count, _ in strange.values())
    shown = ", ".join(repr(label) for label in sorted(strange)[:3])
    yield AuditFinding(
        check="labels/unknown",
        task=task,
        message=f"{count:,} targets are none of the {len(source)} answers that the rows have: "
        f"{shown}" + (" and others" if len(strange) > 3 else ""),
        count=count,
        evidence=sorted(
            Evidence(shard=place[0], row=place[1], text=label)
            for label, (_, place) in strange.items()
        )[:KEPT],
    )


def _unbalanced(task: str, told: Mapping[str, Any], test: CountTest, p: float) -> AuditFinding:
    found, source = told["found"], told["source"]
    total, rows = sum(found.values()), sum(source.values())
    worst = max(source, key=lambda n: (found[n] / total - source[n] / rows) ** 2 / source[n])
    return AuditFinding(
        check="labels/balance",
        task=task,
        message=f"{worst!r} is {100 * found[worst] / total:.1f} % of {total:,} targets and "
        f"{100 * source[worst] / rows:.1f} % of the answers of {rows:,} rows "
        f"(w {test.effect:.2f}, p {p:.1g})",
        count=test.records,
        asked=source,
        found=found,
    )


def source_labels(task: AuditedTask, name: str, context: AuditContext) -> dict[str, int]:
    """How many of the rows that can be asked about have each answer; nothing if it is no label.

    Args:
      task: of the mixture.
      name: the field that is its answer.
      context: of the audit, with a store.
    """
    plan, locked = task.plan, context.locked.tasks[task.plan.task]
    folder = task_folder(Path(context.store), plan.task, locked.stored)
    try:
        rows = StoredRows(folder, expected_rows=plan.rows)
    except StoreError:
        return {}
    counts: Counter[str] = Counter()
    for first in range(0, plan.query_rows, _FIRST_LOOK):
        at = np.arange(first, min(first + _FIRST_LOOK, plan.query_rows)) + plan.first_query
        texts = _answers(rows, name, at)
        if texts is None:
            return {}
        told = texts.value_counts()
        for text, count in zip(
            told.field("values").to_pylist(), told.field("counts").to_pylist(), strict=True
        ):
            if len(text.encode()) > LONGEST:
                return {}
            counts[plain_label(text)] += count
        if len(counts) > MOST_LABELS:
            return {}
    if len(counts) < 2 or plan.query_rows < FEWEST_ROWS * len(counts):
        return {}
    return dict(sorted(counts.items()))


def _answers(rows: StoredRows, name: str, at: Numbers) -> pa.Array | None:
    """The answers of some rows; `None` if they have several, or the field is no text."""
    if name != ANSWER or "answer" in rows.fields:
        return rows.arrays([name], at)[name] if name in rows.text_fields else None
    if not {"options", "answer_index"} <= set(rows.fields):
        lists = rows.arrays(["answers"], at)["answers"] if "answers" in rows.fields else None
        # Which of several right answers a target is, is drawn.
        return lists.flatten() if lists is not None and len(lists.flatten()) == len(at) else None
    taken = rows.arrays(["options", "answer_index"], at)
    places = taken["options"].offsets.to_numpy()[:-1] + taken["answer_index"].to_numpy()
    return taken["options"].values.take(pa.array(places))
