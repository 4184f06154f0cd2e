"""A recipe beside the files it names: tasks that its filters take out, and pins that go wrong."""

from __future__ import annotations

from collections.abc import Mapping

from mixture_builder.cards import TaskCard
from mixture_builder.filters import PREFIX
from mixture_builder.findings import Finding, did_you_mean, error
from mixture_builder.globs import Globs, is_name
from mixture_builder.recipe_model import MixtureRecipe, Submixture
from mixture_builder.styles import Styles
from mixture_builder.task_rates import Override
from mixture_builder.templates import TemplateSet


def filter_tasks(
    recipe: MixtureRecipe, owners: Mapping[str, Submixture], cards: Mapping[str, TaskCard]
) -> tuple[dict[str, str], list[Finding]]:
    """Tasks that the filters of their part take out, and globs of filters that go wrong.

    Args:
      recipe: a checked recipe.
      owners: the submixture of each task, from `select_tasks`.
      cards: of these tasks.

    Returns:
      Reasons by task id, and an error for every glob of `filters.cards` that names no task of
      the recipe: a misspelt name would pass unseen.
    """
    reasons = {task: part.filters.reason(cards[task]) for task, part in owners.items()}
    findings: dict[str, Finding] = {}
    for part in recipe.root.walk():
        for glob in (*(part.filters.cards.allow or ()), *part.filters.cards.exclude):
            if not (glob in owners if is_name(glob) else any(map(Globs([glob]).match, owners))):
                place = f"submixtures.{part.path}.filters.cards" if part.path else "filters.cards"
                findings.setdefault(
                    glob,
                    error(
                        recipe.file,
                        place,
                        f"found '{glob}', which names no task of the recipe.",
                        did_you_mean(glob, owners) or "Remove it.",
                    ),
                )
    return {task: why for task, why in reasons.items() if why}, list(findings.values())


def check_overrides(
    recipe: MixtureRecipe, owners: Mapping[str, Submixture], cards: Mapping[str, TaskCard]
) -> list[Finding]:
    """Overrides that match no task of their part: a misspelt name would pass unseen.

    Args:
      recipe: a checked recipe.
      owners: the submixture of each task, from `select_tasks`.
      cards: of these tasks.
    """
    findings = []
    own: list[Override] = []
    for part in recipe.root.walk():
        around = f"{part.path}." if part.path else ""
        inside = [cards[t] for t, o in owners.items() if f"{o.path}.".startswith(around)]
        place = f"submixtures.{part.path}.overrides" if part.path else "overrides"
        for override in part.task_rates.overrides:
            if any(override is known for known in own):
                continue  # inherited, and reported where it is written
            own.append(override)
            if not any(override.matches(card) for card in inside):
                named = (*override.tasks, *override.categories, *override.languages)
                listed = ", ".join(f"'{glob}'" for glob in named)
                known = [c.id for c in inside] if override.tasks else []
                findings.append(
                    error(
                        recipe.file,
                        place,
                        f"found {listed}, which {'match' if len(named) > 1 else 'matches'} no task "
                        "there.",
                        did_you_mean(named[0], known) or "Remove it.",
                    )
                )
    return findings


def refused_origin(part: Submixture, templates: TemplateSet) -> str:
    """Why a task is filtered for where its templates come from; empty if it stays."""
    if part.templates_from in {"any", templates.origin}:
        return ""
    return (
        f"{PREFIX}its templates {templates.name} are {templates.origin}, and templates_from is "
        f"{part.templates_from}"
    )


def check_styles(recipe: MixtureRecipe, styles: Styles) -> list[Finding]:
    """Pins that name no style, or leave nothing to draw; each is reported once."""
    findings: dict[tuple[str, str], Finding] = {}
    for part in recipe.root.walk():
        where = f"submixtures.{part.path}.styles" if part.path else "styles"
        for pool, message, remedy in part.settings.styles.problems(styles):
            found = error(recipe.file, f"{where}.{pool}", message, remedy)
            findings.setdefault((pool, message), found)
    return list(findings.values())
