"""Held-out items in prompts and targets, as a model is trained on them: exemplars count too.

Items are looked for by the rules of `rows.held_out`, in the texts of records rather than in rows:
nothing is needed but the mixture, and what somebody has put into a file is seen.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from mixture_builder.audit.checks import from_hits
from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.hits import Hits, excerpt
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.rows.contamination import STRETCH_CHARS, Overlap, overlaps_in
from mixture_builder.audit.rows.held_out import HeldOutIndex, load_index
from mixture_builder.audit.view import ShardView
from mixture_builder.io.bounded_slices import bounded_slices

_RULES = {"ngram": "held_out/item", "whole": "held_out/item", "near": "held_out/near_copy"}

_ROWS = 4096


@dataclass(kw_only=True, slots=True)
class HeldOut:
    """Held-out items of some records.

    Attributes:
      hits: records that hold one.
      sets: records by held-out set and rule.
    """

    hits: Hits = field(default_factory=Hits)
    sets: Counter[tuple[str, str]] = field(default_factory=Counter)


@lru_cache(maxsize=1)
def _index(folder: str) -> HeldOutIndex:
    return load_index(Path(folder))


def observe(view: ShardView) -> HeldOut:
    """Looks through the texts of a stretch; not at all if there is nothing to look for."""
    state = HeldOut()
    if not view.context.held_out or not view.rows:
        return state
    index = _index(view.context.held_out)
    texts = view.table.select(["inputs", "targets"])
    found: dict[int, Overlap] = {}
    first = 0
    # What is made of a text takes many times its memory.
    for part in bounded_slices(texts, rows=_ROWS, size=STRETCH_CHARS):
        overlaps = overlaps_in(part, part.schema.names, index, near_share=view.context.near_share)
        found |= {first + row: overlap for row, overlap in overlaps.items()}
        first += part.num_rows
    for check in dict.fromkeys(_RULES.values()):
        rows = [row for row, overlap in found.items() if _RULES[overlap.rule] == check]
        shown = [_told(found[row]) for row in rows]
        view.hit(state.hits, check, np.asarray(rows, dtype=np.int64), texts=shown)
    state.sets.update((overlap.held_out, overlap.rule) for overlap in found.values())
    return state


def _told(overlap: Overlap) -> str:
    """The item, the rule, and the stretches of the record that say so."""
    spans = "; ".join(f"{s.field}[{s.start}:{s.end}] {s.text}" for s in overlap.spans)
    return excerpt(f"{overlap.item}, {overlap.rule} {overlap.share:.2f}: {spans}")


def merge(one: HeldOut, other: HeldOut) -> HeldOut:
    """What was found in both."""
    return HeldOut(hits=one.hits.merged(other.hits), sets=one.sets + other.sets)


def report(state: HeldOut, context: AuditContext) -> SectionReport:
    """Records that hold held-out items."""
    if not context.held_out:
        return SectionReport()
    index = _index(context.held_out)
    items = np.bincount(index.set_of, minlength=len(index.sets)).tolist()
    findings = from_hits(state.hits, "held_out/item", "{count} with a held-out item")
    findings += from_hits(
        state.hits, "held_out/near_copy", "{count} with what is nearly a held-out item"
    )
    return SectionReport(
        facts={
            name: {
                "items": count,
                "too_short": index.unchecked.get(name, 0),
                "records": {
                    rule: n for (s, rule), n in sorted(state.sets.items()) if s == name and n
                },
            }
            for name, count in zip(index.sets, items, strict=True)
        },
        findings=findings,
    )
