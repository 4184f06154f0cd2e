"""How long prompts and targets are: quantiles of each task from a sketch, and what lies far out.

Sizes are counted in bins whose borders grow by a tenth of a tenth, as in DDSketch (Masson,
Rim and Lee, 2019): a quantile is right to one per cent, whatever the order of records.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mixture_builder.audit.checks import AuditFinding
from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.hits import Evidence
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.text_column import Numbers
from mixture_builder.audit.view import ShardView
from mixture_builder.draw import counted_order, distinct
from mixture_builder.io.tokenizer import load_tokenizer

RATIO = 1.02
"""Of the borders of neighbouring bins: values in a bin are within one per cent of its middle."""

FAR, MANY_TIMES, FEWEST = 10.0, 20.0, 50
"""A size is far out if it lies so many robust standard deviations from the median, in logarithms,
and is so many times the median or a fraction of it; in tasks of so many records."""

QUANTILES = (0.01, 0.05, 0.5, 0.95, 0.99)

Key = tuple[str, str, bool, bool]
"""A task, what is measured (`input_chars`, `target_chars`, `input_tokens`, ...), whether prompts
are few-shot, and whether templates are inverted: these swap the long text and the short one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sketch:
    """Sizes of some texts.

    Attributes:
      bins: how many fall in each bin; -1 is for 0.
      count: texts.
      total: of all sizes.
      shortest, longest: with their records.
    """

    bins: Mapping[int, int]
    count: int
    total: int
    shortest: tuple[int, Evidence]
    longest: tuple[int, Evidence]

    def merged(self, other: Sketch) -> Sketch:
        """The sizes of both."""
        bins = dict(self.bins)
        for number, count in other.bins.items():
            bins[number] = bins.get(number, 0) + count
        return Sketch(
            bins=bins,
            count=self.count + other.count,
            total=self.total + other.total,
            shortest=min(self.shortest, other.shortest),
            longest=min(self.longest, other.longest, key=lambda found: (-found[0], found[1])),
        )

    def quantile(self, share: float) -> int:
        """The size below which a share of the texts lie, to one per cent."""
        rank = share * (self.count - 1)
        seen = 0
        for number, count in sorted(self.bins.items()):
            seen += count
            if seen > rank:
                return max(self.shortest[0], min(self.longest[0], _middle(number)))
        return self.longest[0]

    def spread(self) -> float:
        """A robust standard deviation of logarithms: 1.4826 times the median distance."""
        median = math.log(max(1, self.quantile(0.5)))
        distances = sorted(
            (abs(math.log(max(1, _middle(number))) - median), count)
            for number, count in self.bins.items()
        )
        seen = 0
        for distance, count in distances:
            seen += count
            if 2 * seen >= self.count:
                return 1.4826 * distance
        return 0.0


def _middle(number: int) -> int:
    return 0 if number < 0 else round(RATIO ** (number + 0.5))


@dataclass(kw_only=True, slots=True)
class Lengths:
    """Sketches by task and measure."""

    sketches: dict[Key, Sketch] = field(default_factory=dict)


def observe(view: ShardView) -> Lengths:
    """Measures the texts of a stretch."""
    state = Lengths()
    if not view.rows:
        return state
    groups = _groups(view)
    order = counted_order(groups, 4 * len(view.task_names))
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    for name, column in (("input", view.inputs), ("target", view.targets)):
        _add(state, view, f"{name}_chars", column.lengths, groups, order, starts)
        if view.context.tokenizer:
            tokenizer = load_tokenizer(view.context.tokenizer)
            counts = tokenizer.encode(view.table.column(f"{name}s")).lengths
            _add(state, view, f"{name}_tokens", counts, groups, order, starts)
    return state


def _groups(view: ShardView) -> Numbers:
    groups: Numbers = 4 * view.task_codes + 2 * view.few_shot + view.inverted
    return groups


def _add(
    state: Lengths,
    view: ShardView,
    measure: str,
    sizes: npt.NDArray[Any],
    groups: Numbers,
    order: Numbers,
    starts: Numbers,
) -> None:
    bins = np.full(len(sizes), -1, dtype=np.int64)
    some = sizes > 0
    bins[some] = np.floor(np.log(sizes[some]) / math.log(RATIO)).astype(np.int64)
    width = int(bins.max()) + 2
    codes = groups * width + bins + 1
    different, places = distinct(codes)
    counts = np.bincount(places)
    counted: dict[int, dict[int, int]] = {}
    for code, count in zip(different.tolist(), counts.tolist(), strict=True):
        group, number = divmod(code, width)
        counted.setdefault(group, {})[number - 1] = count
    ends = np.append(starts[1:], len(order))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        rows = order[start:end]
        mine = sizes[rows]
        group = int(groups[rows[0]])
        task, sort = divmod(group, 4)
        low, high = int(rows[mine.argmin()]), int(rows[mine.argmax()])
        shown = view.inputs if measure.startswith("input") else view.targets
        state.sketches[view.task_names[task], measure, bool(sort & 2), bool(sort & 1)] = Sketch(
            bins=counted[group],
            count=len(rows),
            total=int(mine.sum()),
            shortest=(int(sizes[low]), view.evidence(low, shown.text(low))),
            longest=(int(sizes[high]), view.evidence(high, shown.text(high))),
        )


def merge(one: Lengths, other: Lengths) -> Lengths:
    """The sizes of both."""
    sketches = dict(one.sketches)
    for key, sketch in other.sketches.items():
        sketches[key] = sketches[key].merged(sketch) if key in sketches else sketch
    return Lengths(sketches=sketches)


def report(state: Lengths, context: AuditContext) -> SectionReport:
    """Quantiles, and texts that are far out."""
    findings: list[AuditFinding] = []
    by_task: dict[tuple[str, str], Sketch] = {}
    whole: dict[str, Sketch] = {}
    for (name, measure, *_), sketch in sorted(state.sketches.items(), key=lambda item: item[0]):
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
        size = _middle(number)
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
