"""Some examples of one task as a recipe would make them, without a build.

Rows come from the store if the task is there, else from the card's sample records; in the
latter case pyarrow is not needed. Draws of stored rows are those of the mixture itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mixture_builder.card_files import load_cards
from mixture_builder.cards import TaskCard
from mixture_builder.errors import InvalidFilesError, SourceError, UsageError
from mixture_builder.findings import Report, did_you_mean
from mixture_builder.jobs.inspect.check_cards import sample_rows
from mixture_builder.jobs.inspect.prompts import PromptParts, take_apart
from mixture_builder.plan import TaskPlan, make_plan
from mixture_builder.recipe_checks import check_styles
from mixture_builder.recipes import MixtureRecipe, Submixture, load_recipe
from mixture_builder.render.memory_rows import MemoryRows
from mixture_builder.render.task import RenderedExamples, TaskRenderer
from mixture_builder.shipped import cards_folder, templates_folder
from mixture_builder.style_pools import StylePools
from mixture_builder.styles import Styles, load_styles
from mixture_builder.templates import TemplateSet, check_names, load_templates
from mixture_builder.variants import deal


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedTask:
    """One task of a recipe with the files it needs."""

    recipe: MixtureRecipe
    part: Submixture
    card: TaskCard
    templates: TemplateSet
    styles: Styles


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviewedExample:
    """One example and the row it asks about.

    Attributes:
      draw: which draw of the task it is.
      row: the canonical fields of the row asked about.
      parts: the prompt taken apart.
    """

    draw: int
    variant: str
    template: str
    style: str
    row: Mapping[str, Any]
    inputs: str
    targets: str
    num_exemplars: int
    parts: PromptParts


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """Examples of one task.

    Attributes:
      stored: whether rows come from the store, or else from the card's sample.
      rows: how many there are.
      dropped: draws that came to nothing, as texts.
    """

    task: str
    stored: bool
    rows: int
    examples: tuple[PreviewedExample, ...]
    dropped: tuple[str, ...]


def load_task(
    path: Path,
    *,
    shown_as: str,
    task: str,
    seed: int | None = None,
    cards: Path | None = None,
    templates: Path | None = None,
) -> LoadedTask:
    """Reads what one task of a recipe needs, and nothing of the others.

    Raises:
      InvalidFilesError: if the recipe, the card, its templates or the styles have errors.
      UsageError: if the recipe does not name the task.
    """
    recipe, findings = load_recipe(path, shown_as=shown_as)
    if recipe is None:
        raise InvalidFilesError(tuple(findings))
    if seed is not None:
        recipe = replace(recipe, seed=seed)
    folder = task.split("/", maxsplit=1)[0]
    found, card_findings = load_cards(
        cards or recipe.cards or cards_folder(), wanted=lambda file: file.split("/")[0] == folder
    )
    parts = [part for part in recipe.root.walk() if part.select([task])]
    if task not in found and card_findings:
        raise InvalidFilesError(tuple(card_findings))
    if task not in found or not parts:
        named = [i for i in found if any(part.select([i]) for part in recipe.root.walk())]
        hint = did_you_mean(task, named) or "`mixture-builder plan RECIPE --tasks` shows its tasks."
        raise UsageError(f"--task {task}: the recipe {shown_as} names no such task. {hint}")
    card = found[task]
    template_folder = templates or recipe.templates or templates_folder()
    loaded, template_findings = load_templates(template_folder, card.templates)
    styles, _, style_findings = load_styles(template_folder)
    problems = [*template_findings, *style_findings]
    if styles is not None:
        problems += check_styles(recipe, styles)
    if loaded is not None:
        optional = frozenset(f.name for f in card.fields if f.optional)
        known = card.template_names()
        problems += check_names(loaded, known=known, optional=optional, task=task)
    if loaded is None or styles is None or problems:
        raise InvalidFilesError(tuple(problems))
    return LoadedTask(recipe=recipe, part=parts[0], card=card, templates=loaded, styles=styles)


def preview(loaded: LoadedTask, *, store: Path, count: int, variant: str | None = None) -> Preview:
    """The first draws of a task, or the first that serve one variant.

    Raises:
      UsageError: if the task does not serve the variant.
      SourceError: if the rows come from the card's sample and none of it gives a row.
      RecipeError: if no template serves what the recipe asks for.
    """
    card = loaded.card
    rows: Any = _stored_rows(card, store)
    stored = rows is not None
    if rows is None:
        rows = rows_of_card(card)
    plan = _plan(loaded, rows=rows.count, count=count)
    draws = _draws(plan, count=count, variant=variant)
    renderer = TaskRenderer(
        plan,
        templates=loaded.templates.templates,
        styles=StylePools(plan.settings.styles.apply(loaded.styles)),
        rows=rows,
        seed=loaded.recipe.seed,
    )
    rendered = renderer.render(draws)
    return Preview(
        task=card.id,
        stored=stored,
        rows=rows.count,
        examples=_examples(loaded, plan, rendered, rows),
        dropped=tuple(
            f"draw {d.draw}: {d.reason}: {d.detail} (template {d.template})"
            for d in rendered.dropped
        ),
    )


def rows_of_card(card: TaskCard) -> MemoryRows:
    """The rows that a card's sample records give.

    Raises:
      SourceError: if none of them gives a row.
    """
    found, findings = sample_rows(card)
    if not found:
        raise SourceError(
            f"{card.id} is not in the store, and none of its sample records gives a row.\n"
            + Report(findings=tuple(findings)).format()
        )
    return MemoryRows(found, fields=[f.name for f in card.fields])


def _stored_rows(card: TaskCard, store: Path) -> Any:
    if not (store / card.id).is_dir():
        return None
    from mixture_builder.io.rowstore import (
        StoredRows,
        find_task,
        task_fingerprint,
        task_folder,
    )

    stored = find_task(store, card.id, task_fingerprint(card))
    if stored is None:
        return None
    folder = task_folder(store, card.id, stored.fingerprint)
    return StoredRows(folder, expected_rows=stored.rows)


def _plan(loaded: LoadedTask, *, rows: int, count: int) -> TaskPlan:
    """The task's plan as if it stood alone; which draw gives what does not depend on that."""
    part = replace(loaded.part, rate=Fraction(1), task_rates="equal", parts=())
    task = loaded.card.id
    long_enough = replace(loaded.recipe, root=part, examples=max(10_000, 100 * count))
    plan = make_plan(
        long_enough,
        owners={task: part},
        cards={task: loaded.card},
        templates={loaded.card.templates: loaded.templates},
        rows={task: rows},
    )
    return plan.tasks[0]


