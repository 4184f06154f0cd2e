"""The tokenizers that a recipe names: files beside it, known by their SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mixture_builder.findings import Finding, error
from mixture_builder.recipe_model import TokenizerFile
from mixture_builder.yaml_files import find_lines, format_place, line_of

MAX_BYTES = 512 << 20
"""Largest file that is taken for a tokenizer; far above any real one."""


def find_tokenizers(
    data: Mapping[str, Any], path: Path, *, shown_as: str
) -> tuple[dict[str, TokenizerFile], list[Finding]]:
    """The files of tokenizers, by what a recipe calls them, and what is wrong with their names.

    Args:
      data: the recipe's checked plain data.
      path: of the recipe; files are relative to its folder.
      shown_as: how messages name the recipe.
    """
    known: dict[str, TokenizerFile] = {}
    findings = []
    for place, name in _names(data, ()):
        if name in known:
            continue
        found, message = _found(path.parent, name)
        if found is not None:
            known[name] = found
            continue
        remedy = "Copy the `tokenizer.json` of the model beside the recipe and name it."
        line = line_of(find_lines(path), place)
        findings.append(error(shown_as, format_place(place), message, remedy, line))
    return known, findings


def _names(raw: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for key in ("size", "limits"):
        if "tokenizer" in raw.get(key, {}):
            yield (*place, key, "tokenizer"), raw[key]["tokenizer"]
    for name, part in raw.get("submixtures", {}).items():
        yield from _names(part, (*place, "submixtures", name))


def _found(folder: Path, name: str) -> tuple[TokenizerFile | None, str]:
    """The file, or why there is none."""
    if Path(name).is_absolute():
        return None, f"found the absolute path '{name}'; expected one relative to the recipe."
    path = folder / name
    try:
        if not path.is_file():
            return None, f"found no file '{name}'."
        if path.stat().st_size > MAX_BYTES:
            return None, f"found a file of more than {MAX_BYTES:,} bytes at '{name}'."
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError) as problem:
        return None, f"the file '{name}' cannot be read ({problem})."
    return TokenizerFile(path=path, sha256=digest), ""
