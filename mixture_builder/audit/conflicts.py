"""The same prompt with different targets.

All prompts cannot be held, so those with the smallest hashes are: a bottom-k sample (Cohen and
Kaplan, 2007). A prompt is in it with all its records or not at all, so what the sample says of
prompts holds for the mixture. Mixtures of up to `SAMPLE` records are looked at in full.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mixture_builder.audit.checks import NOTE, AuditFinding
from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.view import ShardView

SAMPLE = 1 << 19
"""Prompts with so many records are held: 24 bytes each."""

LABELLING_KINDS = frozenset(["classification", "multiple_choice"])
"""Kinds of which a prompt has one right target."""

_RECORD = np.dtype([("prompt", "<u8"), ("target", "<u8"), ("task", "<i4"), ("direct", "?")])


@dataclass(kw_only=True, slots=True)
class Conflicts:
    """Hashes of the records of some prompts.

    Attributes:
      parts: of records, in any order; tasks are places in the plan.
      limit: prompts with this hash or a larger one do not count, and may be among them.
    """

    parts: tuple[npt.NDArray[Any], ...] = ()
    limit: int = 1 << 64

    @property
    def count(self) -> int:
        """Records in all parts."""
        return sum(map(len, self.parts))


def observe(view: ShardView) -> Conflicts:
    """Takes hashes of the texts of a stretch."""
    if not view.rows:
        return Conflicts()
    records = np.zeros(view.rows, dtype=_RECORD)
    records["prompt"] = view.inputs.hashes
    records["target"] = view.targets.hashes
    numbers = [task.number if task else -1 for task in view.tasks]
    records["task"] = np.asarray(numbers, dtype=np.int32)[view.task_codes]
    records["direct"] = ~view.inverted
    return Conflicts(parts=(records,))


def _smallest(state: Conflicts) -> Conflicts:
    """The sample alone, in one part."""
    records = np.concatenate([np.zeros(0, dtype=_RECORD), *state.parts])
    limit = state.limit
    if limit < 1 << 64:
        records = records[records["prompt"] < np.uint64(limit)]
    if len(records) > SAMPLE:
        # The first prompt that does not come in with all its records is left out.
        limit = int(np.partition(records["prompt"], SAMPLE)[SAMPLE])
        records = records[records["prompt"] < np.uint64(limit)]
    return Conflicts(parts=(records,), limit=limit)


def merge(one: Conflicts, other: Conflicts) -> Conflicts:
    """The prompts of both, as far as they are held."""
    both = Conflicts(parts=(*one.parts, *other.parts), limit=min(one.limit, other.limit))
    # Now and then is enough: what a sample leaves out is never in one of more records.
    return _smallest(both) if both.count > 2 * SAMPLE else both


def _contradicting(records: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Records of prompts that come with several targets; few do."""
    if not len(records):
        return records
    # Column by column: of records, a field is taken at several times the price.
    prompts, targets = (np.ascontiguousarray(records[name]) for name in ("prompt", "target"))
    order = np.argsort(prompts)
    prompts, targets = prompts[order], targets[order]
    starts = np.flatnonzero(np.append(True, prompts[1:] != prompts[:-1]))
    differ = np.minimum.reduceat(targets, starts) != np.maximum.reduceat(targets, starts)
    found: npt.NDArray[Any] = records[
        order[np.repeat(differ, np.diff(np.append(starts, len(order))))]
    ]
    return found


def report(state: Conflicts, context: AuditContext) -> SectionReport:
    """Prompts of which records differ in their target, by task."""
    state = _smallest(state)
    (held,) = state.parts
    found = _contradicting(held)
    # By columns: sorting records by several fields takes many times as long.
    records = found[np.lexsort((found["task"], found["target"], found["prompt"]))]
    names = list(context.tasks)
    share = min(1.0, state.limit / (1 << 64))
    prompts: Counter[str] = Counter()
    if len(records):
        same = records["prompt"][1:] == records["prompt"][:-1]
        differ = same & (records["target"][1:] != records["target"][:-1])
        alike = differ & (records["task"][1:] == records["task"][:-1]) & records["direct"][1:]
        places = np.flatnonzero(alike) + 1
        pairs = np.unique(
            np.stack([records["prompt"][places].view(np.int64), records["task"][places]]), axis=1
        )
        for number in pairs[1].tolist():
            if number >= 0:
                prompts[names[number]] += 1
    findings = []
    for name, count in sorted(prompts.items()):
        task = context.tasks[name]
        strict = task.lists_options or task.kind in LABELLING_KINDS
        if not strict:
            continue
        findings.append(
            AuditFinding(
                check="text/different_targets",
                task=name,
                message=f"{count:,} prompts come with different targets"
                + ("" if share == 1.0 else f", in a sample of {share:.1%} of all prompts"),
                count=count,
                severity=None if count >= 0.01 * task.plan.quota * share else NOTE,
            )
        )
    return SectionReport(
        facts={"sample": round(share, 6), "records": len(held)},
        findings=findings,
        tasks={name: {"prompts_with_different_targets": n} for name, n in sorted(prompts.items())},
    )
