"""All templates of some tasks over their first rows, for someone who reads templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mixture_builder.cards import TaskCard
from mixture_builder.errors import MixtureBuilderError, UsageError
from mixture_builder.findings import did_you_mean
from mixture_builder.jobs.inspect.loaded_tasks import LoadedTask, LoadedTasks
from mixture_builder.jobs.inspect.preview import DroppedChoice, PreviewedExample, chosen_examples
from mixture_builder.jobs.inspect.preview_rows import PreviewedRow, rows_of
from mixture_builder.templates import PromptTemplate


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What a reader wants to see of each task.

    Attributes:
      count: how many rows, from the first on.
      variants: only these; none for all.
      template: only the one with this id.
      row: instead of the first rows the one with this number or identity.
    """

    count: int
    variants: frozenset[str] = frozenset()
    template: str = ""
    row: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewedTemplate:
    """One template with what it makes of the rows.

    Attributes:
      examples: by variant and row.
      dropped: variants and rows that give none, and why.
    """

    template: PromptTemplate
    examples: tuple[PreviewedExample, ...]
    dropped: tuple[DroppedChoice, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewedTask:
    """One task with its rows and templates.

    Attributes:
      named: whether the recipe names it; otherwise its outermost settings were used.
      submixture: the part of the recipe it stands in.
      stored: whether rows come from the store, or else from the card's sample.
      all_rows: how many there are.
      rows: those that are shown.
    """

    card: TaskCard
    named: bool
    submixture: str
    stored: bool
    all_rows: int
    rows: tuple[PreviewedRow, ...]
    templates: tuple[ReviewedTemplate, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """All that a page shows.

    Attributes:
      wanted: what was asked for, as the user wrote it.
      recipe: its name.
      left_out: tasks or card files that cannot be shown, and why.
    """

    wanted: str
    recipe: str
    seed: int
    tasks: tuple[ReviewedTask, ...]
    left_out: Mapping[str, str]

    @property
    def examples(self) -> int:
        """How many there are in all."""
        return sum(len(t.examples) for task in self.tasks for t in task.templates)


def review(loaded: LoadedTasks, wish: Wish, *, wanted: str, store: Path) -> Review:
    """Renders every template of the tasks; what cannot be shown is left out and named.

    Args:
      loaded: the tasks.
      wish: what to show of each.
      wanted: how the user named them.
      store: root of the row store.
    """
    left_out = dict(loaded.left_out)
    tasks = []
    for task in loaded.tasks:
        try:
            tasks.append(_reviewed(task, wish, store))
        except MixtureBuilderError as problem:
            left_out[task.card.id] = str(problem)
    return Review(
        wanted=wanted,
        recipe=loaded.recipe.name,
        seed=loaded.recipe.seed,
        tasks=tuple(tasks),
        left_out=left_out,
    )


def _reviewed(loaded: LoadedTask, wish: Wish, store: Path) -> ReviewedTask:
    templates = loaded.templates.templates
    ids = [template.id for template in templates]
    if wish.template and wish.template not in ids:
        hint = did_you_mean(wish.template, ids)
        raise UsageError(
            f"--template {wish.template}: {loaded.templates.file} has no such template. {hint}"
        )
    rows = rows_of(loaded.card, store)
    indices = rows.first(wish.count) if wish.row is None else [rows.find(wish.row)]
    examples, dropped = chosen_examples(
        loaded, rows, indices=indices, variants=wish.variants, template=wish.template
    )
    reviewed = []
    for template in templates:
        own = tuple(e for e in examples if e.template == template.id)
        failed = tuple(d for d in dropped if d.template == template.id)
        if own or failed:
            reviewed.append(ReviewedTemplate(template=template, examples=own, dropped=failed))
    return ReviewedTask(
        card=loaded.card,
        named=loaded.named,
        submixture=loaded.part.path,
        stored=rows.stored,
        all_rows=rows.count,
        rows=tuple(rows.shown(index) for index in indices),
        templates=tuple(reviewed),
    )
