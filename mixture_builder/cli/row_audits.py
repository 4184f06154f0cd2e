"""What `contamination` and `dedupe` share: the stored rows of a recipe's tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mixture_builder.cli.output import indented

if TYPE_CHECKING:
    from mixture_builder.io.stored_task import StoredTask
    from mixture_builder.jobs.excluded import Excluded
    from mixture_builder.jobs.loading import LoadedRecipe

_NOT_STORED = "its rows are not in the store. Run ingest."


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipeRows:
    """The stored rows of a recipe's tasks, whether its lists leave them out or not.

    Attributes:
      mixture: the recipe.
      stored: by task, as ingested.
      excluded: rows that the recipe's lists name.
      left_out: tasks that cannot be looked at, and why.
    """

    mixture: LoadedRecipe
    stored: Mapping[str, StoredTask]
    excluded: Excluded
    left_out: Mapping[str, str]

    def is_excluded(self, task: str, row: int) -> bool:
        """Whether a list of the recipe leaves a row out."""
        import numpy as np

        of_task = self.excluded.get(task)
        if of_task is None:
            return False
        at = int(np.searchsorted(of_task.rows, row))
        return at < len(of_task.rows) and int(of_task.rows[at]) == row


def recipe_rows(
    recipe: str, *, store: Path, cards: Path | None, templates: Path | None
) -> RecipeRows:
    """The stored rows of a recipe's tasks; what is left out is named on stderr.

    Raises:
      InvalidFilesError: if the recipe or a list that it names has errors.
      StoreError: if the store is damaged.
    """
    from mixture_builder.cli.steps import load
    from mixture_builder.io.stored_task import find_task, task_fingerprint
    from mixture_builder.jobs.excluded import excluded_of

    mixture = load(recipe, cards=cards, templates=templates)
    excluded = excluded_of(mixture.recipe, mixture.owners)
    left_out = dict(mixture.broken)
    stored = {}
    for task, card in mixture.cards.items():
        if task in left_out:
            continue
        found = find_task(store, task, task_fingerprint(card))
        if found is None:
            left_out[task] = _NOT_STORED
        else:
            stored[task] = found
    for task, why in sorted(left_out.items()):
        click.echo(f"left out: {task}\n{indented(why)}", err=True)
    return RecipeRows(mixture=mixture, stored=stored, excluded=excluded, left_out=left_out)
