"""What every release is: a folder of files, each of which `release.json` names with its SHA-256.

`release.json` is written last.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mixture_builder.citations import bibliography, citations_of
from mixture_builder.dataset_card.card import CARD_NAME
from mixture_builder.dataset_card.sources import CITATIONS_NAME, LICENCES_NAME, licences_text
from mixture_builder.errors import UsageError
from mixture_builder.io.atomic import atomic_output, sha256_of
from mixture_builder.manifest import MANIFEST_NAME
from mixture_builder.release.croissant import CROISSANT_NAME

RELEASE_NAME = "release.json"
RELEASE_VERSION = 1

LAST = (CARD_NAME, CROISSANT_NAME, RELEASE_NAME, MANIFEST_NAME)
"""Files without which a release is not complete; they are sent with its last commit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseFile:
    """One file of a release.

    Attributes:
      file: path below the folder, and in the repository.
      bytes: its size.
      sha256: of its bytes.
    """

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """What is to be published.

    Attributes:
      folder: where it stands.
      name: of the mixture.
      kind: `mixture`, or `recipe` for one without data.
      files: all of them; those in `LAST` at the end.
      digest: SHA-256 of `release.json`; names the release.
    """

    folder: Path
    name: str
    kind: str
    files: tuple[ReleaseFile, ...]
    digest: str

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(f.bytes for f in self.files)


def claim_folder(folder: Path, *, ours: frozenset[str]) -> None:
    """Makes the folder, or takes one that holds nothing but a release.

    Args:
      folder: of the release.
      ours: names of what a release of its kind has in it.

    Raises:
      UsageError: if it holds something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    others = sorted(p.name for p in folder.iterdir() if p.name not in ours and p.name[0] != ".")
    if others:
        raise UsageError(
            f"--out {folder}: found a folder that holds something else ({others[0]}); expected an "
            "empty one, a new one or an earlier release. Choose another --out."
        )


def write_sources(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Writes the lists of licences and of papers to cite; the second only if there are any."""
    write_text(folder / LICENCES_NAME, licences_text(manifest))
    if citations_of(manifest):
        write_text(folder / CITATIONS_NAME, bibliography(manifest))
    else:
        (folder / CITATIONS_NAME).unlink(missing_ok=True)


def seal(folder: Path, *, known: Mapping[str, ReleaseFile], about: Mapping[str, Any]) -> Release:
    """Writes `release.json`, which names all files of the folder, and gives the release.

    Args:
      folder: of the release.
      known: files whose SHA-256 need not be worked out.
      about: what else stands in it, `name` and `fingerprint` among it.
    """
    files = [
        known.get(name) or describe(folder, name)
        for name in sorted(_names(folder))
        if name != RELEASE_NAME
    ]
    plain = {"release_version": RELEASE_VERSION, **about, "files": [asdict(f) for f in files]}
    write_text(folder / RELEASE_NAME, json.dumps(plain, ensure_ascii=False, indent=1) + "\n")
    last = describe(folder, RELEASE_NAME)
    ordered = sorted([*files, last], key=lambda f: (f.file in LAST, f.file))
    return Release(
        folder=folder,
        name=str(about["name"]),
        kind=str(about["kind"]),
        files=tuple(ordered),
        digest=last.sha256,
    )


def describe(folder: Path, name: str) -> ReleaseFile:
    """Size and SHA-256 of a file of the folder."""
    path = folder / name
    return ReleaseFile(file=name, bytes=path.stat().st_size, sha256=sha256_of_file(path))


def _names(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not any(part.startswith(".") for part in name.split("/")):
            yield name


def write_text(path: Path, text: str) -> None:
    """Writes a file in one step; one that holds the text already stays untouched."""
    content = text.encode("utf-8", "replace")
    if path.is_file() and path.read_bytes() == content:
        return
    with atomic_output(str(path)) as output:
        output.write(content)


def sha256_of_file(path: Path) -> str:
    """Of the bytes of a file."""
    with path.open("rb") as stream:
        return sha256_of(stream)


def git_hash(content: bytes) -> str:
    """The name that git gives to a file's content; the Hub lists small files by it."""
    head = f"blob {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()
