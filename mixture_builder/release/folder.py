"""A release as a folder on this machine: what will stand on the Hub, file for file.

The shards are those of the mixture itself (linked, not copied, where the disk allows it), so the
manifest beside them holds.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from mixture_builder.dataset_card.card import CARD_NAME, Published, dataset_card
from mixture_builder.dataset_card.head import WHOLE, CardConfig
from mixture_builder.dataset_card.sources import CITATIONS_NAME, LICENCES_NAME
from mixture_builder.export.plan import EXPORT_NAME
from mixture_builder.io.atomic import temporary_name
from mixture_builder.io.example_schema import features_list
from mixture_builder.manifest import LOCK_NAME, MANIFEST_NAME
from mixture_builder.release.croissant import CROISSANT_NAME, croissant
from mixture_builder.release.gate import AUDIT_FILE
from mixture_builder.release.sealing import (
    LAST,
    RELEASE_NAME,
    Release,
    ReleaseFile,
    seal,
    sha256_of_file,
    write_sources,
    write_text,
)

PARTS = "submixtures"
"""Folder of the configs that hold one submixture each."""

OURS = frozenset(
    [*LAST, LICENCES_NAME, CITATIONS_NAME, LOCK_NAME, "data", PARTS, AUDIT_FILE.split("/")[0]]
)
"""What a release with data has in its folder."""


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
        manifest_sha256=sha256_of_file(folder / MANIFEST_NAME),
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
