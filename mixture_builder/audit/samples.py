"""Which records are shown for a task: of each variant the one that a hash of its draw picks.

The choice follows from the draws alone, so it is the same however shards are read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.view import ShardView
from mixture_builder.draw import counted_order, derive_seed, random_bits
from mixture_builder.variants import VARIANTS

_SEED = derive_seed(0, "audit", "samples")


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Sample:
    """A record that is shown.

    Attributes:
      bits: of the hash; of one task and variant the smallest wins.
      shard: file below the mixture's folder.
      row: place in that file, from 0.
      draw: its number within its task.
    """

    bits: int
    shard: str
    row: int
    draw: int


@dataclass(kw_only=True, slots=True)
class Samples:
    """The records chosen so far, by task and variant."""

    chosen: dict[tuple[str, str], Sample] = field(default_factory=dict)


def observe(view: ShardView) -> Samples:
    """Chooses among the records of a stretch."""
    state = Samples()
    if not view.rows:
        return state
    groups = view.task_codes * len(view.variant_names) + view.variant_codes
    draws = view.draws
    bits = random_bits(_SEED, draws)
    order = counted_order(groups, len(view.task_names) * len(view.variant_names))
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    least = np.repeat(
        np.minimum.reduceat(bits[order], starts), np.diff(np.append(starts, view.rows))
    )
    chosen = order[bits[order] == least]
    # Of a draw that stands there twice, the first.
    _, firsts = np.unique(groups[chosen], return_index=True)
    for row in chosen[firsts].tolist():
        task, variant = divmod(int(groups[row]), len(view.variant_names))
        state.chosen[view.task_names[task], view.variant_names[variant]] = Sample(
            bits=int(bits[row]), shard=view.file, row=view.first_row + row, draw=int(draws[row])
        )
    return state


def merge(one: Samples, other: Samples) -> Samples:
    """Of each task and variant the one that wins."""
    chosen = dict(one.chosen)
    for key, sample in other.chosen.items():
        chosen[key] = min(chosen[key], sample) if key in chosen else sample
    return Samples(chosen=chosen)


def report(state: Samples, context: AuditContext) -> SectionReport:
    """Where the chosen records stand."""
    places: dict[str, list[dict[str, object]]] = {}
    order = {variant: place for place, variant in enumerate(VARIANTS)}
    ranked = sorted(state.chosen, key=lambda k: (k[0], order.get(k[1], len(order)), k[1]))
    for task, variant in ranked:
        if task in context.tasks:
            sample = state.chosen[task, variant]
            about = {"variant": variant, "shard": sample.shard, "row": sample.row}
            places.setdefault(task, []).append({**about, "draw": sample.draw})
    return SectionReport(tasks={task: {"samples": found} for task, found in places.items()})
