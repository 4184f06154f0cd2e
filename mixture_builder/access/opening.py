"""From what a user names (a recipe, a lock, a built folder) to a lock with rows under it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import fsspec

from mixture_builder.errors import StoreError, UsageError, VerifyError
from mixture_builder.io.remote_store import META_NAME
from mixture_builder.io.stored_task import StoredTask, find_task, task_fingerprint, task_folder
from mixture_builder.jobs.build import check_store
from mixture_builder.jobs.inspect.records import load_lock, load_manifest, read_lock
from mixture_builder.lock import Lock
from mixture_builder.manifest import LOCK_NAME, MANIFEST_NAME
from mixture_builder.shipped import default_store, find_recipe

_LISTED = 3
"""Tasks that an error names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """What was found.

    Attributes:
      kind: `recipe`, `lock` or `mixture`.
      lock: of the mixture.
      store: root of the row store.
      shards: how many of the lock's shards there are, from the first on.
      dropped: by shard and task the draws that come to nothing; `None` if that is not known.
      manifest: of a built mixture.
    """

    kind: str
    lock: Lock
    store: Path
    shards: int
    dropped: Mapping[int, Mapping[str, Sequence[int]]] | None = None
    manifest: Mapping[str, Any] | None = None


def kind_of(source: str) -> str:
    """What a name stands for: `mixture` (a folder with a manifest), `lock` or `recipe`."""
    files, root = fsspec.core.url_to_fs(source)
    if files.exists(f"{root}/{MANIFEST_NAME}") or files.exists(f"{root}/{LOCK_NAME}"):
        return "mixture"
    if Path(source).name.endswith(".lock.yaml"):
        return "lock"
    return "recipe"


def open_mixture(
    source: str | PathLike[str] | Lock,
    *,
    store: str | PathLike[str] | None,
    seed: int | None = None,
    cards: Path | None = None,
    templates: Path | None = None,
    leave_out: bool = False,
) -> Opened:
    """Opens a source; see `Mixture.open` for arguments and errors."""
    rows = default_store() if store is None else Path(store).expanduser().absolute()
    if isinstance(source, Lock):
        return _of_lock(source, rows)
    name = fspath(source).rstrip("/") or fspath(source)
    kind = kind_of(name)
    given = [
        key
        for key, value in (("seed", seed), ("cards", cards), ("templates", templates))
        if value is not None
    ]
    if given and kind != "recipe":
        raise UsageError(
            f"{name}: found {' and '.join(given)} beside a {kind}, which decides that itself; "
            "expected them beside a recipe only."
        )
    if kind == "mixture":
        return _of_folder(name, rows)
    if kind == "lock":
        return _of_lock(read_lock(name), rows)
    return _of_recipe(name, rows, seed=seed, cards=cards, templates=templates, leave_out=leave_out)


def _check_rows_are_there(lock: Lock, store: Path) -> None:
    """Refuses a store that lacks tasks; whether rows are the right ones is seen as they are used.

    Raises:
      StoreError: naming the first task that is missing.
    """
    folders = (task_folder(store, task, locked.stored) for task, locked in lock.tasks.items())
    if not all(os.path.exists(folder / META_NAME) for folder in folders):
        from mixture_builder.io.stored_task import stored_tasks

        check_store(lock, stored_tasks(lock, store=store))


def _of_lock(lock: Lock, store: Path) -> Opened:
    _check_rows_are_there(lock, store)
    return Opened(kind="lock", lock=lock, store=store, shards=lock.plan.shards)


def _of_folder(out: str, store: Path) -> Opened:
    manifest = load_manifest(out)
    lock = load_lock(out)
    if lock.fingerprint != manifest["fingerprint"]:
        raise VerifyError(
            f"{out}: found a lock with fingerprint {lock.fingerprint}; the manifest names "
            f"{manifest['fingerprint']}. One of them was changed: build the mixture again."
        )
    _check_rows_are_there(lock, store)
    return Opened(
        kind="mixture",
        lock=lock,
        store=store,
        shards=len(manifest["shards"]),
        dropped=_dropped_draws(out, manifest),
        manifest=manifest,
    )


def _dropped_draws(out: str, manifest: Mapping[str, Any]) -> dict[int, dict[str, list[int]]]:
    """The draws that a build has dropped, by shard and task.

    Raises:
      VerifyError: if the manifest counts some that it does not name.
    """
    result: dict[int, dict[str, list[int]]] = {}
    for shard, entry in enumerate(manifest["shards"]):
        for task, reasons in entry.get("dropped", {}).items():
            draws = sorted(k for of_reason in reasons.values() for k in of_reason)
            result.setdefault(shard, {})[task] = draws
    named = sum(len(draws) for tasks in result.values() for draws in tasks.values())
    counted = sum(sum(task["dropped"].values()) for task in manifest["tasks"].values())
    if named != counted:
        raise VerifyError(
            f"{out}/{MANIFEST_NAME}: found {named:,} dropped draws under shards; the tasks come to "
            f"{counted:,}. It was built by an earlier version, or changed: build it again."
        )
    return result


def _of_recipe(
    name: str,
    store: Path,
    *,
    seed: int | None,
    cards: Path | None,
    templates: Path | None,
    leave_out: bool,
) -> Opened:
    # Of a mixture that is locked already nothing is loaded, and its first record comes the sooner.
    from mixture_builder.jobs.loading import load_mixture
    from mixture_builder.jobs.locking import lock_mixture

    mixture = load_mixture(
        find_recipe(name), shown_as=name, seed=seed, cards=cards, templates=templates
    )
    stored: dict[str, StoredTask] = {}
    missing: dict[str, str] = {}
    for task, card in mixture.cards.items():
        if task in mixture.broken:
            continue
        found = find_task(store, task, task_fingerprint(card))
        if found is None:
            missing[task] = "its rows are not in the store"
        else:
            stored[task] = found
    absent = {**mixture.broken, **missing}
    if absent and not leave_out:
        listed = ", ".join(list(absent)[:_LISTED]) + (", ..." if len(absent) > _LISTED else "")
        raise StoreError(
            f"{store}: found no rows of {len(absent):,} of the {len(mixture.cards):,} tasks of "
            f"{name}: {listed}. Run `mixture-builder ingest {name}`, name their store, or leave "
            "these tasks out (`leave_out=True`)."
        )
    lock = lock_mixture(mixture, stored=stored, broken=missing, store=store)
    return Opened(kind="recipe", lock=lock, store=store, shards=lock.plan.shards)
