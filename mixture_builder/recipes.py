"""Mixture recipes: everything that decides the content of a mixture, and nothing else.

Where a build runs, with how many workers and where its files go is no part of a recipe.
Submixtures nest to any depth; variants, shots, options, styles, limits, filters, the origin
of templates and the inversion rate are inherited from the part around and may be set anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mixture_builder.findings import Finding, did_you_mean, error
from mixture_builder.globs import Globs, is_name
from mixture_builder.recipe_model import MixtureRecipe, Submixture, recipe_from_json
from mixture_builder.recipe_rules import broken_rules
from mixture_builder.settings import Settings, Shots
from mixture_builder.tokenizer_names import find_tokenizers
from mixture_builder.yaml_files import load_checked

__all__ = [
    "MixtureRecipe",
    "Settings",
    "Shots",
    "Submixture",
    "load_recipe",
    "recipe_from_json",
    "select_tasks",
]


def load_recipe(path: Path, *, shown_as: str) -> tuple[MixtureRecipe | None, list[Finding]]:
    """A recipe and everything that is wrong with its file.

    Returns:
      The recipe, or `None` and at least one error.
    """
    data, findings = load_checked(
        path, shown_as=shown_as, schema_name="recipe", prepared=_with_text_keys
    )
    if findings:
        return None, findings
    tokenizers, findings = find_tokenizers(data, path, shown_as=shown_as)
    recipe = recipe_from_json(data, file=shown_as, folder=path.parent, tokenizers=tokenizers)
    findings += broken_rules(recipe, path)
    return (None, findings) if findings else (recipe, [])


def _with_text_keys(value: Any) -> Any:
    """Plain data as JSON would hold it: YAML keeps keys such as numbers of exemplars as numbers."""
    if isinstance(value, dict):
        return {str(key): _with_text_keys(inner) for key, inner in value.items()}
    return [_with_text_keys(inner) for inner in value] if isinstance(value, list) else value


def select_tasks(
    recipe: MixtureRecipe, ids: Iterable[str]
) -> tuple[dict[str, Submixture], list[Finding]]:
    """Which submixture each task belongs to, and globs or ids that go wrong.

    Args:
      recipe: a checked recipe.
      ids: of all known cards.

    Returns:
      Submixture by task id, sorted by id, and an error for every glob that names no card
      and every task that two submixtures name.
    """
    known = dict.fromkeys(ids)
    owners: dict[str, Submixture] = {}
    findings: list[Finding] = []
    for part in recipe.root.walk():
        place = f"submixtures.{part.path}.tasks"
        for glob in part.tasks:
            if not (glob in known if is_name(glob) else any(map(Globs([glob]).match, known))):
                findings.append(
                    error(
                        recipe.file,
                        place,
                        f"found '{glob}', which names no card.",
                        did_you_mean(glob, known) or "`mixture-builder cards list` shows them.",
                    )
                )
        selected = part.select(known)
        if part.tasks and not selected and part.exclude:
            findings.append(
                error(
                    recipe.file,
                    f"submixtures.{part.path}.exclude",
                    "found no task that is not excluded; expected at least one.",
                    "Exclude less, or leave the submixture out.",
                )
            )
        for task in selected:
            if task in owners:
                findings.append(
                    error(
                        recipe.file,
                        place,
                        f"found '{task}', which submixtures.{owners[task].path} has already.",
                        "Exclude it from one of them.",
                    )
                )
            else:
                owners[task] = part
    return dict(sorted(owners.items())), findings
