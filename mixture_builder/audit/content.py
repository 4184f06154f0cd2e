"""Records held against what their rows give: each is rendered anew from its draw, and compared.

Only so is found what a text does not show: a label that is wrong but stands for an option that is
listed, an answer of another row. Small mixtures are compared whole; of larger ones some records of
every task, so that time grows with the number of tasks only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mixture_builder.audit.checks import from_hits
from mixture_builder.audit.context import AuditContext, AuditedTask
from mixture_builder.audit.hits import Hits
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.view import Numbers, ShardView
from mixture_builder.draw import derive_seed
from mixture_builder.io.remote_store import store_folder
from mixture_builder.jobs.build import task_renderer

WHOLE = 10_000
"""Mixtures of up to so many examples are compared whole."""

SAMPLE = 16
"""Of a task of a larger one, records of one shard that are compared, at most in a stretch."""

_COLUMNS = ("inputs", "targets", "variant", "template_id", "style", "exemplar_rows", "row")


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
    """Renders records of a stretch anew; none if the store does not hold their rows."""
    state = Content()
    context = view.context
    if not context.built or not context.store:
        return state
    for code, task in enumerate(view.tasks):
        if task is None or not _is_looked_at(task, view):
            continue
        rows = np.flatnonzero(view.task_codes == code)
        if context.locked.plan.examples > WHOLE:
            rows = rows[:SAMPLE]
        state.compared += len(rows)
        wrong = _different(view, task, rows)
        view.hit(state.hits, CHECK, wrong, column="targets")
    return state


CHECK = "content/not_as_rendered"


def _is_looked_at(task: AuditedTask, view: ShardView) -> bool:
    """Whether a shard is the one in which a task is compared: its rows are opened only there."""
    context = view.context
    if context.locked.plan.examples <= WHOLE:
        return True
    shard = derive_seed(context.locked.plan.seed, "audited shard", task.plan.task) % context.shards
    return view.file == context.shard_file(shard)


def _different(view: ShardView, task: AuditedTask, rows: Numbers) -> list[int]:
    table = view.table.select(["draw", *_COLUMNS]).take(rows)
    columns = [table.column(name).to_pylist() for name in table.schema.names]
    records = list(zip(*columns, strict=True))
    # Draws that the plan does not have are a finding of another check.
    draws = {record[0] for record in records if 0 <= record[0] < task.plan.quota}
    context = view.context
    renderer = task_renderer(context.locked, task.plan, store=store_folder(context.store))
    # One by one, not by columns as a build does: two ways that must agree.
    rendered = renderer.render(sorted(draws))
    expected = {
        line[0]: line
        for line in zip(
            rendered.draws,
            rendered.inputs,
            rendered.targets,
            rendered.variants,
            (rendered.template_names[code] for code in rendered.template_codes),
            rendered.styles,
            map(list, rendered.exemplar_rows),
            rendered.rows,
            strict=True,
        )
    }
    return [
        row
        for row, record in zip(rows.tolist(), records, strict=True)
        if record[0] in draws and expected.get(record[0]) != record
    ]


def merge(one: Content, other: Content) -> Content:
    """What was compared of both."""
    return Content(hits=one.hits.merged(other.hits), compared=one.compared + other.compared)


def report(state: Content, _context: AuditContext) -> SectionReport:
    """Records that are not what their rows give."""
    return SectionReport(
        facts={"compared": state.compared},
        findings=from_hits(state.hits, CHECK, "{count} that the rows do not give"),
    )
