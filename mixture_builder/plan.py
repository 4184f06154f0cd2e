"""The plan: a recipe and the number of rows each task has, worked out to whole numbers.

Pure arithmetic. A plan names for each task its quota, what the quota is spent on (cells),
and all that rendering needs, so that a shard is a function of the plan and its number.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache

from mixture_builder.cards import QUESTION_KINDS, TaskCard
from mixture_builder.cells import cells_of
from mixture_builder.errors import RecipeError
from mixture_builder.quota_tree import QuotaTree
from mixture_builder.rates import quotas
from mixture_builder.recipe_model import RENORMALISE, STOP, MixtureRecipe, Submixture
from mixture_builder.settings import Settings
from mixture_builder.shot_forms import ShotForm
from mixture_builder.templates import TemplateSet
from mixture_builder.variants import Cell

EXAMPLES_PER_SHARD = 25_000
"""Shards are about this large unless the recipe says otherwise: tens of megabytes."""

RESERVED_FRACTION = 5
"""A reserved pool is at most one row in so many, so that small tasks keep queries."""


_NO_RATE = "its rate, or that of a part around it, is 0"


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskPlan:
    """One task's part of a mixture.

    Attributes:
      task: its id.
      submixture: path of the part it stands in.
      rows: rows it has in the store.
      query_rows: rows that can be queries; the others are a reserved pool, or not used.
      pool: how many rows, from the first on, exemplars are drawn from.
      rate: what it asks for beside its siblings.
      share: the fraction of the whole mixture it comes to.
      quota: examples it gets.
      cells: what they are spent on.
      templates: name of its template set.
      settings: as its submixture has them.
      questions: whether it asks something and answers it.
      fixed_option_order: whether its options keep their order.
      max_rows: how many rows are used, from the first on; 0 for all.
    """

    task: str
    submixture: str
    rows: int
    query_rows: int
    pool: int
    rate: Fraction
    share: Fraction
    quota: int
    cells: tuple[Cell, ...]
    templates: str
    settings: Settings
    questions: bool
    fixed_option_order: bool
    max_rows: int = 0

    @property
    def usable_rows(self) -> int:
        """Rows that are used at all, as queries or exemplars."""
        return self.max_rows or self.rows

    @property
    def first_query(self) -> int:
        """Index of the first row that can be a query."""
        return self.usable_rows - self.query_rows

    def form_of(self, cell: Cell) -> ShotForm:
        """The form of a cell's few-shot prompts."""
        return self.settings.shots.form(cell.form)

    @property
    def most_exemplars(self) -> int:
        """The largest number of exemplars that any of its prompts may ask for."""
        asked = [
            number
            for cell in self.cells
            if cell.few_shot and cell.quota
            for number, rate in self.form_of(cell).counts
            if rate
        ]
        return max(asked, default=0)

    @property
    def few_to_show(self) -> bool:
        """Whether its pool has fewer rows than some of its prompts ask for, besides the query."""
        itself = 1 if self.first_query < self.pool else 0
        return self.most_exemplars > self.pool - itself

    @property
    def passes(self) -> Fraction:
        """How often its rows are gone through."""
        return Fraction(self.quota, self.query_rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class MixturePlan:
    """All tasks of a mixture, with its size and layout.

    Attributes:
      tasks: sorted by id.
      left_out: tasks of the recipe that get nothing, and why; reasons of those that its filters
        take out begin with `filters.PREFIX`.
      wanted: examples that the recipe asks for, where it runs dry before it has them; else 0.
      dry: tasks that get less than their rates come to because their rows are used up, and what
        they would get.
    """

    name: str
    seed: int
    examples: int
    shards: int
    tasks: tuple[TaskPlan, ...]
    left_out: Mapping[str, str]
    wanted: int = 0
    dry: Mapping[str, int] = field(default_factory=dict)


def make_plan(
    recipe: MixtureRecipe,
    *,
    owners: Mapping[str, Submixture],
    cards: Mapping[str, TaskCard],
    templates: Mapping[str, TemplateSet],
    rows: Mapping[str, int],
    broken: Mapping[str, str] | None = None,
    filtered: Mapping[str, str] | None = None,
    shards: int = 0,
    lengths: Mapping[str, Fraction] | None = None,
) -> MixturePlan:
    """Works out quotas and cells.

    Args:
      recipe: a checked recipe.
      owners: the submixture of each task, from `recipes.select_tasks`.
      cards: by task id, for all of `owners` that can be built.
      templates: by name, for the cards.
      rows: rows each task has.
      broken: tasks that cannot be built, and why; the others take over their share.
      filtered: tasks that the recipe's filters took out of `owners`, and why; likewise.
      shards: how many; 0 leaves it to the recipe, and then to the size.
      lengths: for a size in bytes or tokens, how many of them an example of each task has in the
        mean.

    Raises:
      RecipeError: if no task is left, or a size is out of reach.
    """
    left_out = {**(broken or {}), **(filtered or {})}
    alive: dict[str, _Candidate] = {}
    for task, part in owners.items():
        if task in left_out:
            continue
        if rows.get(task, 0) < 1:
            left_out[task] = "no row is left of its source"
            continue
        try:
            alive[task] = _candidate(
                cards[task], part, templates[cards[task].templates], rows[task]
            )
        except RecipeError as problem:
            left_out[task] = str(problem)
    tree = QuotaTree(
        recipe.root,
        owners=owners,
        rates={task: candidate.rate for task, candidate in alive.items()},
        most={
            task: candidate.query_rows
            for task, candidate in alive.items()
            if owners[task].when_dry == RENORMALISE
        },
    )
    if not any(tree.shares.values()):
        left_out.update(dict.fromkeys(tree.shares, _NO_RATE))
        raise RecipeError(
            f"{recipe.file}: none of its {len(owners) + len(filtered or {})} tasks can be built; "
            "expected at least one. " + _reasons(left_out)
        )
    for task, share in tree.shares.items():
        if not share:
            left_out[task] = _NO_RATE
    wanted = _wanted(recipe, tree, alive, lengths)
    total = min(wanted, _most(tree, owners, alive))
    task_quotas = tree.quotas(total)
    gives_way = any(part.when_dry == RENORMALISE for part in owners.values())
    asked = tree.quotas(total, dry=False) if gives_way else task_quotas
    tasks = []
    for task in sorted(task_quotas):
        candidate = alive[task]
        tasks.append(
            TaskPlan(
                task=task,
                submixture=owners[task].path,
                rows=rows[task],
                query_rows=candidate.query_rows,
                pool=candidate.pool,
                rate=candidate.rate,
                share=tree.shares[task],
                quota=task_quotas[task],
                cells=spend(candidate.cells, task_quotas[task]),
                templates=cards[task].templates,
                settings=owners[task].settings,
                questions=cards[task].kind in QUESTION_KINDS,
                fixed_option_order=cards[task].fixed_option_order,
                max_rows=candidate.max_rows,
            )
        )
    return MixturePlan(
        name=recipe.name,
        seed=recipe.seed,
        examples=total,
        shards=shards or recipe.shards or max(1, -(-total // EXAMPLES_PER_SHARD)),
        tasks=tuple(tasks),
        left_out=left_out,
        wanted=wanted if total < wanted else 0,
        dry={t: asked[t] for t in sorted(asked) if asked[t] > task_quotas[t]},
    )


@lru_cache(maxsize=4096)
def spend(cells: tuple[Cell, ...], quota: int) -> tuple[Cell, ...]:
    """The cells of a task with what each gets of its quota, by largest remainder.

    Thousands of tasks of one family have the same cells and the same quota; they share them.
    """
    weights = {f"{i:02d}": Fraction(cell.weight) for i, cell in enumerate(cells)}
    spent = quotas(weights, total=quota).values()
    return tuple(replace(cell, quota=got) for cell, got in zip(cells, spent, strict=True))


def without_repeats(recipe: MixtureRecipe, plan: MixturePlan) -> dict[str, int]:
    """The nearest quotas with which no row is used twice, by task.

    Tasks and parts with too few rows get as many as they have; the others take over what is left
    by their rates. They sum to the plan's size, or to all rows if those are fewer.
    """
    parts = {part.path: part for part in recipe.root.walk()}
    tree = QuotaTree(
        recipe.root,
        owners={t.task: parts[t.submixture] for t in plan.tasks},
        rates={t.task: t.rate for t in plan.tasks},
        most={t.task: t.query_rows for t in plan.tasks},
    )
    most = tree.most()
    assert most is not None
    return tree.quotas(min(plan.examples, most))


def _wanted(
    recipe: MixtureRecipe,
    tree: QuotaTree,
    alive: Mapping[str, _Candidate],
    lengths: Mapping[str, Fraction] | None,
) -> int:
    """The number of examples that the recipe's size comes to, if nothing runs dry."""
    size = recipe.size
    if size.examples:
        return size.examples
    if size.passes:
        total = tree.largest_within({t: int(c.query_rows * size.passes) for t, c in alive.items()})
        if not total:
            raise RecipeError(
                f"{recipe.file}: size.no_repeat: even one example would repeat a row."
                if size.passes == 1
                else f"{recipe.file}: size.passes: even one example would be more."
            )
        return total
    unit = "bytes" if size.bytes else "tokens"
    if lengths is None:
        raise RecipeError(
            f"{recipe.file}: size.{unit}: it is worked out from stored rows, and not all tasks are "
            "in the store. Run ingest."
        )
    total = tree.largest_of_size(size.bytes or size.tokens, lengths)
    if not total:
        raise RecipeError(
            f"{recipe.file}: size.{unit}: found {size.bytes or size.tokens:,}, which is less than "
            f"one example. Ask for more {unit}."
        )
    return total


def _most(
    tree: QuotaTree, owners: Mapping[str, Submixture], alive: Mapping[str, _Candidate]
) -> int:
    """The number of examples at which the mixture must end because rows are used up."""
    ends = {
        t: c.query_rows for t, c in alive.items() if owners[t].when_dry == STOP and tree.shares[t]
    }
    most = tree.most()
    total = sys.maxsize if most is None else most
    return max(1, min(total, tree.largest_within(ends))) if ends else total


@dataclass(frozen=True, kw_only=True, slots=True)
class _Candidate:
    """A task that can be built, before the arithmetic."""

    rate: Fraction
    query_rows: int
    pool: int
    max_rows: int
    cells: tuple[Cell, ...]


def _candidate(card: TaskCard, part: Submixture, templates: TemplateSet, rows: int) -> _Candidate:
    shots = part.settings.shots
    usable = min(part.max_rows, rows) if part.max_rows else rows
    pool = min(shots.pool or usable, usable)
    query_rows = usable
    if shots.reserve:
        pool = min(pool, -(-usable // RESERVED_FRACTION))
        query_rows = max(1, usable - pool)
    return _Candidate(
        rate=part.task_rates.rate_of(card, query_rows),
        query_rows=query_rows,
        pool=pool,
        max_rows=usable if usable < rows else 0,
        cells=cells_of(
            templates,
            has_options=card.has_options,
            settings=part.settings,
            exemplars_exist=usable > 1,
        ),
    )


def _reasons(left_out: Mapping[str, str]) -> str:
    listed = [f"{task}: {why}" for task, why in list(left_out.items())[:3]]
    return "; ".join(listed) + ("; ..." if len(left_out) > 3 else "")
