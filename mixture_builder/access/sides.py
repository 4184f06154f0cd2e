"""What can be compared: a recipe as it would be planned, a lock, a built mixture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mixture_builder.access.opening import kind_of, open_mixture
from mixture_builder.io.stored_task import find_task, task_fingerprint
from mixture_builder.jobs.inspect.counts import count_rows
from mixture_builder.jobs.inspect.records import load_lock, load_manifest, read_lock
from mixture_builder.jobs.loading import load_mixture
from mixture_builder.jobs.locking import lock_of_plan, plan_mixture
from mixture_builder.lock import Lock, LockedTask
from mixture_builder.shipped import find_recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of two things that are compared.

    Attributes:
      name: as the user named it.
      kind: `recipe`, `lock` or `mixture`.
      lock: what it comes to; of tasks that are not stored the digest of rows is empty.
      estimated: tasks whose number of rows only their card states.
      broken: tasks of a recipe that cannot be planned, and why.
      manifest: of a built mixture.
    """

    name: str
    kind: str
    lock: Lock
    store: Path
    estimated: frozenset[str] = frozenset()
    broken: Mapping[str, str] = field(default_factory=dict)
    manifest: Mapping[str, Any] | None = None


def load_side(
    source: str, *, store: Path, cards: Path | None = None, templates: Path | None = None
) -> Side:
    """Reads one side; rows need not be there, but for sizes in bytes or tokens.

    Args:
      source: a recipe, a lock file, or the folder or URL of a built mixture.
      store: root of the row store: for numbers of rows, and for rendering.
      cards: folder that replaces a recipe's, or the shipped one.
      templates: likewise.

    Raises:
      UsageError: if there is no such source.
      InvalidFilesError: if a recipe has errors.
      RecipeError: if no task is left, or a size is out of reach.
      VerifyError: if a lock or a manifest cannot be read.
      StoreError: if rows are needed that are not in the store.
    """
    name = source.rstrip("/") or source
    kind = kind_of(name)
    if kind == "mixture":
        manifest = load_manifest(name)
        lock = load_lock(name)
        return Side(name=source, kind=kind, lock=lock, store=store, manifest=manifest)
    if kind == "lock":
        return Side(name=source, kind=kind, lock=read_lock(name), store=store)
    loaded = load_mixture(find_recipe(name), shown_as=name, cards=cards, templates=templates)
    counts = count_rows(loaded, store=store)
    if loaded.recipe.size.measured:
        # How many examples such a size comes to is measured on stored rows.
        opened = open_mixture(name, store=store, cards=cards, templates=templates)
        return Side(name=source, kind=kind, lock=opened.lock, store=store)
    plan = plan_mixture(loaded, rows=counts.rows, broken=counts.unknown)
    locked = {}
    for task in plan.tasks:
        fingerprint = task_fingerprint(loaded.cards[task.task])
        known = task.task not in counts.estimated
        stored = find_task(store, task.task, fingerprint) if known else None
        locked[task.task] = LockedTask(stored=fingerprint, digest=stored.digest if stored else "")
    return Side(
        name=source,
        kind=kind,
        lock=lock_of_plan(loaded, plan, tasks=locked),
        store=store,
        estimated=counts.estimated & set(locked),
        broken={**loaded.broken, **counts.unknown},
    )