def _draws(plan: TaskPlan, *, count: int, variant: str | None) -> list[int]:
    if variant is None:
        return list(range(count))
    numbers = np.arange(plan.quota)
    cells, _ = deal([c.weight for c in plan.cells], [c.quota for c in plan.cells], numbers)
    serving = [i for i, cell in enumerate(plan.cells) if cell.variant == variant]
    draws: list[int] = np.flatnonzero(np.isin(cells, serving))[:count].tolist()
    if not draws:
        served = sorted({c.variant for c in plan.cells if c.quota})
        raise UsageError(
            f"--variant {variant}: {plan.task} does not serve it here; expected one of "
            f"{', '.join(served)}."
        )
    return draws


def _examples(
    loaded: LoadedTask, plan: TaskPlan, rendered: RenderedExamples, rows: Any
) -> tuple[PreviewedExample, ...]:
    instructed = {t.id for t in loaded.templates.templates if t.instruction}
    result = []
    for at in np.argsort(rendered.draws).tolist():
        shown = len(rendered.exemplar_rows[at])
        mixed = plan.form_of(plan.cells[rendered.cell_codes[at]]).mixed_templates
        result.append(
            PreviewedExample(
                draw=rendered.draws[at],
                variant=rendered.variants[at],
                template=rendered.templates[at],
                style=rendered.styles[at],
                row=fields_of(rows, rendered.rows[at]),
                inputs=rendered.inputs[at],
                targets=rendered.targets[at],
                num_exemplars=shown,
                parts=take_apart(
                    rendered.inputs[at],
                    style=rendered.styles[at],
                    styles=loaded.styles,
                    exemplars=shown,
                    instructed=rendered.templates[at] in instructed and not mixed,
                ),
            )
        )
    return tuple(result)


def fields_of(rows: Any, row_id: int, names: Sequence[str] | None = None) -> dict[str, Any]:
    """The fields of the row with an identity; empty if there is none."""
    index = rows.index_of(row_id)
    if index < 0:
        return {}
    columns = rows.columns(names or rows.fields, np.asarray([index], dtype=np.int64))
    return {name: values[0] for name, values in columns.items()}
