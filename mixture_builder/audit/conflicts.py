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

from mixture_builder.audit.checks import NOTE, AuditFinding
from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.text_column import Numbers
from mixture_builder.audit.view import ShardView
from mixture_builder.draw import Bits

SAMPLE = 1 << 19
"""Prompts with so many records are held: 20 bytes each."""

_ALL = 1 << 64

LABELLING_KINDS = frozenset(["classification", "multiple_choice"])
"""Kinds of which a prompt has one right target."""

SPARE = 1.1
"""So many times the records that are held are expected below the bound that is set beforehand."""


@dataclass(kw_only=True, slots=True)
class Hashes:
    """Some records as columns of one length.

    Attributes:
      prompts, targets: hashes of their texts.
      owners: twice the place of their task in the plan, and one more if the answer is predicted.
    """

    prompts: Bits
    targets: Bits
    owners: Numbers

    def __len__(self) -> int:
        return len(self.prompts)

    def select(self, chosen: Any) -> Hashes:
        """Some of them; `chosen` as numpy takes it."""
        return Hashes(
            prompts=self.prompts[chosen], targets=self.targets[chosen], owners=self.owners[chosen]
        )


@dataclass(kw_only=True, slots=True)
class Conflicts:
    """Hashes of the records of some prompts.

    Attributes:
      parts: of records, in any order.
      limit: prompts with this hash or a larger one do not count, and may be among them.
    """

    parts: tuple[Hashes, ...] = ()
    limit: int = _ALL

    @property
    def count(self) -> int:
        """Records in all parts."""
        return sum(map(len, self.parts))


_NONE = Hashes(
    prompts=np.zeros(0, dtype=np.uint64),
    targets=np.zeros(0, dtype=np.uint64),
    owners=np.zeros(0, dtype=np.int64),
)


def observe(view: ShardView) -> Conflicts:
    """Takes hashes of the texts of a stretch."""
    if not view.rows:
        return Conflicts()
    # What would be left out in the end is best left out at once.
    limit = int(_ALL * min(1.0, SPARE * SAMPLE / max(1, view.context.locked.plan.examples)))
    numbers = np.asarray([2 * task.number if task else -2 for task in view.tasks])
    records = Hashes(
        prompts=view.inputs.hashes,
        targets=view.targets.hashes,
        owners=(numbers[view.task_codes] + ~view.inverted).astype(np.int32),
    )
    return Conflicts(parts=(_below(records, limit),), limit=limit)


def _below(records: Hashes, limit: int) -> Hashes:
    if limit >= _ALL or not len(records) or int(records.prompts.max()) < limit:
        return records
    return records.select(records.prompts < np.uint64(limit))


def _smallest(state: Conflicts) -> Conflicts:
    """The sample alone, in one part."""
    parts = [_below(part, state.limit) for part in state.parts] or [_NONE]
    records = Hashes(
        prompts=np.concatenate([part.prompts for part in parts]),
        targets=np.concatenate([part.targets for part in parts]),
        owners=np.concatenate([part.owners for part in parts]),
    )
    limit = state.limit
    if len(records) > SAMPLE:
        # The first prompt that does not come in with all its records is left out.
        limit = int(np.partition(records.prompts, SAMPLE)[SAMPLE])
        records = _below(records, limit)
    return Conflicts(parts=(records,), limit=limit)


def merge(one: Conflicts, other: Conflicts) -> Conflicts:
    """The prompts of both, as far as they are held."""
    both = Conflicts(parts=(*one.parts, *other.parts), limit=min(one.limit, other.limit))
    # Now and then is enough: what a sample leaves out is never in one of more records.
    return _smallest(both) if both.count > 2 * SAMPLE else both


def _contradicting(records: Hashes) -> Hashes:
    """Records of prompts that come with several targets, prompt by prompt; few do."""
    if not len(records):
        return records
    order = np.argsort(records.prompts)
    prompts, targets = records.prompts[order], records.targets[order]
    starts = np.flatnonzero(np.append(True, prompts[1:] != prompts[:-1]))
    sizes = np.diff(np.append(starts, len(order)))
    differ = np.logical_or.reduceat(targets != np.repeat(targets[starts], sizes), starts)
    return records.select(order[np.repeat(differ, sizes)])


def report(state: Conflicts, context: AuditContext) -> SectionReport:
    """Prompts of which records differ in their target, by task."""
    state = _smallest(state)
    (held,) = state.parts
    found = _contradicting(held)
    records = found.select(np.lexsort((found.owners, found.targets, found.prompts)))
    names = list(context.tasks)
    share = min(1.0, state.limit / _ALL)
    prompts: Counter[str] = Counter()
    if len(records):
        asked, tasks = records.prompts, records.owners >> 1
        differ = (asked[1:] == asked[:-1]) & (records.targets[1:] != records.targets[:-1])
        differ &= (tasks[1:] == tasks[:-1]) & (records.owners[1:] % 2 == 1)
        places = np.flatnonzero(differ) + 1
        numbers = np.cumsum(np.append(False, asked[1:] != asked[:-1]))[places]
        # Each task counts once for each prompt; what is not planned has -1 for a task.
        pairs = np.unique(numbers * (len(names) + 1) + tasks[places] + 1)
        counts = np.bincount(pairs % (len(names) + 1), minlength=len(names) + 1)[1:]
        prompts.update({name: int(n) for name, n in zip(names, counts, strict=True) if n})
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
