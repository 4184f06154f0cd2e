"""Tasks to look at: each with the part of a recipe that it stands in, and the files it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from mixture_builder.card_files import load_cards
from mixture_builder.cards import TaskCard
from mixture_builder.errors import InvalidFilesError, UsageError
from mixture_builder.findings import Finding, Report, did_you_mean
from mixture_builder.recipe_checks import check_styles
from mixture_builder.recipes import MixtureRecipe, Submixture, load_recipe
from mixture_builder.shipped import cards_folder, templates_folder
from mixture_builder.styles import Styles, load_styles
from mixture_builder.template_files import check_names, load_templates
from mixture_builder.templates import TemplateSet

_GLOB = frozenset("*?[")


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedTask:
    """One task with the files it needs.

    Attributes:
      part: of the recipe, the one that names the task; else the outermost, for its settings.
      named: whether the recipe names the task.
    """

    recipe: MixtureRecipe
    part: Submixture
    card: TaskCard
    templates: TemplateSet
    styles: Styles
    named: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedTasks:
    """Some tasks, and what of those that were asked for cannot be loaded.

    Attributes:
      left_out: task or card file, and why.
    """

    recipe: MixtureRecipe
    tasks: tuple[LoadedTask, ...]
    left_out: Mapping[str, str]


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
    recipe = _recipe(path, shown_as=shown_as, seed=seed)
    found, card_findings = _cards(recipe, cards, task)
    part = _owner(recipe, task)
    if task not in found and card_findings:
        raise InvalidFilesError(tuple(card_findings))
    if task not in found or part is None:
        named = [i for i in found if _owner(recipe, i)]
        hint = did_you_mean(task, named) or "`mixture-builder plan RECIPE --tasks` shows its tasks."
        raise UsageError(f"--task {task}: the recipe {shown_as} names no such task. {hint}")
    files = _TemplateFiles(templates or recipe.templates or templates_folder())
    return files.task(recipe, part, found[task], named=True)


def load_tasks(
    path: Path,
    *,
    shown_as: str,
    wanted: str,
    seed: int | None = None,
    cards: Path | None = None,
    templates: Path | None = None,
) -> LoadedTasks:
    """Reads what several tasks need; those the recipe does not name get its outermost settings.

    Args:
      path: of the recipe.
      shown_as: the recipe, for messages.
      wanted: a task's id, a glob of ids, what ids begin with (`muffin`), or a part of the recipe
        (`text.reading`).
      seed: instead of the recipe's.
      cards: folder, instead of the recipe's.
      templates: folder, instead of the recipe's.

    Raises:
      InvalidFilesError: if the recipe or the styles have errors, or all that was asked for has.
      UsageError: if nothing of that name is there.
    """
    recipe = _recipe(path, shown_as=shown_as, seed=seed)
    parts = {part.path for part in recipe.root.walk() if part.path}
    found, findings = _cards(recipe, cards, "" if wanted in parts else wanted)
    chosen = {i: card for i, card in found.items() if _is_wanted(recipe, i, wanted)}
    if not chosen and findings:
        raise InvalidFilesError(tuple(findings))
    if not chosen:
        known = [*found, *{i.split("/")[0] for i in found}, *parts]
        hint = did_you_mean(wanted, known) or "`mixture-builder cards list` shows all ids."
        raise UsageError(
            f"--task {wanted}: found no task of that name; expected an id, a glob such as "
            f"'muffin/*', or a part of the recipe. {hint}"
        )
    files = _TemplateFiles(templates or recipe.templates or templates_folder())
    left_out = _by_file(findings)
    tasks = []
    for task, card in chosen.items():
        part = _owner(recipe, task)
        try:
            loaded = files.task(recipe, part or recipe.root, card, named=part is not None)
        except InvalidFilesError as problem:
            left_out[task] = str(problem)
        else:
            tasks.append(loaded)
    return LoadedTasks(recipe=recipe, tasks=tuple(tasks), left_out=left_out)


def _recipe(path: Path, *, shown_as: str, seed: int | None) -> MixtureRecipe:
    recipe, findings = load_recipe(path, shown_as=shown_as)
    if recipe is None:
        raise InvalidFilesError(tuple(findings))
    return recipe if seed is None else replace(recipe, seed=seed)


def _cards(
    recipe: MixtureRecipe, cards: Path | None, wanted: str
) -> tuple[dict[str, TaskCard], list[Finding]]:
    """The cards that may be wanted: those of one folder where a name says which."""
    folder = wanted.split("/", maxsplit=1)[0]
    one: Callable[[str], bool] | None = None
    if folder and not _GLOB & set(folder):
        one = lambda file: file.split("/")[0] == folder  # noqa: E731
    root = cards or recipe.cards or cards_folder()
    if one and not (root / folder).is_dir():
        one = None
    return load_cards(root, wanted=one)


def _owner(recipe: MixtureRecipe, task: str) -> Submixture | None:
    return next((part for part in recipe.root.walk() if part.select([task])), None)


def _is_wanted(recipe: MixtureRecipe, task: str, wanted: str) -> bool:
    if fnmatchcase(task, wanted) or task.startswith(f"{wanted}/"):
        return True
    part = _owner(recipe, task)
    return part is not None and f"{part.path}.".startswith(f"{wanted}.")


def _by_file(findings: Sequence[Finding]) -> dict[str, str]:
    files: dict[str, list[Finding]] = {}
    for finding in findings:
        files.setdefault(finding.file, []).append(finding)
    return {file: Report(findings=tuple(found)).format() for file, found in files.items()}


class _TemplateFiles:
    """Template files of a folder, each read once.

    Raises:
      InvalidFilesError: if the styles have errors.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[TemplateSet | None, list[Finding]]] = {}
        self._styles, _, self._style_findings = load_styles(folder)

    def task(
        self, recipe: MixtureRecipe, part: Submixture, card: TaskCard, *, named: bool
    ) -> LoadedTask:
        """A task with its templates; raises `InvalidFilesError` if they do not fit the card."""
        if card.templates not in self._read:
            self._read[card.templates] = load_templates(self._folder, card.templates)
        loaded, template_findings = self._read[card.templates]
        problems = [*template_findings, *self._style_findings]
        if loaded is not None:
            optional = frozenset(f.name for f in card.fields if f.optional)
            known = card.template_names()
            problems += check_names(loaded, known=known, optional=optional, task=card.id)
        if self._styles is not None:
            problems += check_styles(recipe, self._styles)
        if loaded is None or self._styles is None or problems:
            raise InvalidFilesError(tuple(problems))
        return LoadedTask(
            recipe=recipe,
            part=part,
            card=card,
            templates=loaded,
            styles=self._styles,
            named=named,
        )
