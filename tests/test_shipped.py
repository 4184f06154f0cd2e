"""Where shipped cards, templates and recipes are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixture_builder.errors import UsageError
from mixture_builder.shipped import find_recipe, recipes_folder


def test_a_name_is_that_of_a_shipped_recipe_even_beside_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--out quickstart` leaves a folder of that name; the recipe is still found."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart").mkdir()

    assert find_recipe("quickstart") == recipes_folder() / "quickstart.yaml"


def test_an_unknown_name_is_answered_with_the_nearest_recipe(tmp_path: Path) -> None:
    """A misspelt name costs one look, not a search."""
    with pytest.raises(UsageError, match=r"Did you mean 'quickstart'\?"):
        find_recipe("quikstart")
    with pytest.raises(UsageError, match="found no such file"):
        find_recipe(str(tmp_path / "absent.yaml"))
