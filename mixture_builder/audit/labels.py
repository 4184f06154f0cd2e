"""Labels: which answers the targets of a task are, against the answers that its rows have.

A task has labels if all its rows have one of a few answers. Only targets that are the answer and
nothing else are counted: those of direct templates that print one field as it is. Where a letter
stands for an option, the record's row says which, if the record is what its row gives; else the
option's text is read from the list in the prompt. Templates, variants
and styles are drawn without a look at the row, so that what is left out takes no answer with it.

Rows are drawn without replacement, pass by pass, so counts lie closer to the source than chance
alone has it, and a test for chance is cautious. Draws whose row gave way to another may have
gone from one answer to any other: so many records are taken off every difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from mixture_builder.audit.checks import AuditFinding
from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.hits import KEPT, Evidence
from mixture_builder.audit.label_fields import SORTS, fields_of_records
from mixture_builder.audit.listed_labels import MOST_SEEN, Place, Seen, add_label, listed_labels
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.source_answers import (
    ANSWER,
    LONGEST,
    MOST_LABELS,
    plain_label,
    source_labels,
)
from mixture_builder.audit.statistics import CountTest, corrected, count_test, speaks_up
from mixture_builder.audit.style_book import LETTERED, NAMED, READABLE
from mixture_builder.audit.text_column import Numbers
from mixture_builder.audit.view import ShardView

Group = tuple[str, str]
"""A task, and the field that its targets are."""


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
    fields, keys = fields_of_records(view)
    numbers_of = view.styles.numbers[view.style_codes]
    shows, letters = numbers_of[:, NAMED] > 0, numbers_of[:, LETTERED] > 0
    width = len(SORTS)
    # Most tasks, templates and variants are like others in this.
    kinds = {line: kind for kind, line in enumerate(dict.fromkeys(fields))}
    listed = sorted({name for line in kinds for name in line if name})
    numbers = {name: number for number, name in enumerate(listed)}
    codes = np.asarray([[numbers.get(n, -1) for n in line] for line in kinds], dtype=np.int64)
    codes = codes.reshape(len(kinds), width)
    kind_of = np.asarray([kinds[line] for line in fields], dtype=np.int64)[keys]
    of_records = codes[kind_of, 2 * letters + (shows | letters)]
    given = view.given.same if view.given else np.zeros(view.rows, dtype=bool)
    # Lists without a mark of their own, or on one line, are not told apart from what follows.
    unread = letters & ~given & (numbers_of[:, READABLE] == 0)
    of_records = np.where(unread, -1, of_records)
    groups = np.where(of_records >= 0, view.task_codes * len(listed) + of_records, -1)
    names = {
        code: (view.task_names[code // len(listed)], listed[code % len(listed)])
        for code in np.unique(groups[groups >= 0]).tolist()
    }
    long = np.unique(groups[view.targets.sizes > LONGEST])
    state.groups.update({names[code]: None for code in long.tolist() if code >= 0})
    groups[np.isin(groups, long)] = -1
    plain = _plain_labels(view, groups, np.flatnonzero((groups >= 0) & ~letters))
    lettered_rows = (groups >= 0) & letters
    _add_given(view, groups, np.flatnonzero(lettered_rows & given), plain)
    by_letter = np.flatnonzero(lettered_rows & ~given)
    by_letter = by_letter[np.argsort(groups[by_letter], kind="stable")]
    starts = np.flatnonzero(np.diff(groups[by_letter], prepend=-1))
    for rows in np.split(by_letter, starts[1:]) if len(by_letter) else ():
        code = int(groups[rows[0]])
        seen = plain.get(code, {})
        if seen is not None:
            plain[code] = listed_labels(view, rows, seen)
    state.groups.update({names[code]: seen for code, seen in plain.items()})
    return state


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
        add_label(found.setdefault(owner, {}), plain_label(texts[code]), count, place)
    return {**result, **found}


def _add_given(
    view: ShardView, groups: Numbers, rows: Numbers, plain: dict[int, Seen | None]
) -> None:
    """Adds targets that are letters, and right ones: the answers of their rows."""
    if not len(rows):
        return
    assert view.given is not None
    width = MOST_LABELS + 1
    pairs = groups[rows] * width + view.given.labels[rows]
    different, firsts, counts = np.unique(pairs, return_index=True, return_counts=True)
    for pair, first, count in zip(
        different.tolist(), rows[firsts].tolist(), counts.tolist(), strict=True
    ):
        group, label = divmod(pair, width)
        task = view.tasks[int(view.task_codes[first])]
        if not label or task is None or plain.get(group, {}) is None:
            continue
        name = list(source_labels(task, ANSWER, view.context))[label - 1]
        seen = plain[group] = dict(plain.get(group) or {})
        add_label(seen, name, count, (view.file, view.first_row + first))


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
            add_label(both, label, count, place)
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
