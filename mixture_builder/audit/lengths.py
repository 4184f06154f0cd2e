"""How long prompts and targets are: quantiles of each task from a sketch, and what lies far out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixture_builder.audit.checks import AuditFinding
from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.size_sketch import RATIO, Extreme, Sketch, further, middle_of
from mixture_builder.audit.text_column import Numbers, TextColumn
from mixture_builder.audit.view import ShardView
from mixture_builder.draw import counted_order, distinct
from mixture_builder.io.tokenizer import load_tokenizer

FAR, MANY_TIMES, FEWEST = 10.0, 20.0, 50
"""A size is far out if it lies so many robust standard deviations from the median, in logarithms,
and is so many times the median or a fraction of it; in tasks of so many records."""

QUANTILES = (0.01, 0.05, 0.5, 0.95, 0.99)

_WIDTH = 4_096
"""Bins of a key, and room: the number of no size comes near it."""

_PENDING = 1 << 16
"""Bins in further parts that are not worth being added up."""

Key = tuple[str, str, bool, bool]
"""A task, what is measured (`input_chars`, `target_chars`, `input_tokens`, ...), whether prompts
are few-shot, and whether templates are inverted: these swap the long text and the short one."""


@dataclass(kw_only=True, slots=True)
class Lengths:
    """Sizes of some texts, by task and measure.

    Attributes:
      keys: what was measured.
      bins: those that are not empty and how many texts fall in each, in parts that add up. The
        code of a bin is `_WIDTH` times the place of its key, and its number plus 1.
      totals: of all sizes, by key.
      extremes: the shortest and the longest with their records, by key.
    """

    keys: list[Key] = field(default_factory=list)
    bins: list[tuple[Numbers, Numbers]] = field(default_factory=list)
    totals: list[int] = field(default_factory=list)
    extremes: list[tuple[Extreme, Extreme]] = field(default_factory=list)

    def sketches(self) -> Iterator[tuple[Key, Sketch]]:
        """The sketch of each key, by key."""
        codes, sums = _summed(self.bins)
        starts = np.searchsorted(codes, _WIDTH * np.arange(len(self.keys) + 1)).tolist()
        numbers, counts = (codes % _WIDTH - 1).tolist(), sums.tolist()
        for place, key in sorted(enumerate(self.keys), key=lambda item: item[1]):
            mine = slice(starts[place], starts[place + 1])
            shortest, longest = self.extremes[place]
            yield (
                key,
                Sketch(
                    bins=dict(zip(numbers[mine], counts[mine], strict=True)),
                    count=sum(counts[mine]),
                    total=self.totals[place],
                    shortest=shortest,
                    longest=longest,
                ),
            )


def observe(view: ShardView) -> Lengths:
    """Measures the texts of a stretch."""
    state = Lengths()
    if not view.rows:
        return state
    groups = _groups(view)
    met, groups = distinct(groups)
    order = counted_order(groups, len(met))
    ends = np.cumsum(np.bincount(groups))
    rows = [order[start:end] for start, end in zip(np.append(0, ends), ends, strict=False)]
    sorts = [(view.task_names[code // 4], bool(code & 2), bool(code & 1)) for code in met.tolist()]
    for name, column in (("input", view.inputs), ("target", view.targets)):
        measures = {f"{name}_chars": column.lengths}
        if view.context.tokenizer:
            tokenizer = load_tokenizer(view.context.tokenizer)
            encoded = tokenizer.encode(view.table.column(f"{name}s"))
            measures[f"{name}_tokens"] = encoded.lengths.astype(np.int64)
        for measure, sizes in measures.items():
            _add(state, view, column, sizes, groups, rows)
            state.keys += [(task, measure, few, inverted) for task, few, inverted in sorts]
    return state


def _groups(view: ShardView) -> Numbers:
    groups: Numbers = 4 * view.task_codes + 2 * view.few_shot + view.inverted
    return groups


def _add(
    state: Lengths,
    view: ShardView,
    column: TextColumn,
    sizes: Numbers,
    groups: Numbers,
    rows: Sequence[Numbers],
) -> None:
    """Adds sizes; a group becomes a key, and `rows` are those of each."""
    bins = np.full(len(sizes), -1, dtype=np.int64)
    some = sizes > 0
    bins[some] = np.floor(np.log(sizes[some]) / math.log(RATIO)).astype(np.int64)
    # Numbers that lie close together are told apart sooner.
    width = int(bins.max()) + 2
    found, places = distinct(groups * width + bins + 1)
    codes = (len(state.keys) + found // width) * _WIDTH + found % width
    state.bins.append((codes, np.bincount(places)))
    for mine in rows:
        of_mine = sizes[mine]
        low, high = int(mine[of_mine.argmin()]), int(mine[of_mine.argmax()])
        state.totals.append(int(of_mine.sum()))
        state.extremes.append(
            (
                (int(sizes[low]), view.evidence(low, column.text(low))),
                (int(sizes[high]), view.evidence(high, column.text(high))),
            )
        )


def merge(one: Lengths, other: Lengths) -> Lengths:
    """The sizes of both."""
    places = {key: place for place, key in enumerate(one.keys)}
    result = Lengths(keys=list(one.keys), totals=list(one.totals), extremes=list(one.extremes))
    moved = []
    for key, total, extremes in zip(other.keys, other.totals, other.extremes, strict=True):
        place = places.setdefault(key, len(places))
        moved.append(place)
        if place == len(result.keys):
            result.keys.append(key)
            result.totals.append(total)
            result.extremes.append(extremes)
        else:
            result.totals[place] += total
            result.extremes[place] = further(result.extremes[place], extremes)
    key_places = np.asarray(moved, dtype=np.int64)
    result.bins = [
        *one.bins,
        *((key_places[codes // _WIDTH] * _WIDTH + codes % _WIDTH, n) for codes, n in other.bins),
    ]
    # Only where what is new weighs as much as what is there: each bin is added up a few times.
    sizes = [len(codes) for codes, _ in result.bins]
    if sum(sizes[1:]) > max(_PENDING, *sizes[:1]):
        result.bins = [_summed(result.bins)]
    return result


def _summed(parts: Sequence[tuple[Numbers, Numbers]]) -> tuple[Numbers, Numbers]:
    """Parts of bins as one, its codes ascending."""
    none = np.zeros(0, dtype=np.int64)
    codes, which = np.unique(
        np.concatenate([none, *(codes for codes, _ in parts)]), return_inverse=True
    )
    sums = np.zeros(len(codes), dtype=np.int64)
    np.add.at(sums, which, np.concatenate([none, *(counts for _, counts in parts)]))
    return codes, sums


def report(state: Lengths, context: AuditContext) -> SectionReport:
    """Quantiles, and texts that are far out."""
    findings: list[AuditFinding] = []
    by_task: dict[tuple[str, str], Sketch] = {}
    whole: dict[str, Sketch] = {}
    for (name, measure, *_), sketch in state.sketches():
        key = (name, measure)
        by_task[key] = by_task[key].merged(sketch) if key in by_task else sketch
        whole[measure] = whole[measure].merged(sketch) if measure in whole else sketch
        task = context.tasks.get(name)
        # Labels beside texts, and answers beside rationales, differ by nature.
        mixed = task is None or task.lists_options or task.card.get("cot")
        if measure == "input_chars" or (measure == "target_chars" and not mixed):
            findings += _outliers(name, measure, sketch)
    tasks: dict[str, dict[str, Any]] = {}
    for (name, measure), sketch in by_task.items():
        tasks.setdefault(name, {}).setdefault("lengths", {})[measure] = _figures(sketch)
    return SectionReport(
        facts={
            measure: {**_figures(sketch), "histogram": _histogram(sketch)}
            for measure, sketch in sorted(whole.items())
        },
        findings=findings,
        tasks=tasks,
    )


def _figures(sketch: Sketch) -> dict[str, Any]:
    return {
        "mean": round(sketch.total / sketch.count, 1),
        "min": sketch.shortest[0],
        **{f"p{round(100 * share)}": sketch.quantile(share) for share in QUANTILES},
        "max": sketch.longest[0],
        "total": sketch.total,
    }


def _histogram(sketch: Sketch) -> list[list[int]]:
    """Counts by powers of two: the smallest size of each bin, and how many texts are in it."""
    counts: Counter[int] = Counter()
    for number, count in sketch.bins.items():
        size = middle_of(number)
        counts[1 << (size.bit_length() - 1) if size else 0] += count
    return [[low, counts[low]] for low in sorted(counts)]


def _outliers(task: str, measure: str, sketch: Sketch) -> list[AuditFinding]:
    if sketch.count < FEWEST:
        return []
    median = max(1, sketch.quantile(0.5))
    spread = max(sketch.spread(), math.log(RATIO))
    findings = []
    for word, (size, record) in (("longest", sketch.longest), ("shortest", sketch.shortest)):
        distance = abs(math.log(max(1, size)) - math.log(median))
        if distance > FAR * spread and distance > math.log(MANY_TIMES):
            what = "prompt" if measure.startswith("input") else "target"
            findings.append(
                AuditFinding(
                    check="lengths/outlier",
                    task=task,
                    message=f"the {word} {what} has {size:,} characters; half of them have up to "
                    f"{median:,}",
                    count=1,
                    asked=median,
                    found=size,
                    evidence=(record,),
                )
            )
    return findings
