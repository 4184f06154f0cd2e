"""A recipe with all the files that it names, read and checked.

What is wrong with one task leaves that task out, with its reason; what is wrong with the recipe
or the styles ends the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mixture_builder.card_files import load_cards
from mixture_builder.cards import TaskCard
from mixture_builder.errors import InvalidFilesError
from mixture_builder.findings import Finding, Report
from mixture_builder.recipe_checks import (
    check_overrides,
    check_styles,
    filter_tasks,
    refused_origin,
)
from mixture_builder.recipes import MixtureRecipe, Submixture, load_recipe, select_tasks
from mixture_builder.shipped import cards_folder, templates_folder
from mixture_builder.styles import Styles, load_styles
from mixture_builder.template_files import check_names, load_templates
from mixture_builder.templates import TemplateSet


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedRecipe:
    """A recipe with the files it needs.

    Attributes:
      owners: the submixture of each task that the recipe names.
      cards, templates: of the tasks that can be built.
      styles: the pools, and `styles_plain` their plain data.
      broken: tasks (or card files) that cannot be built, and why.
      filtered: tasks that the recipe names and its filters take out, and why; they stand in none
        of the others.
    """

    recipe: MixtureRecipe
    owners: Mapping[str, Submixture]
    cards: Mapping[str, TaskCard]
    templates: Mapping[str, TemplateSet]
    styles: Styles
    styles_plain: Mapping[str, Any]
    broken: Mapping[str, str]
    filtered: Mapping[str, str] = field(default_factory=dict)


def load_mixture(
    path: Path,
    *,
    shown_as: str,
    seed: int | None = None,
    cards: Path | None = None,
    templates: Path | None = None,
) -> LoadedRecipe:
    """Reads a recipe and all that it names.

    Args:
      path: the recipe.
      shown_as: how messages name it.
      seed: replaces the recipe's.
      cards: folder that replaces the recipe's, or the shipped one.
      templates: likewise.

    Raises:
      InvalidFilesError: if the recipe or the styles have errors, with all of them.
    """
    recipe, findings = load_recipe(path, shown_as=shown_as)
    if recipe is None:
        raise InvalidFilesError(tuple(findings))
    if seed is not None:
        recipe = replace(recipe, seed=seed)
    card_folder = cards or recipe.cards or cards_folder()
    template_folder = templates or recipe.templates or templates_folder()
    globs = [glob for part in recipe.root.walk() for glob in part.tasks]
    found, card_findings = load_cards(card_folder, wanted=_may_hold(globs, card_folder))
    broken = _by_file(card_findings)
    owners, selection = select_tasks(recipe, found)
    # A folder of one's own needs no styles: those that come with the package serve as well.
    own_styles = (template_folder / "styles").is_dir()
    styles, styles_plain, style_findings = load_styles(
        template_folder if own_styles else templates_folder()
    )
    # A card with errors has no id to select; the recipe is not to blame for that.
    excused = [f for f in selection if broken and "names no card" in f.message]
    fatal = [f for f in [*selection, *style_findings] if f not in excused]
    filtered, filter_findings = filter_tasks(recipe, owners, found)
    fatal += [*filter_findings, *check_overrides(recipe, owners, found)]
    if styles is not None:
        fatal += check_styles(recipe, styles)
    if styles is None or fatal or not owners:
        raise InvalidFilesError((*fatal, *excused, *card_findings))
    template_sets: dict[str, TemplateSet] = {}
    sound: set[_Names] = set()
    for task, part in owners.items():
        if task in filtered:
            continue
        why, loaded = _templates_of(found[task], template_folder, template_sets, sound)
        if loaded is None:
            broken[task] = why
        elif refused := refused_origin(part, loaded):
            filtered[task] = refused
    owners = {task: part for task, part in owners.items() if task not in filtered}
    return LoadedRecipe(
        recipe=recipe,
        owners=owners,
        cards={t: found[t] for t in owners},
        templates=template_sets,
        styles=styles,
        styles_plain=styles_plain,
        broken=broken,
        filtered=dict(sorted(filtered.items())),
    )


def _may_hold(globs: Sequence[str], folder: Path) -> Callable[[str], bool] | None:
    """Whether a card file can hold a card that one of the globs names.

    Cards write their ids out, so a file without any of the ids that a recipe names one by one
    need not be parsed. The ids of a family are made of its table.
    """
    parts: dict[str, set[bytes]] = {}
    for glob in globs:
        parts.setdefault(glob.split("/")[0], set()).add(glob.encode())
    if any(set(part) & set("*?[") for part in parts):
        return None

    def wanted(path: str) -> bool:
        ids = parts.get(path.split("/", maxsplit=1)[0])
        if ids is None:
            return False
        if any(set(b"*?[") & set(one) for one in ids):
            return True
        try:
            text = (folder / path).read_bytes()
        except OSError:
            return True
        return b"family" in text or any(one in text for one in ids)

    return wanted


def _by_file(findings: Iterable[Finding]) -> dict[str, str]:
    grouped: dict[str, list[Finding]] = {}
    for finding in findings:
        grouped.setdefault(finding.file, []).append(finding)
    return {file: Report(findings=tuple(f)).format() for file, f in grouped.items()}


_Names = tuple[str, frozenset[str], frozenset[str]]
"""A template file, and the names that a card gives it: all of them, and those that may be empty."""


def _templates_of(
    card: TaskCard, folder: Path, known: dict[str, TemplateSet], sound: set[_Names]
) -> tuple[str, TemplateSet | None]:
    loaded = known.get(card.templates)
    findings: Sequence[Finding] = ()
    if loaded is None:
        loaded, findings = load_templates(folder, card.templates)
    if loaded is not None:
        optional = frozenset(f.name for f in card.fields if f.optional)
        names = (card.templates, card.template_names(), optional)
        # Thousands of tasks of one family give the same names to the same file.
        if names not in sound:
            findings = list(check_names(loaded, known=names[1], optional=optional, task=card.id))
            if not findings:
                sound.add(names)
    if findings or loaded is None:
        return Report(findings=tuple(findings)).format(), None
    known[card.templates] = loaded
    return "", loaded
