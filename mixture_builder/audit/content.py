"""Records held against what their rows give, all of them: see `given`.

Only so is found what a text does not show: a label that is wrong but stands for an option that is
listed, an answer of another row.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mixture_builder.audit.checks import from_hits
from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.hits import Hits
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.view import ShardView

CHECK = "content/not_as_rendered"


@dataclass(kw_only=True, slots=True)
class Content:
    """What was compared.

    Attributes:
      hits: records that are not what their draws give.
      compared: records.
    """

    hits: Hits = field(default_factory=Hits)
    compared: int = 0


def observe(view: ShardView) -> Content:
    """Notes records of a stretch that are others than given; none if nothing is given."""
    state = Content()
    if view.given is not None:
        state.compared = int(np.count_nonzero(view.given.compared))
        wrong = np.flatnonzero(view.given.compared & ~view.given.same)
        view.hit(state.hits, CHECK, wrong, column="targets")
    return state


def merge(one: Content, other: Content) -> Content:
    """What was compared of both."""
    return Content(hits=one.hits.merged(other.hits), compared=one.compared + other.compared)


def report(state: Content, _context: AuditContext) -> SectionReport:
    """Records that are not what their rows give."""
    return SectionReport(
        facts={"compared": state.compared},
        findings=from_hits(state.hits, CHECK, "{count} that the rows do not give"),
    )
