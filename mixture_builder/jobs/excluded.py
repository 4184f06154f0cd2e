"""Which rows the lists that a recipe names leave out; `sieve.py` leaves them out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixture_builder.errors import InvalidFilesError
from mixture_builder.findings import error
from mixture_builder.recipe_model import MixtureRecipe, Submixture

if TYPE_CHECKING:
    from mixture_builder.io.excluded_rows import ExcludedOfTask

Excluded = Mapping[str, "ExcludedOfTask"]
"""What is to be left out, by task."""


def excluded_of(recipe: MixtureRecipe, owners: Mapping[str, Submixture]) -> dict[str, Any]:
    """What the lists that a recipe names say of its tasks, by task.

    Args:
      recipe: as loaded.
      owners: the submixture of each task.

    Raises:
      InvalidFilesError: with everything that is wrong with the lists.
    """
    if not any(part.filters.rows for part in owners.values()):
        return {}
    # Lists are read with numpy, which a plan without any need not wait for.
    from mixture_builder.io.excluded_rows import read_excluded_rows

    read: dict[tuple[str, ...], Excluded] = {}
    findings = []
    for part in owners.values():
        names = part.filters.rows
        if not names or names in read:
            continue
        try:
            read[names] = read_excluded_rows(
                [(_list_path(recipe, name), f"{Path(recipe.file).parent / name}") for name in names]
            )
        except InvalidFilesError as problem:
            read[names] = {}
            findings += [f for f in problem.findings if f not in findings]
    if findings:
        raise InvalidFilesError(tuple(findings))
    result = {}
    for task, part in owners.items():
        of_task = read.get(part.filters.rows, {}).get(task)
        if of_task is not None:
            result[task] = of_task
    return result


def _list_path(recipe: MixtureRecipe, name: str) -> Path:
    """Where a list stands; a recipe may be a stranger's, so it names files of its folder only."""
    folder = (recipe.folder or Path()).resolve()
    # `Path.resolve` raises for a loop of links, and all look-ups for a name that holds NUL.
    path = Path() if "\0" in name else Path(os.path.realpath(folder / name))
    if not path.is_relative_to(folder):
        found = error(
            recipe.file,
            "filters.rows",
            f"found '{name}'; expected a file in the folder of the recipe or below it.",
            "Put the list beside the recipe.",
        )
        raise InvalidFilesError((found,))
    return path
