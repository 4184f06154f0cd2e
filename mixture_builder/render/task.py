"""Renders the examples of one task: draws in, prompts and targets out.

Draws are sorted by cell and template, so that each template is rendered once over lists of
rows. What cannot be rendered (an error, an empty text, a text over the budget, no exemplar
that is allowed) is drawn again with another row, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mixture_builder.dealing import deal
from mixture_builder.draw import Indices, below, derive_seed, distinct, drawn_rows, random_bits
from mixture_builder.plan import TaskPlan
from mixture_builder.render.at_once import render_in_parts
from mixture_builder.render.batch import (
    Batch,
    CountTokens,
    DroppedDraw,
    RenderedExamples,
    TaskContext,
)
from mixture_builder.render.drawn import DrawnColumns
from mixture_builder.render.few_shot import FewShot
from mixture_builder.render.pairs import check_queries, render_queries, uses_few_shot_texts
from mixture_builder.render.parts import ExampleParts, parts_of_batch
from mixture_builder.render.rows import Rows
from mixture_builder.render.walks import TemplateWalks
from mixture_builder.style_pools import StylePools
from mixture_builder.templates import PromptTemplate

if TYPE_CHECKING:
    from mixture_builder.render.columnar_blocks import Asked, Queries, RenderedBlock
    from mixture_builder.render.columnar_options import OptionPieces

__all__ = ["MAX_REDRAWS", "DroppedDraw", "RenderedExamples", "TaskRenderer"]

Chosen = tuple[int, int, int]
"""Index of a cell, of a template that serves it, and of a row."""

MAX_REDRAWS = 8
"""A draw that fails so many times more is dropped, with the last reason."""


class TaskRenderer:
    """Renders any draws of one task; what it keeps of them grows until `forget` is called.

    Args:
      plan: the task's part of the mixture.
      templates: its template set, in the file's order.
      styles: all pools.
      rows: its rows.
      seed: the recipe's seed.
      count_tokens: the tokens of each text; needed where the plan has limits in tokens.
    """

    def __init__(
        self,
        plan: TaskPlan,
        *,
        templates: Sequence[PromptTemplate],
        styles: StylePools,
        rows: Rows,
        seed: int,
        count_tokens: CountTokens | None = None,
    ) -> None:
        limits = plan.settings
        if not limits.input_tokens and not limits.target_tokens:
            count_tokens = None
        elif count_tokens is None:
            raise ValueError("the plan has limits in tokens, and there is nothing to count them by")
        self._context = TaskContext(
            plan=plan,
            templates=tuple(templates),
            styles=styles,
            rows=rows,
            seed=derive_seed(seed, "task", plan.task),
            count_tokens=count_tokens,
        )
        self._drawn = DrawnColumns(self._context)
        self._walks = TemplateWalks(plan.cells, seed=self._context.seed)
        self._few_shot = FewShot(self._context, self._drawn)

    def forget(self) -> None:
        """Gives back what has been kept of draws, and pages of rows; the rest stays for others."""
        self._few_shot.forget()
        self._context.rows.forget()

    @property
    def context(self) -> TaskContext:
        """What rendering the task needs."""
        return self._context

    @property
    def plan(self) -> TaskPlan:
        """The task's part of the mixture."""
        return self._context.plan

    def render(self, draws: Iterable[int] | Indices) -> RenderedExamples:
        """Renders draws; what comes back stands in an order of no meaning.

        Every draw is either among the examples or among the dropped ones.
        """
        return self._in_parts(_as_numbers(draws), self._rendered)

    def render_in_parts(
        self, draws: Iterable[int] | Indices
    ) -> tuple[RenderedExamples, dict[int, ExampleParts]]:
        """As `render`, and the parts of each example by its draw; slower."""
        parts: dict[int, ExampleParts] = {}
        return self._rendered(draws, parts), parts

    def render_chosen(
        self, chosen: Sequence[Chosen]
    ) -> tuple[RenderedExamples, dict[int, ExampleParts]]:
        """Examples of rows, templates and cells that are given, not drawn, with their parts.

        The place of a choice stands for its draw, from 0. Nothing is drawn again: what cannot be
        rendered, or lacks a field that its template requires, is dropped.
        """
        result, parts = self._nothing(), dict[int, ExampleParts]()
        if chosen:
            cells, templates, rows = np.asarray(chosen, dtype=np.int64).T
            draws = np.arange(len(chosen))
            batch = self._batch(draws, 0, cells=cells, templates=templates, rows=rows)
            parts.update(parts_of_batch(self._context, self._drawn, batch))
            batch.add_to(result, self._context, last=True)
        return result, parts

    def templates_of(self, draws: Iterable[int] | Indices) -> Indices:
        """The index of the template of each draw, as far as no draw fails."""
        numbers = _as_numbers(draws)
        cells, templates = self._cells_and_templates(numbers)
        return self._with_required_fields(templates, cells, self._rows(numbers, 0))

    def _nothing(self) -> RenderedExamples:
        context = self._context
        names = tuple(t.id for t in context.templates)
        return RenderedExamples(plan=context.plan, template_names=names)

    def _rendered(
        self, draws: Iterable[int] | Indices, parts: dict[int, ExampleParts] | None = None
    ) -> RenderedExamples:
        """Renders draws; fills `parts` if they are asked for."""
        result = self._nothing()
        pending = _as_numbers(draws)
        for attempt in range(MAX_REDRAWS + 1):
            if not len(pending):
                break
            batch = self._attempt(pending, attempt)
            if parts is not None:
                parts.update(parts_of_batch(self._context, self._drawn, batch))
            batch.add_to(result, self._context, last=attempt == MAX_REDRAWS)
            pending = batch.draws[sorted(batch.failures)]
        return result

    def render_blocks(
        self, draws: Iterable[int] | Indices, pieces: OptionPieces
    ) -> RenderedExamples:
        """The same examples as `render`, as many of them as can be by columns in `blocks`.

        Args:
          draws: as for `render`.
          pieces: of the styles the renderer was made with.
        """

        def by_columns(numbers: Indices) -> RenderedExamples:
            return self._by_columns(numbers, pieces)

        if not hasattr(self._context.rows, "arrays"):
            return self.render(draws)
        return self._in_parts(_as_numbers(draws), by_columns)

    def _in_parts(
        self, draws: Indices, render: Callable[[Indices], RenderedExamples]
    ) -> RenderedExamples:
        return render_in_parts(
            self._context, draws, nothing=self._nothing, render=render, one=self._rendered
        )

    def _by_columns(self, numbers: Indices, pieces: OptionPieces) -> RenderedExamples:
        # Previews render without Arrow, and start the faster for it.
        from mixture_builder.render.columnar import render_queries as render_by_columns

        asked = self.asked(numbers)
        queries = render_by_columns(self._context, pieces, asked)
        return self.finished(numbers, queries, pieces)

    def asked(self, numbers: Indices) -> Asked:
        """What some draws ask for, as far as it may be rendered by columns."""
        from mixture_builder.render.columnar import lacks_required
        from mixture_builder.render.columnar_blocks import Asked

        context = self._context
        cells, templates = self._cells_and_templates(numbers)
        few_shot = np.asarray([c.few_shot for c in context.plan.cells])
        rows = self._rows(numbers, 0)
        able = ~few_shot[cells] | self._exemplars_by_columns()[cells]
        lacking = np.flatnonzero(able & lacks_required(context, templates, rows))
        if len(lacking):
            templates[lacking] = self._with_required_fields(
                templates[lacking], cells[lacking], rows[lacking]
            )
            able[lacking] = ~lacks_required(context, templates[lacking], rows[lacking])
        whole = Asked(draws=numbers, cells=cells, templates=templates, rows=rows)
        return whole if able.all() else whole.select(np.flatnonzero(able))

    def finished(
        self, numbers: Indices, queries: Queries | None, pieces: OptionPieces
    ) -> RenderedExamples:
        """The examples of some draws, of which some queries are rendered.

        Args:
          numbers: the draws.
          queries: of any of them.
          pieces: as for `render_blocks`.
        """
        from mixture_builder.render.columnar_few_shot import with_exemplars

        if queries is None:
            return self._rendered(numbers)
        context = self._context
        shown = np.asarray([c.few_shot for c in context.plan.cells])[queries.cells]
        blocks = []
        if not shown.any():
            blocks.append(queries.finished(context))
        else:
            if not shown.all():
                blocks.append(queries.select(np.flatnonzero(~shown)).finished(context))
            asking = queries.select(np.flatnonzero(shown))
            block = with_exemplars(context, self._few_shot, pieces, asking)
            if block is not None:
                blocks.append(block)
        blocks = [self._within_tokens(block) for block in blocks]
        result = self._rendered(_others(numbers, [block.draws for block in blocks]))
        result.blocks.extend(blocks)
        return result

    def _within_tokens(self, block: RenderedBlock) -> RenderedBlock:
        """A block without the examples that have too many tokens; those are rendered again."""
        count, limits = self._context.count_tokens, self._context.plan.settings
        if count is None:
            return block
        over = np.zeros(len(block.draws), dtype=bool)
        budgets = ((block.inputs, limits.input_tokens), (block.targets, limits.target_tokens))
        for texts, limit in budgets:
            if limit:
                over |= np.asarray(count(texts.to_pylist()), dtype=np.int64) > limit
        return block.without(np.flatnonzero(over)) if over.any() else block

    def _exemplars_by_columns(self) -> npt.NDArray[np.bool_]:
        """For each cell whether its few-shot prompts can be made by columns at all."""
        plan = self._context.plan
        return np.asarray(
            [bool(plan.pool) and uses_few_shot_texts(plan, i) for i in range(len(plan.cells))]
        )

    def _attempt(self, draws: Indices, attempt: int) -> Batch:
        cells, templates = self._cells_and_templates(draws)
        rows = self._rows(draws, attempt)
        templates = self._with_required_fields(templates, cells, rows)
        return self._batch(draws, attempt, cells=cells, templates=templates, rows=rows)

    def _batch(
        self, draws: Indices, attempt: int, *, cells: Indices, templates: Indices, rows: Indices
    ) -> Batch:
        context = self._context
        order = np.lexsort((draws, templates, cells))
        said = {
            (template, uses_few_shot_texts(context.plan, cell))
            for cell, template in set(zip(cells.tolist(), templates.tolist(), strict=True))
        }
        batch = Batch(
            draws=draws[order],
            attempt=attempt,
            cells=cells[order],
            templates=templates[order],
            rows=rows[order],
            columns=context.rows.columns(context.fields_for(said), rows[order]),
            styles=[""] * len(draws),
            option_styles=[-1] * len(draws),
            exemplar_rows=[[]] * len(draws),
        )
        self._drawn.add_to_queries(batch)
        render_queries(context, batch)
        check_queries(context, batch)
        self._few_shot.add_exemplars(batch)
        return batch

    def _cells_and_templates(self, draws: Indices) -> tuple[Indices, Indices]:
        """What each draw serves, and the template it is said with."""
        plan = self._context.plan
        cells, ordinals = deal([c.weight for c in plan.cells], [c.quota for c in plan.cells], draws)
        templates = np.zeros_like(cells)
        for index, cell in enumerate(plan.cells):
            chosen = cells == index
            if cell.quota:
                templates[chosen] = self._walks.templates(index, ordinals[chosen])
        return cells, templates

    def _rows(self, draws: Indices, attempt: int) -> Indices:
        """The row of each draw; after the first attempt any row, for want of a better one."""
        plan, seed = self._context.plan, self._context.seed
        if attempt == 0:
            rows = drawn_rows(derive_seed(seed, "rows"), plan.query_rows, draws)
        else:
            rows = below(random_bits(derive_seed(seed, "redraw", attempt), draws), plan.query_rows)
        chosen: Indices = rows + plan.first_query
        return chosen

    def _with_required_fields(self, templates: Indices, cells: Indices, rows: Indices) -> Indices:
        """Moves draws off templates whose required fields are empty for the row."""
        context = self._context
        demanding = [i for i, t in enumerate(context.templates) if t.requires]
        affected = np.flatnonzero(np.isin(templates, demanding))
        if not len(affected):
            return templates
        names = sorted({n for i in demanding for n in context.templates[i].requires})
        columns = context.rows.columns(names, rows[affected])
        # Of many draws few differ in what matters here.
        kinds = cells[affected] * len(context.templates) + templates[affected]
        for name in names:
            there = np.asarray([bool(value) for value in columns[name]])
            kinds = distinct(2 * kinds + there)[1]
        firsts = np.unique(kinds, return_index=True)[1].tolist()
        moved = [
            self._with_fields_there(
                int(templates[affected[at]]),
                int(cells[affected[at]]),
                {name for name in names if columns[name][at]},
            )
            for at in firsts
        ]
        result: Indices = templates.copy()
        result[affected] = np.asarray(moved)[kinds]
        return result

    def _with_fields_there(self, template: int, cell: int, there: set[str]) -> int:
        """The template of a draw whose row has some of the required fields."""
        context = self._context
        if there.issuperset(context.templates[template].requires):
            return template
        allowed = [
            i
            for i in context.plan.cells[cell].templates
            if there.issuperset(context.templates[i].requires)
        ]
        # The next in the file's order, so that neighbours do not all move to one.
        return allowed[template % len(allowed)] if allowed else template


def _as_numbers(draws: Iterable[int] | Indices) -> Indices:
    if isinstance(draws, np.ndarray):
        return draws
    return np.fromiter(draws, dtype=np.int64)


def _others(draws: Indices, done: Sequence[Indices]) -> Indices:
    """Draws that are not done; each stands once in `draws` and at most once in all of `done`."""
    if sum(map(len, done)) == len(draws):
        return draws[:0]
    return np.setdiff1d(draws, np.concatenate([draws[:0], *done]), assume_unique=True)
