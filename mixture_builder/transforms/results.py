"""Small result files: how workers tell the launching process what came of their work.

A runner may be on another machine, may show nothing while it runs, and may run an item
again; a file that appears complete under a name known beforehand works with all of them.

    <folder>/<name>.json            what came of an item
    <folder>/errors/<name>.json     the error that ended the work on it
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any
from urllib.parse import quote

from mixture_builder.errors import (
    BuildError,
    MixtureBuilderError,
    RecipeError,
    RenderError,
    SourceError,
    StoreError,
    VerifyError,
)
from mixture_builder.io.atomic import atomic_output
from mixture_builder.io.storage import read_whole, remove, storage_of

FEW = 100
"""So many files are asked for by name rather than looked for in a listing."""


def file_name(item: str) -> str:
    """The name of an item's result file; an id with a slash makes no folder.

    >>> file_name("quickstart/sums")
    'quickstart%2Fsums.json'
    """
    return f"{quote(item, safe='')}.json"


def write_result(folder: str, name: str, plain: Any) -> None:
    """Writes one result; the file appears complete, and replaces one that is there.

    Raises:
      BuildError: if the storage refuses.
    """
    with atomic_output(f"{folder}/{name}") as output:
        output.write(json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace"))


def read_result(folder: str, name: str) -> Any:
    """The result that was written, or `None` if there is none."""
    try:
        return json.loads(read_whole(f"{folder}/{name}"))
    except FileNotFoundError:
        return None


def written_results(folder: str) -> frozenset[str]:
    """Names of the result files that a listing shows by now; the last may still be missing."""
    files, root = storage_of(folder)
    # Some file systems remember what they listed all the same.
    files.invalidate_cache(root)
    try:
        return frozenset(str(path).rsplit("/", 1)[-1] for path in files.ls(root, detail=False))
    except FileNotFoundError:
        return frozenset()


def remove_results(folder: str, names: Collection[str]) -> None:
    """Deletes results and errors of an earlier run, so that none is taken for a new one."""
    remove(f"{where}/{name}" for where in (folder, errors_folder(folder)) for name in names)


def errors_folder(folder: str) -> str:
    """Where errors stand beside results."""
    return f"{folder}/errors"


def write_error(folder: str, name: str, problem: MixtureBuilderError) -> None:
    """Keeps an error with its class and its text.

    Raises:
      BuildError: if the storage refuses.
    """
    plain = {"error": type(problem).__name__, "message": str(problem)}
    write_result(errors_folder(folder), name, plain)


def first_error(folder: str, names: Collection[str]) -> MixtureBuilderError | None:
    """The error of the first of `names` that has one, with the class it was raised with."""
    where = errors_folder(folder)
    # By name, not by listing; but of thousands, those that are listed are enough.
    named = frozenset(names)
    for name in sorted(named if len(named) <= FEW else named & written_results(where)):
        plain = read_result(where, name)
        if plain is not None:
            return _KINDS.get(plain["error"], BuildError)(plain["message"])
    return None


_KINDS: dict[str, type[MixtureBuilderError]] = {
    kind.__name__: kind
    for kind in (BuildError, RecipeError, RenderError, SourceError, StoreError, VerifyError)
}
"""What workers raise, all of them made of a text."""
