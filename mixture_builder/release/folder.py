"""A release as a folder on this machine: what will stand on the Hub, file for file.

The shards are those of the mixture itself (linked, not copied, where the disk allows it), so the
manifest beside them holds. `release.json` names every file with its SHA-256 and is written last.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from mixture_builder.citations import bibliography, citations_of
from mixture_builder.dataset_card import (
    CARD_NAME,
    CITATIONS_NAME,
    LICENCES_NAME,
    WHOLE,
    CardConfig,
    Published,
    dataset_card,
    licences_text,
)
from mixture_builder.errors import UsageError
from mixture_builder.export.plan import EXPORT_NAME
from mixture_builder.io.atomic import atomic_output, sha256_of, temporary_name
from mixture_builder.io.example_schema import features_list
from mixture_builder.manifest import LOCK_NAME, MANIFEST_NAME
from mixture_builder.release.croissant import CROISSANT_NAME, croissant
from mixture_builder.release.gate import AUDIT_FILE

RELEASE_NAME = "release.json"
RELEASE_VERSION = 1

PARTS = "submixtures"
"""Folder of the configs that hold one submixture each."""

LAST = (CARD_NAME, CROISSANT_NAME, RELEASE_NAME, MANIFEST_NAME)
"""Files without which a release is not complete; they are sent with its last commit."""

_OURS = frozenset(
    [*LAST, LICENCES_NAME, CITATIONS_NAME, LOCK_NAME, "data", PARTS, AUDIT_FILE.split("/")[0]]
)


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


def claim_folder(folder: Path, *, ours: frozenset[str] = _OURS) -> None:
    """Makes the folder, or takes one that holds nothing but a release.

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


def clear_other_parts(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Removes configs that were written for another state of the mixture."""
    parts = folder / PARTS
    try:
        known = json.loads((parts / EXPORT_NAME).read_bytes())["mixture"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    same = all(known.get(key) == manifest[key] for key in ("name", "fingerprint", "content_digest"))
    if not same:
        shutil.rmtree(parts)


def remove_parts(folder: Path) -> None:
    """Removes the configs of an earlier release that had some."""
    shutil.rmtree(folder / PARTS, ignore_errors=True)


def fill_folder(
    mixture: Path,
    manifest: Mapping[str, Any],
    *,
    folder: Path,
    description: str,
    published: Published,
    loaded: int,
) -> Release:
    """Brings the folder into the state that is to be published.

    Args:
      mixture: folder of the mixture.
      manifest: plain data of its manifest.
      folder: of the release; configs of submixtures stand there already, if there are any.
      description: what the recipe says the mixture is for.
      published: what the card says about this release.
      loaded: bytes of the mixture as Arrow tables.

    Raises:
      BuildError: if something cannot be written.
    """
    files = [
        ReleaseFile(file=s["file"], bytes=s["bytes"], sha256=s["sha256"])
        for s in manifest["shards"]
    ]
    for entry in files:
        _bring(mixture / entry.file, folder / entry.file)
    for name in (LOCK_NAME, MANIFEST_NAME):
        _bring(mixture / name, folder / name)
    if published.audit is not None:
        text = json.dumps(published.audit, ensure_ascii=False, indent=1) + "\n"
        write_text(folder / AUDIT_FILE, text)
    else:
        shutil.rmtree(folder / AUDIT_FILE.split("/")[0], ignore_errors=True)
    whole = CardConfig(
        name=WHOLE,
        path="data/train-*.parquet",
        examples=manifest["realised"],
        stored=manifest["bytes"],
        loaded=loaded,
    )
    configs = [whole, *_parts(folder)]
    features = features_list()
    write_sources(folder, manifest)
    write_text(
        folder / CARD_NAME,
        dataset_card(
            manifest,
            description=description,
            features=features,
            configs=configs,
            published=published,
        ),
    )
    day = _day_of(folder, manifest)
    described = croissant(
        manifest,
        description=description.strip() or f"The instruction-tuning mixture {manifest['name']}.",
        configs=configs,
        features=features,
        repository=published.repository,
        published=day,
        manifest_sha256=_sha256(folder / MANIFEST_NAME),
    )
    write_text(folder / CROISSANT_NAME, json.dumps(described, ensure_ascii=False, indent=1) + "\n")
    known = {entry.file: entry for entry in [*files, *_part_files(folder)]}
    _remove_others(folder / "data", folder, known)
    return seal(
        folder,
        known=known,
        about={
            "kind": "mixture",
            "name": manifest["name"],
            "repository": published.repository,
            "published": day,
            "fingerprint": manifest["fingerprint"],
            "content_digest": manifest["content_digest"],
            "configs": [asdict(config) for config in configs],
        },
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
    return ReleaseFile(file=name, bytes=path.stat().st_size, sha256=_sha256(path))


def _names(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not any(part.startswith(".") for part in name.split("/")):
            yield name


def _bring(source: Path, target: Path) -> None:
    """Puts a file into the folder: the same one under another name, or else a copy."""
    if target.exists() and os.path.samefile(source, target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(temporary_name(target.name))
    try:
        os.link(source, partial)
    except OSError:
        shutil.copyfile(source, partial)
    os.replace(partial, target)


def write_text(path: Path, text: str) -> None:
    """Writes a file in one step; one that holds the text already stays untouched."""
    content = text.encode("utf-8", "replace")
    if path.is_file() and path.read_bytes() == content:
        return
    with atomic_output(str(path)) as output:
        output.write(content)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return sha256_of(stream)


def git_hash(content: bytes) -> str:
    """The name that git gives to a file's content; the Hub lists small files by it."""
    head = f"blob {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def _parts(folder: Path) -> Sequence[CardConfig]:
    """Configs of submixtures, as the export that wrote them describes them."""
    readme = folder / PARTS / CARD_NAME
    if not readme.is_file():
        return []
    head = yaml.safe_load(readme.read_text(encoding="utf-8").split("---\n")[1])
    paths = {c["config_name"]: c["data_files"][0]["path"] for c in head["configs"]}
    return [
        CardConfig(
            name=info["config_name"],
            path=f"{PARTS}/{paths[info['config_name']]}",
            examples=info["splits"][0]["num_examples"],
            stored=info["download_size"],
            loaded=info["dataset_size"],
        )
        for info in head["dataset_info"]
    ]


def _part_files(folder: Path) -> list[ReleaseFile]:
    try:
        exported = json.loads((folder / PARTS / EXPORT_NAME).read_bytes())
    except FileNotFoundError:
        return []
    return [
        ReleaseFile(file=f"{PARTS}/{f['file']}", bytes=f["bytes"], sha256=f["sha256"])
        for f in exported["files"]
    ]


def _remove_others(below: Path, folder: Path, known: Mapping[str, ReleaseFile]) -> None:
    """Shards of an earlier release; they would be published with this one."""
    for path in sorted(below.rglob("*")):
        if path.is_file() and path.relative_to(folder).as_posix() not in known:
            path.unlink()


def _day_of(folder: Path, manifest: Mapping[str, Any]) -> str:
    """The day on which this content was first prepared, so that the same release is the same."""
    try:
        earlier = json.loads((folder / RELEASE_NAME).read_bytes())
        if earlier["content_digest"] == manifest["content_digest"]:
            return str(earlier["published"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return datetime.now(tz=timezone.utc).date().isoformat()
