"""Copies that stand in for upstream: which URL is read from where.

A mirror is a YAML file of the user's own, so it may name local paths, which cards may not:

    sources:
      https://example.org/data/train.jsonl: copies/train.jsonl
      https://example.org/other/: /data/other/          # a prefix: ends in "/"
      hf://datasets/squad@7b6d24c/plain_text/train: copies/squad   # a folder of Parquet
      "tar://train/*.txt::https://example.org/a.tgz": copies/a      # a folder for what a "*" finds
      "tar://test/*.txt::https://example.org/a.tgz": copies/b*.txt  # or a pattern of one's own
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixture_builder.errors import InvalidFilesError, SourceError
from mixture_builder.findings import Finding, Severity, did_you_mean
from mixture_builder.yaml_files import load_yaml

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def has_scheme(name: str) -> bool:
    """Whether `name` is a URL rather than a path.

    >>> has_scheme("hf://datasets/squad"), has_scheme("data/train.jsonl")
    (True, False)
    """
    return _SCHEME.match(name) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirror:
    """Which URLs are read from somewhere else.

    Attributes:
      sources: URL as a card names it (it may hold "*"), or prefix of URLs that ends in "/", to
        an absolute local path (which may hold "*" too) or another URL.
      offline: whether what is not mirrored may not be read over the network either.
    """

    sources: Mapping[str, str]
    offline: bool = False

    @classmethod
    def empty(cls, *, offline: bool = False) -> Mirror:
        """The mirror that stands in for nothing."""
        return cls(sources={}, offline=offline)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, offline: bool = False) -> Mirror:
        """The mirror a YAML file describes; relative paths are relative to that file.

        Raises:
          InvalidFilesError: with every mistake in the file.
        """
        file = Path(path)
        shown_as = str(path)
        data, findings = load_yaml(file, shown_as=shown_as)
        if findings:
            raise InvalidFilesError(tuple(findings))
        sources: dict[str, str] = {}
        problems = _check_top(data)
        if not problems:
            folder = file.resolve().parent
            for key, value in data["sources"].items():
                target, problem = _check_entry(key, value, folder=folder)
                if problem:
                    problems.append((f"sources.{key}", *problem))
                else:
                    sources[key] = target
        if problems:
            raise InvalidFilesError(
                tuple(
                    Finding(
                        severity=Severity.ERROR,
                        file=shown_as,
                        place=place,
                        message=message,
                        remedy=remedy,
                    )
                    for place, message, remedy in problems
                )
            )
        return cls(sources=sources, offline=offline)

    def resolve(self, url: str) -> str | None:
        """Where `url` is read from, or `None` when the mirror does not speak of it.

        The longest matching key wins: the URL itself, else the longest prefix.

        Raises:
          SourceError: if what follows a prefix leads out of the prefix's folder ("..").
        """
        if url in self.sources:
            return self.sources[url]
        cut = url.rfind("/")
        while cut > 0:
            prefix = url[: cut + 1]
            if prefix in self.sources:
                rest = url[cut + 1 :]
                if ".." in re.split(r"[/\\]", rest) or "\0" in rest:
                    raise SourceError(
                        f"{url}: found '..' after the mirrored prefix {prefix}; expected a path "
                        "below it. Write the URL without '..'."
                    )
                return self.sources[prefix] + rest
            cut = url.rfind("/", 0, cut)
        return None


def _check_top(data: Any) -> list[tuple[str, str, str]]:
    if not isinstance(data, dict):
        return [("", "found no mapping; expected the key 'sources'.", "Write `sources: {...}`.")]
    problems = [
        (
            str(key),
            f"found the unknown key '{key}'; expected 'sources' only.",
            did_you_mean(str(key), ["sources"]) or "Remove it.",
        )
        for key in data
        if key != "sources"
    ]
    if "sources" not in data:
        problems.append(
            (
                "sources",
                "the key 'sources' is missing.",
                "Add it: URLs and where they are read from.",
            )
        )
    elif not isinstance(data["sources"], dict):
        problems.append(
            (
                "sources",
                "found no mapping; expected URLs and where they are read from.",
                "Write one line a URL: `<url>: <path>`.",
            )
        )
    return problems


def _check_entry(key: Any, value: Any, *, folder: Path) -> tuple[str, tuple[str, str] | None]:
    if not isinstance(key, str) or not has_scheme(key):
        return "", (
            f"found '{key}'; expected a URL, or a prefix of URLs that ends in '/'.",
            "Write the address as the card does, with its scheme (https://, hf://, ...).",
        )
    if not isinstance(value, str) or not value:
        return "", (
            "found no text; expected a local path or another URL.",
            "Quote the path.",
        )
    is_prefix = key.endswith("/")
    if has_scheme(value) and not value.startswith("file://"):
        if is_prefix and not value.endswith("/"):
            return "", (f"a prefix is mapped to '{value}', which is none.", "End it in '/'.")
        return value, None
    try:
        local = folder / Path(value.removeprefix("file://")).expanduser()
    except RuntimeError:
        return "", (f"'{value}' names the home of a user who is not known.", "Write the path out.")
    try:
        is_there = local.exists()
    except OSError as problem:
        return "", (
            f"'{local}' cannot be looked up ({problem.strerror}).",
            "Correct the path, or grant access to it.",
        )
    if not is_there and "*" not in value:
        return "", (f"there is no '{local}'.", "Correct the path, or remove the line.")
    if is_prefix:
        if not local.is_dir():
            return "", (
                f"a prefix is mapped to the file '{local}'; expected a folder.",
                "Name the folder, or write the whole URL as the key.",
            )
        return f"{local}/", None
    if "*" in key.partition("::")[0] and local.is_dir():
        return f"{local}/{_from_star(key)}", None
    return str(local), None


def _from_star(address: str) -> str:
    """What of an address, or of a member of an archive, follows the last folder without `*`."""
    member = address.partition("::")[0]
    return member[member.rfind("/", 0, member.index("*")) + 1 :]
