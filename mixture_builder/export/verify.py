"""Is an export what its manifest says: every file there, with its bytes, and no other beside?

An export has no reader of our own for each of its forms, so its files are compared byte by byte:
the SHA-256 decides. What each file holds was checked against the mixture when it was written.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import fsspec

from mixture_builder.errors import VerifyError
from mixture_builder.export.plan import EXPORT_NAME, EXPORT_VERSION
from mixture_builder.findings import Finding, Severity, error
from mixture_builder.io.atomic import sha256_of

Manifest = Mapping[str, Any]

_NUMBER = re.compile(r"[0-9]+")

_AGAIN = "Delete the folder and export again, or fetch a fresh copy of the file."
_CHANGED = "The manifest was changed. Delete the folder and export again."


@dataclass(frozen=True, kw_only=True, slots=True)
class FileCheck:
    """What is to be checked of one file; small and picklable, for workers.

    Attributes:
      out: folder or URL of the export.
      entry: plain data of the file in the manifest.
    """

    out: str
    entry: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedFile:
    """What reading one file gave.

    Attributes:
      bytes: that the manifest names; for the progress shown.
    """

    bytes: int
    findings: tuple[Finding, ...]


def is_export(out: str) -> bool:
    """Whether a folder holds the manifest of an export."""
    files, root = fsspec.core.url_to_fs(out)
    return bool(files.exists(f"{root}/{EXPORT_NAME}"))


def load_export(out: str) -> dict[str, Any]:
    """Plain data of an export's manifest.

    Raises:
      VerifyError: if it cannot be understood.
    """
    path = f"{out}/{EXPORT_NAME}"
    try:
        with fsspec.open(path, "rb") as file:
            loaded = json.load(file)
    except (OSError, ValueError) as problem:
        raise VerifyError(f"{path}: the manifest cannot be read ({problem}). {_CHANGED}") from None
    found = loaded.get("export_version") if isinstance(loaded, dict) else None
    if found != EXPORT_VERSION:
        raise VerifyError(
            f"{path}: found export_version {found}; expected {EXPORT_VERSION}. Use the version of "
            "mixture-builder that wrote it, or export again."
        )
    manifest: dict[str, Any] = loaded
    return manifest


def file_checks(out: str, manifest: Manifest) -> list[FileCheck]:
    """One check a file."""
    return [FileCheck(out=out, entry=entry) for entry in manifest["files"]]


def check_file(check: FileCheck) -> CheckedFile:
    """Size and SHA-256 of one file; damage becomes a finding, never an exception."""
    entry = check.entry
    url = f"{check.out}/{entry['file']}"
    return CheckedFile(bytes=entry["bytes"], findings=tuple(_file_findings(url, entry)))


def _file_findings(url: str, entry: Mapping[str, Any]) -> Iterator[Finding]:
    expected = f"{entry['bytes']:,} bytes with SHA-256 {entry['sha256'][:16]}..."
    try:
        with fsspec.open(url, "rb") as file:
            found = sha256_of(file)
            size = file.tell()
    except FileNotFoundError:
        rows = f" and {entry['rows']:,} rows" if entry["rows"] else ""
        message = f"the file is missing; expected {entry['bytes']:,} bytes{rows}."
        yield error(url, "bytes", message, _AGAIN)
    except OSError as problem:
        message = f"the file cannot be read: {problem.strerror or problem}."
        yield error(url, "bytes", message, "Check access to it, then verify again.")
    else:
        if (found, size) != (entry["sha256"], entry["bytes"]):
            message = f"bytes differ: found {size:,} with SHA-256 {found[:16]}..., expected "
            yield error(url, "bytes", f"{message}{expected}.", _AGAIN)


def check_export(out: str, manifest: Manifest) -> list[Finding]:
    """Whether manifest and folder agree on names and sums; files are not read."""
    return [*_check_names(out, manifest), *_check_sums(out, manifest)]


def _check_names(out: str, manifest: Manifest) -> Iterator[Finding]:
    """Files that the manifest does not list.

    One whose name differs from that of a listed file in numbers only would be read with the
    others. Anything else, such as an index that a reader has left, is only mentioned.
    """
    files, root = fsspec.core.url_to_fs(out)
    listed = {entry["file"] for entry in manifest["files"]}
    shapes = {_NUMBER.sub("0", name) for name in listed}
    prefix = f"{str(root).rstrip('/')}/"
    for path in sorted(map(str, files.find(root))):
        name = path.removeprefix(prefix)
        if name in listed or name == EXPORT_NAME:
            continue
        message = f"{EXPORT_NAME} does not list this file."
        if _NUMBER.sub("0", name) in shapes:
            remedy = "A reader takes it for one of its data files. Move it elsewhere."
            yield error(f"{out}/{name}", "name", message, remedy)
        else:
            yield Finding(
                severity=Severity.NOTE,
                file=f"{out}/{name}",
                place="name",
                message=message,
                remedy="",
            )


def _check_sums(out: str, manifest: Manifest) -> Iterator[Finding]:
    path = f"{out}/{EXPORT_NAME}"
    total = sum(entry["bytes"] for entry in manifest["files"])
    if total != manifest["bytes"]:
        message = f"found {manifest['bytes']:,}; the files come to {total:,}."
        yield error(path, "bytes", message, _CHANGED)
    counted: Counter[str] = Counter()
    for counts in manifest["tasks"].values():
        counted.update(counts)
    for split, count in manifest["examples"].items():
        if counted[split] != count:
            message = f"found {count:,} examples; the tasks come to {counted[split]:,}."
            yield error(path, f"examples.{split}", message, _CHANGED)
    every, realised = sum(manifest["examples"].values()), manifest["mixture"]["realised"]
    if every != realised:
        message = f"found {every:,} in all splits; the mixture has {realised:,}."
        yield error(path, "examples", message, _CHANGED)
