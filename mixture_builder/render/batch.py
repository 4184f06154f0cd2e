"""The examples of one task while they are rendered, and when they are finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from mixture_builder.draw import Bits, Indices, derive_seed, random_bits, random_bits_of
from mixture_builder.plan import TaskPlan
from mixture_builder.render.rows import Rows
from mixture_builder.style_pools import StylePools
from mixture_builder.styles import ExemplarLabels, Separator
from mixture_builder.templates import PromptTemplate

_DRAWN_FROM = ("options", "answer_index", "answers", "turns")
"""Fields that what is drawn for an example is drawn from."""

OWN_BITS = 40
"""Numbers of draws and rows are below two to this; which task they are of may stand above."""

CountTokens = Callable[[Sequence[str]], Sequence[int]]
"""How many tokens each of some texts has."""


class TooMuchTextError(Exception):
    """Texts of some draws come to more than one Arrow array may hold; fewer draws will do."""


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
      plan: the task's part of the mixture.
      template_names: ids of its templates, in the file's order.
      cell_codes: for each example the index of its cell in the plan.
      template_codes: for each example the index of its template.
      redraws: draws that took another row, each time with the reason.
      blocks: further examples, as `columnar_blocks.RenderedBlock`; they stand in no list.
    """

    plan: TaskPlan
    template_names: tuple[str, ...]
    draws: list[int] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    cell_codes: list[int] = field(default_factory=list)
    template_codes: list[int] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    exemplar_rows: list[list[int]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    redraws: list[tuple[int, str]] = field(default_factory=list)
    dropped: list[DroppedDraw] = field(default_factory=list)
    blocks: list[Any] = field(default_factory=list)

    @property
    def variants(self) -> list[str]:
        """Of the listed examples."""
        return [self.plan.cells[code].variant for code in self.cell_codes]

    @property
    def templates(self) -> list[str]:
        """Template ids of the listed examples."""
        return [self.template_names[code] for code in self.template_codes]

    @property
    def cells(self) -> Counter[str]:
        """How many examples each cell got, by its name; blocks are counted too."""
        codes = Counter(self.cell_codes)
        for block in self.blocks:
            codes.update(block.cells.tolist())
        return Counter({self.plan.cells[code].name: n for code, n in codes.items()})

    def add(self, further: RenderedExamples) -> None:
        """Takes further examples of the same task, and what went wrong with them."""
        for held in fields(self):
            values = getattr(self, held.name)
            if isinstance(values, list):
                values.extend(getattr(further, held.name))

    @property
    def redrawn(self) -> Counter[str]:
        """How often a draw took another row, by reason."""
        return Counter(reason for _, reason in self.redraws)


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskContext:
    """What rendering a task's examples needs.

    Attributes:
      plan: the task's part of the mixture.
      templates: its template set, in the file's order.
      styles: all pools.
      rows: its rows.
      seed: the task's own, derived from the recipe's.
      count_tokens: the tokens of each text, where the plan has limits in tokens.
      programs: how templates say its rows by columns; see `task_programs.said_by`.
      joined_seeds: those of several tasks whose queries are rendered together; see `joined_tasks`.
    """

    plan: TaskPlan
    templates: tuple[PromptTemplate, ...]
    styles: StylePools
    rows: Rows
    seed: int
    count_tokens: CountTokens | None = None
    programs: dict[int, Any] = field(default_factory=dict)
    joined_seeds: tuple[int, ...] = ()

    def bits(self, counters: Indices, purpose: str, *parts: str | int) -> Bits:
        """Random bits for draws, as `draw.random_bits` makes them of the task's seed."""
        if not self.joined_seeds:
            return random_bits(derive_seed(self.seed, purpose, *parts), counters)
        seeds = [derive_seed(seed, purpose, *parts) for seed in self.joined_seeds]
        owners = counters >> OWN_BITS
        return random_bits_of(
            np.asarray(seeds, dtype=np.uint64)[owners], counters - (owners << OWN_BITS)
        )

    def fields_for(self, said: Iterable[tuple[int, bool]]) -> tuple[str, ...]:
        """Fields that some templates read, and those that drawing needs.

        Templates that are not asked for are not even parsed: of a task with dozens of them a
        single record needs one.

        Args:
          said: indices of templates, and whether their few-shot texts are meant.
        """
        names = set(_DRAWN_FROM)
        for index, few_shot in said:
            template = self.templates[index]
            names |= template.names_for(few_shot=few_shot) | set(template.requires)
        return tuple(sorted(names & set(self.rows.fields)))


@dataclass(frozen=True, kw_only=True, slots=True)
class FewShotLayout:
    """What was put before a query.

    Attributes:
      exemplars: index of the template and of the row of each, in the order they are shown.
    """

    labels: ExemplarLabels
    separator: Separator
    exemplars: tuple[tuple[int, int], ...]


@dataclass(kw_only=True, slots=True)
class Batch:
    """One attempt at some draws, sorted by cell and template.

    Attributes:
      columns: values of fields and of what is drawn, by name, a value a draw.
      option_styles: number of the option style; -1 where options are not shown, and for
        tasks without options.
      inputs: prompts, or why there is none.
      targets: targets, or why there is none.
      layouts: place in the batch, and what was put before the query there.
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
    layouts: dict[int, FewShotLayout] = field(default_factory=dict)
    failures: dict[int, tuple[str, str]] = field(default_factory=dict)
    all_texts: bool = True

    def add_to(self, result: RenderedExamples, context: TaskContext, *, last: bool) -> None:
        """Moves what was rendered to the finished examples, and counts what was not.

        Args:
          result: of the task.
          context: of the task.
          last: whether failed draws are dropped rather than drawn again.
        """
        ids = context.rows.ids(self.rows).tolist()
        draws, templates = self.draws.tolist(), self.templates.tolist()
        columns: list[tuple[list[Any], list[Any]]] = [
            (result.draws, draws),
            (result.inputs, self.inputs),
            (result.targets, self.targets),
            (result.cell_codes, self.cells.tolist()),
            (result.template_codes, templates),
            (result.styles, self.styles),
            (result.exemplar_rows, self.exemplar_rows),
            (result.rows, ids),
        ]
        if self.failures:
            kept = [i for i in range(len(draws)) if i not in self.failures]
            columns = [(finished, [values[i] for i in kept]) for finished, values in columns]
        for finished, values in columns:
            finished.extend(values)
        for i, (reason, detail) in sorted(self.failures.items()):
            if not last:
                result.redraws.append((draws[i], reason))
                continue
            result.dropped.append(
                DroppedDraw(
                    task=context.plan.task,
                    draw=draws[i],
                    template=result.template_names[templates[i]],
                    row=ids[i],
                    reason=reason,
                    detail=detail,
                )
            )
