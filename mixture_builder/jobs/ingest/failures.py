"""What the row store keeps of tasks that could not be ingested."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mixture_builder.cards import TaskCard
from mixture_builder.errors import StoreError
from mixture_builder.io.atomic import atomic_output
from mixture_builder.io.remote_store import origin
from mixture_builder.io.storage import read_whole, remove
from mixture_builder.io.stored_task import task_fingerprint, task_folder

FAILED_NAME = "failed.jsonl"
"""In a task's folder: why it could not be ingested, and its records in quarantine."""

_LOCATION = re.compile(r" \(read from [^()]*\)")


def _failure_places(store: Path, card: TaskCard) -> list[str]:
    """Where the failure of a task is told; at a URL under a name that needs no listing."""
    here = task_folder(store, card.id, task_fingerprint(card)) / FAILED_NAME
    there = [f"{origin(store)}/{card.id}/{FAILED_NAME}"] if origin(store) else []
    return [str(here), *there]


def keep_failure(
    store: Path, card: TaskCard, *, why: str, entries: Sequence[Mapping[str, Any]]
) -> None:
    """Keeps why a task could not be ingested, and its records in quarantine.

    Raises:
      BuildError: if the storage refuses.
    """
    detail = without_locations(why)
    reason = {"place": card.file, "reason": "left_out", "detail": detail, "excerpt": ""}
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in [reason, *entries])
    for place in _failure_places(store, card):
        with atomic_output(place, durable=False) as output:
            output.write(text.encode("utf-8", "replace"))


def forget_failure(store: Path, card: TaskCard) -> None:
    """Removes what `keep_failure` has kept."""
    here, *there = _failure_places(store, card)
    Path(here).unlink(missing_ok=True)
    remove(there)


def failed_texts(store: Path, task: str) -> list[str]:
    """What the store keeps of failures to ingest a task; of an earlier form of its card, too.

    Raises:
      StoreError: if the storage refuses.
    """
    texts = [p.read_text(encoding="utf-8") for p in sorted((store / task).glob(f"*/{FAILED_NAME}"))]
    if origin(store):
        url = f"{origin(store)}/{task}/{FAILED_NAME}"
        try:
            texts.append(read_whole(url).decode("utf-8"))
        except FileNotFoundError:
            pass
        except OSError as problem:
            raise StoreError(f"{url}: cannot be read ({problem}). Check access to it.") from problem
    return texts


def without_locations(message: str) -> str:
    """A message about a source without the place on this machine where it was read from.

    What goes into a mixture must be the same wherever it is built.
    """
    return _LOCATION.sub("", message)
