"""The examples of one task while they are rendered, and when they are finished."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixture_builder.draw import Indices
from mixture_builder.plan import TaskPlan
from mixture_builder.render.rows import Rows
from mixture_builder.style_pools import StylePools
from mixture_builder.templates import PromptTemplate


@dataclass(frozen=True, kw_only=True, slots=True)
class DroppedDraw:
    """A draw for which no row could be rendered, with the last reason and detail."""

    task: str
    draw: int
    template: str
    row: int
    reason: str
    detail: str


@dataclass(kw_only=True, slots=True)
class RenderedExamples:
    """Examples of one task, in lists of one length, and what went wrong on the way.

    Attributes:
      cells: how many examples each cell got, by its name.
      redrawn: how often a draw took another row, by reason.
      blocks: further examples, as `columnar.RenderedBlock`; they stand in no list.
    """

    task: str
    submixture: str
    draws: list[int] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    variants: list[str] = field(default_factory=list)
    templates: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    exemplar_rows: list[list[int]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    cells: Counter[str] = field(default_factory=Counter)
    redrawn: Counter[str] = field(default_factory=Counter)
    dropped: list[DroppedDraw] = field(default_factory=list)
    blocks: list[Any] = field(default_factory=list)

    def count_cells(self, plan: TaskPlan, cells: Indices) -> None:
        """Adds finished examples to `cells`, given the index of the cell of each."""
        counts = np.bincount(cells, minlength=len(plan.cells)).tolist()
        for cell, count in zip(plan.cells, counts, strict=True):
            if count:
                self.cells[cell.name] += count


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskContext:
    """What rendering a task's examples needs.

    Attributes:
      plan: the task's part of the mixture.
      templates: its template set, in the file's order.
      styles: all pools.
      rows: its rows.
      seed: the task's own, derived from the recipe's.
      fields: those that any of its templates reads.
    """

    plan: TaskPlan
    templates: tuple[PromptTemplate, ...]
    styles: StylePools
    rows: Rows
    seed: int
    fields: tuple[str, ...]


@dataclass(kw_only=True, slots=True)
class Batch:
    """One attempt at some draws, sorted by cell and template.

    Attributes:
      columns: values of fields and of what is drawn, by name, a value a draw.
      option_styles: number of the option style; -1 where options are not shown, and for
        tasks without options.
      inputs: prompts, or why there is none.
      targets: targets, or why there is none.
      failures: place in the batch, and reason and detail.
      all_texts: whether no prompt and no target is an error.
    """

    draws: Indices
    attempt: int
    cells: Indices
    templates: Indices
    rows: Indices
    columns: dict[str, list[Any]]
    styles: list[str]
    option_styles: list[int]
    inputs: list[str | Exception] = field(default_factory=list)
    targets: list[str | Exception] = field(default_factory=list)
    exemplar_rows: list[list[int]] = field(default_factory=list)
    failures: dict[int, tuple[str, str]] = field(default_factory=dict)
    all_texts: bool = True

    def add_to(self, result: RenderedExamples, context: TaskContext, *, last: bool) -> None:
        """Moves what was rendered to the finished examples, and counts what was not.

        Args:
          result: of the task.
          context: of the task.
          last: whether failed draws are dropped rather than drawn again.
        """
        plan = context.plan
        ids = context.rows.ids(self.rows).tolist()
        variants = [cell.variant for cell in plan.cells]
        names = [t.id for t in context.templates]
        draws, templates = self.draws.tolist(), self.templates.tolist()
        cells = self.cells
        columns: list[tuple[list[Any], list[Any]]] = [
            (result.draws, draws),
            (result.inputs, self.inputs),
            (result.targets, self.targets),
            (result.variants, [variants[c] for c in cells.tolist()]),
            (result.templates, [names[t] for t in templates]),
            (result.styles, self.styles),
            (result.exemplar_rows, self.exemplar_rows),
            (result.rows, ids),
        ]
        if self.failures:
            kept = [i for i in range(len(draws)) if i not in self.failures]
            columns = [(finished, [values[i] for i in kept]) for finished, values in columns]
            cells = cells[kept]
        for finished, values in columns:
            finished.extend(values)
        result.count_cells(plan, cells)
        for i, (reason, detail) in sorted(self.failures.items()):
            if not last:
                result.redrawn[reason] += 1
                continue
            result.dropped.append(
                DroppedDraw(
                    task=plan.task,
                    draw=draws[i],
                    template=names[templates[i]],
                    row=ids[i],
                    reason=reason,
                    detail=detail,
                )
            )
