"""Where the cards, templates and recipes that come with the package stand.

An installed wheel carries them as package data; in a checkout they are the folders at its
root.
"""

from __future__ import annotations

from pathlib import Path

from mixture_builder.errors import UsageError
from mixture_builder.findings import did_you_mean
from mixture_builder.known_files import cache_folder

_PACKAGE = Path(__file__).resolve().parent


def _folder(packed: str, *checkout: str) -> Path:
    inside = _PACKAGE / "_data" / packed
    return inside if inside.is_dir() else _PACKAGE.parent.joinpath(*checkout)


def cards_folder() -> Path:
    """The folder of task cards."""
    return _folder("task_cards", "task_cards")


def templates_folder() -> Path:
    """The folder of templates and styles."""
    return _folder("templates", "templates")


def recipes_folder() -> Path:
    """The folder of recipes."""
    return _folder("recipes", "pipelines", "recipes")


def find_recipe(name: str) -> Path:
    """The file of a recipe: a path, or the name of a shipped one.

    Raises:
      UsageError: if there is neither.
    """
    path = Path(name)
    # A folder may have the name of a shipped recipe: the mixture that was built of it.
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        if not path.is_file():
            raise UsageError(f"{name}: found no such file; expected a recipe. Check the path.")
        return path
    shipped = sorted(p.stem for p in recipes_folder().glob("*.yaml"))
    if name in shipped:
        return recipes_folder() / f"{name}.yaml"
    raise UsageError(
        f"{name}: found no recipe of that name; expected a file ending in .yaml, or one of "
        f"{', '.join(shipped)}. {did_you_mean(name, shipped)}".rstrip()
    )


def default_store() -> Path:
    """The row store under the user's cache folder."""
    return cache_folder() / "store"
