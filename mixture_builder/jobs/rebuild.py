"""From a lock back to a mixture: the same rows, the same examples, the same digests.

Somebody publishes a lock, cards and digests, and no text of others. Whoever has the sources makes
the mixture from them, and knows at the end whether it is the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mixture_builder.card_facts import card_facts
from mixture_builder.card_files import load_cards
from mixture_builder.cards import TaskCard
from mixture_builder.errors import InvalidFilesError, StoreError, UsageError
from mixture_builder.findings import Finding, Severity, error
from mixture_builder.io.stored_task import StoredTask, task_fingerprint
from mixture_builder.jobs.finishing import versions
from mixture_builder.jobs.inspect.records import read_lock
from mixture_builder.jobs.loading import LoadedRecipe
from mixture_builder.lock import Lock
from mixture_builder.manifest import MANIFEST_NAME
from mixture_builder.recipes import recipe_from_json
from mixture_builder.shipped import cards_folder

DIGESTS_NAME = "digests.json"
"""What a mixture comes to, for those who do not have its files."""

CARDS_FOLDER = "cards"
"""Where the cards of a lock stand beside it, if they do."""

_NAMED = 5


def load_locked(path: Path, *, cards: Path | None) -> tuple[Lock, LoadedRecipe]:
    """A lock, and the cards that its rows are ingested by.

    Args:
      path: the file of the lock.
      cards: their folder; without one, `cards` beside the lock, or those that are shipped.

    Raises:
      VerifyError: if the lock cannot be understood.
      InvalidFilesError: if a card is missing, or asks for other rows than the lock was made for.
    """
    if not path.is_file():
        raise UsageError(f"--lock {path}: found no such file; expected a recipe.lock.yaml.")
    lock = read_lock(str(path))
    beside = path.parent / CARDS_FOLDER
    folder = cards or (beside if beside.is_dir() else cards_folder())
    found = cards_of(lock, folder)
    lock = replace(lock, cards=card_facts(found.values()))
    recipe = recipe_from_json(lock.recipe, file=str(path))
    owners = {part.path: part for part in recipe.root.walk()}
    return lock, LoadedRecipe(
        recipe=recipe,
        owners={t.task: owners.get(t.submixture, recipe.root) for t in lock.plan.tasks},
        cards=found,
        templates={},
        styles=lock.style_pools.styles,
        styles_plain=lock.styles,
        broken={},
    )


def cards_of(lock: Lock, folder: Path) -> dict[str, TaskCard]:
    """The cards of a lock's tasks.

    Raises:
      InvalidFilesError: if one is missing, has errors, or asks for other rows than the lock.
    """
    known, problems = load_cards(folder)
    findings: list[Finding] = []
    for task, locked in lock.tasks.items():
        if task not in known:
            findings.append(
                error(str(folder), task, "found no card of that id.", "Name the folder: --cards.")
            )
        elif task_fingerprint(known[task]) != locked.stored:
            findings.append(
                error(
                    known[task].file,
                    task,
                    "the card is not the one that the lock was made with: source, fields or `keep` "
                    "differ.",
                    "Take the cards that were published with the lock: --cards.",
                )
            )
    if findings:
        raise InvalidFilesError((*findings, *problems))
    return {task: known[task] for task in lock.tasks}


def check_rows(lock: Lock, stored: Mapping[str, StoredTask]) -> None:
    """Refuses sources that no longer hold what they held when the lock was made.

    Raises:
      StoreError: naming the tasks.
    """
    wrong = [t for t, locked in lock.tasks.items() if stored[t].digest != locked.digest]
    if wrong:
        more = f" and {len(wrong) - _NAMED:,} more" if len(wrong) > _NAMED else ""
        raise StoreError(
            f"the sources of {len(wrong):,} of {len(lock.tasks):,} tasks hold other rows than when "
            f"the lock was made: {', '.join(wrong[:_NAMED])}{more}. Get the files of that time and "
            "name them in a mirror (--mirror), or build from the recipe: another mixture."
        )


def expected_of(path: Path) -> dict[str, Any] | None:
    """What the files beside a lock say the mixture comes to; `None` if there are none."""
    for name in (DIGESTS_NAME, MANIFEST_NAME):
        beside = path.parent / name
        try:
            loaded = json.loads(beside.read_bytes())
            shards = [
                {key: s[key] for key in ("file", "sha256", "content_digest")}
                for s in loaded["shards"]
            ]
            return {
                "file": str(beside),
                "fingerprint": loaded["fingerprint"],
                "content_digest": loaded["content_digest"],
                "pyarrow": loaded["versions"].get("pyarrow"),
                "shards": shards,
            }
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise UsageError(
                f"{beside}: cannot be read ({problem}); expected the digests of the mixture that "
                "the lock beside it makes. Get it again."
            ) from None
    return None


def check_digests(expected: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[Finding]:
    """Where a mixture that was built again is not what it was.

    Args:
      expected: from `expected_of`.
      manifest: of the mixture that was built.
    """
    where = str(expected["file"])
    remedy = "This version of mixture-builder is not the one that made it."
    for key in ("fingerprint", "content_digest"):
        if expected[key] != manifest[key]:
            message = f"it says {expected[key]}; built again it is {manifest[key]}."
            yield error(where, key, message, remedy)
    theirs = {s["file"]: s for s in expected["shards"]}
    same_writer = expected["pyarrow"] == versions()["pyarrow"]
    for shard in manifest["shards"]:
        known = theirs.get(shard["file"], {})
        for key in ("content_digest", *(["sha256"] if same_writer else [])):
            if known.get(key) != shard[key]:
                message = f"it says {known.get(key)}; built again it is {shard[key]}."
                yield error(where, f"{shard['file']}: {key}", message, remedy)
                break
    if not same_writer:
        yield Finding(
            severity=Severity.NOTE,
            file=where,
            place="",
            message=f"it was written with pyarrow {expected['pyarrow']}, here is "
            f"{versions()['pyarrow']}: bytes may differ, so contents were compared.",
        )
