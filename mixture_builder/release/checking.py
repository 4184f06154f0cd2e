"""Is a published mixture what its `release.json` says? For the files that no manifest names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import fsspec

from mixture_builder.errors import VerifyError
from mixture_builder.findings import Finding, error
from mixture_builder.io.atomic import sha256_of
from mixture_builder.release.pushing import read_release
from mixture_builder.release.sealing import RELEASE_NAME


def check_release(out: str, manifest: Mapping[str, Any] | None) -> list[Finding]:
    """What differs from `release.json`; nothing where there is none.

    Args:
      out: folder or URL of the mixture.
      manifest: plain data of its manifest, whose shards are checked by themselves; `None` for a
        release without data, which has none.
    """
    files, root = fsspec.core.url_to_fs(out)
    where = f"{out}/{RELEASE_NAME}"
    if not files.exists(f"{root}/{RELEASE_NAME}"):
        return []
    try:
        plain = read_release(files.cat_file(f"{root}/{RELEASE_NAME}"), where=where)
    except VerifyError as problem:
        return [error(where, "", str(problem).removeprefix(f"{where}: "))]
    findings = []
    for key in ("fingerprint", "content_digest") if manifest else ():
        assert manifest  # as was asked
        if plain.get(key) != manifest[key]:
            findings.append(
                error(
                    where,
                    key,
                    f"found {plain.get(key)}; the manifest says {manifest[key]}.",
                    "They are of two releases: release again.",
                )
            )
    shards = {shard["file"] for shard in manifest["shards"]} if manifest else set()
    for entry in plain["files"]:
        if entry["file"] not in shards and (wrong := _difference(files, root, entry)):
            findings.append(error(f"{out}/{entry['file']}", "", wrong, "Release again."))
    return findings


def recipe_release(out: str) -> dict[str, Any] | None:
    """The record of a release without data; `None` if there is something else.

    Args:
      out: folder or URL.
    """
    files, root = fsspec.core.url_to_fs(out)
    try:
        content = files.cat_file(f"{root}/{RELEASE_NAME}")
        plain = read_release(content, where=f"{out}/{RELEASE_NAME}")
    except (OSError, VerifyError):
        return None
    return plain if plain.get("kind") == "recipe" else None


def _difference(files: Any, root: str, entry: Mapping[str, Any]) -> str:
    try:
        with files.open(f"{root}/{entry['file']}", "rb") as stream:
            found = sha256_of(stream)
    except FileNotFoundError:
        return "the file is missing."
    except OSError as problem:
        return f"the file cannot be read: {problem.strerror or problem}."
    if found == entry["sha256"]:
        return ""
    return f"found the SHA-256 {found[:16]}...; release.json says {entry['sha256'][:16]}...."
