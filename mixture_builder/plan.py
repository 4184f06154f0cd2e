"""The plan: a recipe and the number of rows each task has, worked out to whole numbers.

Pure arithmetic. A plan names for each task its quota, what the quota is spent on (cells),
and all that rendering needs, so that a shard is a function of the plan and its number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from fractions import Fraction

from mixture_builder.cards import QUESTION_KINDS, TaskCard
from mixture_builder.cells import cells_of
from mixture_builder.errors import RecipeError
from mixture_builder.rates import quotas, shares
from mixture_builder.recipes import MixtureRecipe, Settings, Submixture
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
      rows: rows it has.
      query_rows: rows that can be queries; the others are a reserved pool.
      pool: how many rows, from the first on, exemplars are drawn from.
      rate: what it asks for beside its siblings.
      share: the fraction of the whole mixture it comes to.
      quota: examples it gets.
      cells: what they are spent on.
      templates: name of its template set.
      settings: as its submixture has them.
      questions: whether it asks something and answers it.
      fixed_option_order: whether its options keep their order.
      optional: fields that may be empty.
      list_fields: fields that hold lists.
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

    @property
    def first_query(self) -> int:
        """Index of the first row that can be a query."""
        return self.rows - self.query_rows

    def form_of(self, cell: Cell) -> ShotForm:
        """The form of a cell's few-shot prompts."""
        return self.settings.shots.form(cell.form)

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
    """

    name: str
    seed: int
    examples: int
    shards: int
    tasks: tuple[TaskPlan, ...]
    left_out: Mapping[str, str]


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
    tree = _Tree(recipe.root, owners, alive)
    if not any(tree.shares.values()):
        left_out.update(dict.fromkeys(tree.shares, _NO_RATE))
        raise RecipeError(
            f"{recipe.file}: none of its {len(owners) + len(filtered or {})} tasks can be built; "
            "expected at least one. " + _reasons(left_out)
        )
    for task, share in tree.shares.items():
        if not share:
            left_out[task] = _NO_RATE
    if recipe.examples:
        total = recipe.examples
    else:
        total = tree.largest_without_repeat({t: c.query_rows for t, c in alive.items()})
        if not total:
            raise RecipeError(
                f"{recipe.file}: size.no_repeat: even one example would repeat a row."
            )
    task_quotas = tree.quotas(total)
    tasks = []
    for task in sorted(task_quotas):
        candidate = alive[task]
        spent = quotas(
            {f"{i:02d}": Fraction(cell.weight) for i, cell in enumerate(candidate.cells)},
            total=task_quotas[task],
        )
        cells = [
            replace(cell, quota=quota)
            for cell, quota in zip(candidate.cells, spent.values(), strict=True)
        ]
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
                cells=tuple(cells),
                templates=cards[task].templates,
                settings=owners[task].settings,
                questions=cards[task].kind in QUESTION_KINDS,
                fixed_option_order=cards[task].fixed_option_order,
            )
        )
    return MixturePlan(
        name=recipe.name,
        seed=recipe.seed,
        examples=total,
        shards=shards or recipe.shards or max(1, -(-total // EXAMPLES_PER_SHARD)),
        tasks=tuple(tasks),
        left_out=left_out,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Candidate:
    """A task that can be built, before the arithmetic."""

    rate: Fraction
    query_rows: int
    pool: int
    cells: tuple[Cell, ...]


def _candidate(card: TaskCard, part: Submixture, templates: TemplateSet, rows: int) -> _Candidate:
    shots = part.settings.shots
    pool = min(shots.pool or rows, rows)
    query_rows = rows
    if shots.reserve:
        pool = min(pool, -(-rows // RESERVED_FRACTION))
        query_rows = max(1, rows - pool)
    if part.task_rates == "proportional":
        rate = Fraction(min(part.cap, query_rows) if part.cap else query_rows)
    elif part.task_rates == "equal":
        rate = Fraction(1)
    else:
        matching = [r for glob, r in part.explicit_rates if fnmatchcase(card.id, glob)]
        rate = matching[-1] if matching else Fraction(0)
    return _Candidate(
        rate=rate,
        query_rows=query_rows,
        pool=pool,
        cells=cells_of(
            templates,
            has_options=card.has_options,
            settings=part.settings,
            exemplars_exist=rows > 1,
        ),
    )


class _Tree:
    """The recipe's parts with the tasks that are left, for shares and quotas."""

    def __init__(
        self,
        root: Submixture,
        owners: Mapping[str, Submixture],
        alive: Mapping[str, _Candidate],
    ) -> None:
        self._tasks: dict[str, dict[str, Fraction]] = {}
        for task, candidate in alive.items():
            self._tasks.setdefault(owners[task].path, {})[task] = candidate.rate
        self._root = root
        self.shares: dict[str, Fraction] = {}
        self._collect(root, Fraction(1))

    def _rates(self, part: Submixture) -> dict[str, Fraction]:
        """Rates of the parts of a part; one without any task counts nothing."""
        return {p.path: p.rate if self._has_tasks(p) else Fraction(0) for p in part.parts}

    def _has_tasks(self, part: Submixture) -> bool:
        own = self._tasks.get(part.path, {})
        return any(own.values()) or any(self._has_tasks(p) and p.rate for p in part.parts)

    def _collect(self, part: Submixture, share: Fraction) -> None:
        own = self._tasks.get(part.path)
        if own:
            parts = shares(own) if any(own.values()) else dict.fromkeys(own, Fraction(0))
            self.shares.update({task: share * s for task, s in parts.items()})
        rates = self._rates(part)
        split = shares(rates) if any(rates.values()) else dict.fromkeys(rates, Fraction(0))
        for inner in part.parts:
            self._collect(inner, share * split[inner.path])

    def quotas(self, total: int) -> dict[str, int]:
        """Quota by task: each part's quota is split among its own by largest remainder."""
        result: dict[str, int] = {}
        self._split(self._root, total, result)
        return result

    def _split(self, part: Submixture, total: int, result: dict[str, int]) -> None:
        own = self._tasks.get(part.path)
        if own and any(own.values()):
            result.update(quotas(own, total=total))
        rates = self._rates(part)
        if any(rates.values()):
            for path, quota in quotas(rates, total=total).items():
                self._split(next(p for p in part.parts if p.path == path), quota, result)

    def largest_without_repeat(self, rows: Mapping[str, int]) -> int:
        """The largest total at which every quota is at most the task's rows."""
        total = self._most(self._root, rows)
        while total and any(q > rows[task] for task, q in self.quotas(total).items()):
            total -= 1
        return total

    def _most(self, part: Submixture, rows: Mapping[str, int]) -> int:
        """A bound: no larger quota of a part can leave each of its tasks within its rows."""
        own = self._tasks.get(part.path, {})
        rates = own if any(own.values()) else self._rates(part)
        if own is rates:
            most = {task: rows[task] for task, rate in rates.items() if rate}
        else:
            most = {p.path: self._most(p, rows) for p in part.parts if rates[p.path]}
        # A quota is more than share * total - 1, so total is below (most + 1) / share.
        split = shares(rates)
        near = (-(-(bound + 1) // split[name]) - 1 for name, bound in most.items())
        return min(sum(most.values()), *near)


def _reasons(left_out: Mapping[str, str]) -> str:
    listed = [f"{task}: {why}" for task, why in list(left_out.items())[:3]]
    return "; ".join(listed) + ("; ..." if len(left_out) > 3 else "")
