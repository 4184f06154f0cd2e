"""A release without data: cards, templates, lock and digests; nothing that others have written.

Whoever can read the sources builds the mixture from it with `build --lock`, and checks it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mixture_builder.cards import TaskCard
from mixture_builder.dataset_card.card import CARD_NAME, Published, recipe_card
from mixture_builder.dataset_card.sources import CITATIONS_NAME, LICENCES_NAME
from mixture_builder.errors import InvalidFilesError
from mixture_builder.filters import is_filtered
from mixture_builder.findings import Finding, error
from mixture_builder.jobs.rebuild import CARDS_FOLDER, DIGESTS_NAME, cards_of
from mixture_builder.lock import Lock
from mixture_builder.manifest import LOCK_NAME
from mixture_builder.release.sealing import (
    RELEASE_NAME,
    Release,
    claim_folder,
    seal,
    write_sources,
    write_text,
)
from mixture_builder.styles import load_styles
from mixture_builder.template_files import load_templates
from mixture_builder.yaml_files import Loader
from mixture_builder.yaml_text import yaml_pieces

TEMPLATES_FOLDER = "templates"

_OURS = frozenset(
    [
        CARD_NAME,
        CITATIONS_NAME,
        LICENCES_NAME,
        LOCK_NAME,
        DIGESTS_NAME,
        RELEASE_NAME,
        CARDS_FOLDER,
        TEMPLATES_FOLDER,
    ]
)


def fill_recipe_folder(
    manifest: Mapping[str, Any],
    lock: Lock,
    *,
    folder: Path,
    cards: Path,
    templates: Path,
    published: Published,
) -> Release:
    """Puts together what the mixture is made from.

    Args:
      manifest: plain data of the mixture's manifest.
      lock: of the mixture.
      folder: of the release.
      cards: folder of the cards that it was built with.
      templates: folder of the templates.
      published: what the card says about this release.

    Raises:
      UsageError: if the folder holds something else.
      InvalidFilesError: if cards or templates are not those that the mixture was built with.
    """
    cards, templates = cards.resolve(), templates.resolve()
    used = cards_of(lock, cards)
    check_templates(lock, templates)
    claim_folder(folder, ours=_OURS)
    for name in (CARDS_FOLDER, TEMPLATES_FOLDER):
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in card_sources(used, cards):
        _copy(path, folder / CARDS_FOLDER / path.relative_to(cards))
    for name in sorted(lock.templates):
        _copy(templates / f"{name}.yaml", folder / TEMPLATES_FOLDER / f"{name}.yaml")
    if (templates / "styles").is_dir():
        for path in sorted((templates / "styles").glob("*.yaml")):
            _copy(path, folder / TEMPLATES_FOLDER / "styles" / path.name)
    write_text(folder / LOCK_NAME, _lock_text(lock))
    write_text(folder / DIGESTS_NAME, json.dumps(digests(manifest, lock), indent=1) + "\n")
    write_sources(folder, manifest)
    local = sorted(t for t, card in used.items() if _is_local(card))
    text = recipe_card(
        manifest,
        description=str(lock.recipe.get("description", "")),
        published=published,
        local=local,
    )
    write_text(folder / CARD_NAME, text)
    return seal(
        folder,
        known={},
        about={
            "kind": "recipe",
            "name": manifest["name"],
            "repository": published.repository,
            "fingerprint": manifest["fingerprint"],
            "content_digest": manifest["content_digest"],
        },
    )


def digests(manifest: Mapping[str, Any], lock: Lock) -> dict[str, Any]:
    """What the mixture comes to: enough to know it again, and no text of it."""
    keys = ("name", "fingerprint", "content_digest", "seed", "format", "asked", "realised")
    return {
        **{key: manifest[key] for key in keys},
        "versions": dict(manifest["versions"]),
        "shards": [dict(shard) for shard in manifest["shards"]],
        "tasks": {
            task: {"rows": lock_task.rows, "digest": lock.tasks[task].digest}
            for lock_task in lock.plan.tasks
            if (task := lock_task.task)
        },
    }


def check_templates(lock: Lock, folder: Path) -> None:
    """Refuses templates that are not those of the lock, and those that others have written.

    Raises:
      InvalidFilesError: naming the files.
    """
    findings: list[Finding] = []
    again = "Name the folder that the mixture was built with: --templates."
    for name, wanted in lock.templates.items():
        found, problems = load_templates(folder, name)
        if found is None:
            findings += problems
        elif found.origin != "ours":
            findings.append(
                error(
                    f"{folder.name}/{name}.yaml",
                    "origin",
                    "its templates were imported: they are texts of others, and a release "
                    "without data holds none.",
                    "Build the recipe with `templates_from: ours`, or release the mixture itself.",
                )
            )
        elif found.templates != wanted:
            findings.append(
                error(f"{folder.name}/{name}.yaml", "", "its templates are not the lock's.", again)
            )
    if (folder / "styles").is_dir():
        _, plain, problems = load_styles(folder)
        findings += problems
        if not problems and plain != lock.styles:
            findings.append(
                error(f"{folder.name}/styles", "", "its styles are not the lock's.", again)
            )
    if findings:
        raise InvalidFilesError(tuple(findings))


def card_sources(cards: Mapping[str, TaskCard], folder: Path) -> list[Path]:
    """The YAML files of cards and the tables of families; never a file of data."""
    paths = {Path(card.folder) / Path(card.file).name for card in cards.values()}
    found = set(paths)
    for path in paths:
        loaded = yaml.load(path.read_bytes(), Loader=Loader)  # noqa: S506  (the safe C loader)
        if isinstance(loaded, dict) and isinstance(loaded.get("members"), str):
            table = (path.parent / loaded["members"]).resolve()
            # A card of somebody else must not publish a file of ours.
            if table.is_relative_to(folder.resolve()):
                found.add(table)
    return sorted(found)


def _lock_text(lock: Lock) -> str:
    """The lock, without what messages about sources may quote of them."""
    plain = lock.to_json()
    plain["left_out"] = {
        task: why if is_filtered(why) else "could not be read when the lock was made"
        for task, why in plain["left_out"].items()
    }
    return b"".join(yaml_pieces(plain)).decode("utf-8")


def _is_local(card: TaskCard) -> bool:
    """Whether no source of a card can be read anywhere but where it stands."""
    return all(
        s.source.kind == "files" and not any("://" in f for f in s.source.files)
        for s in card.sources
    )


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
