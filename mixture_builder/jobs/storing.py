"""The rows of a mixture's tasks, brought into the row store or found there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from mixture_builder.cards import TaskCard
from mixture_builder.errors import BuildError, SourceError
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.remote_store import origin
from mixture_builder.io.storage import at_once
from mixture_builder.io.stored_task import StoredTask, find_tasks, task_fingerprint
from mixture_builder.jobs.excluded import Excluded, excluded_of
from mixture_builder.jobs.ingest.planning import (
    is_stored,
    order_of_sources,
    plan_parts,
    remove_dead_work,
)
from mixture_builder.jobs.ingest.specs import PartSpec
from mixture_builder.jobs.loading import LoadedRecipe
from mixture_builder.jobs.resume import (
    alone_in_store,
)
from mixture_builder.jobs.runner import Runner
from mixture_builder.jobs.sieve import Sieved, counted_by_reason, sieve_tasks
from mixture_builder.jobs.sizing import keep_tokenizers


def ingest_mixture(
    mixture: LoadedRecipe,
    *,
    store: Path,
    mirror: Mirror,
    runner: Runner,
    on_task: Callable[[str, StoredTask | str, bool], None] | None = None,
    on_sieved: Callable[[Sieved], None] | None = None,
) -> tuple[dict[str, StoredTask], dict[str, str]]:
    """Brings the rows of all tasks into the store; those that are there are skipped.

    Args:
      mixture: as loaded.
      store: root of the row store.
      mirror: the user's copies of upstream files.
      runner: where jobs run.
      on_task: told of each task as it is finished: id, result, whether it was there before.
      on_sieved: told what came of leaving out the rows that the recipe's lists name.

    Returns:
      The stored tasks, without the rows that the recipe leaves out, and those that could not be
      ingested or of which no row is left, with the reason.

    Raises:
      InvalidFilesError: if a list of rows that the recipe names has errors, before any source is
        read.
    """
    excluded = excluded_of(mixture.recipe, mixture.owners)
    stored: dict[str, StoredTask] = {}
    broken: dict[str, str] = {}
    keep_tokenizers(mixture, store=store)

    def tell(task: str, result: StoredTask | str, *, there_before: bool = False) -> None:
        if isinstance(result, str):
            broken[task] = result
        else:
            stored[task] = result
        if on_task:
            on_task(task, result, there_before)

    pending: dict[str, int] = {}
    later: dict[str, list[int]] = {}
    sound = [card for task, card in mixture.cards.items() if task not in mixture.broken]

    def look_up(card: TaskCard) -> StoredTask | None:
        return is_stored(card, store=store, mirror=mirror)

    # A store elsewhere answers slowly, but many at a time.
    known = at_once(look_up, sound) if origin(store) else map(look_up, sound)
    for card, there in zip(sound, known, strict=True):
        task = card.id
        if there is None:
            pending[task], *later[task] = order_of_sources(card, mirror=mirror)
        else:
            tell(task, there, there_before=True)
    cards = {card.id: card for card in sound}
    if pending:
        with alone_in_store(store):
            # Of tasks that are stored, too: a worker may have been killed before another was done.
            remove_dead_work(store, cards)
            try:
                _ingest_pending(
                    mixture, pending, later, store=store, mirror=mirror, runner=runner, tell=tell
                )
            finally:
                # A worker that was killed has left its unfinished files.
                remove_dead_work(store, {task: cards[task] for task in later})
    elif (Path(store) / ".lock").exists():
        # An ingest that was killed when all was done has left its lock; a live one keeps it.
        with suppress(BuildError), alone_in_store(store):
            remove_dead_work(store, cards)
    stored = _without_excluded(stored, broken, excluded, store=store, on_sieved=on_sieved)
    return dict(sorted(stored.items())), dict(sorted(broken.items()))


def _without_excluded(
    stored: dict[str, StoredTask],
    broken: dict[str, str],
    excluded: Excluded,
    *,
    store: Path,
    on_sieved: Callable[[Sieved], None] | None = None,
) -> dict[str, StoredTask]:
    """The tasks without the rows that lists name; those of which no row is left are broken."""
    if not excluded:
        return stored
    sieved = sieve_tasks(stored, excluded, store=store)
    for task in [t for t, s in sieved.stored.items() if not s.rows]:
        found = counted_by_reason({task: sieved.stored.pop(task)})
        listed = ", ".join(f"{n:,} {reason}" for reason, n in found.items())
        broken[task] = f"{task}: lists of excluded rows leave no row of it ({listed})."
    if on_sieved:
        on_sieved(sieved)
    return sieved.stored


def _ingest_pending(
    mixture: LoadedRecipe,
    pending: dict[str, int],
    later: Mapping[str, list[int]],
    *,
    store: Path,
    mirror: Mirror,
    runner: Runner,
    tell: Callable[[str, StoredTask | str], None],
) -> None:
    """Ingests tasks from their first source that can be read; see `ingest_mixture`."""
    tried: dict[str, tuple[str, ...]] = {}
    while pending:
        parts, failed = _plan_all(mixture, pending, store=store, mirror=mirror)
        for task, result in runner.ingest(parts, tried):
            if isinstance(result, str):
                failed[task] = result
            else:
                tell(task, result)
        again: dict[str, int] = {}
        for task, why in failed.items():
            tried[task] = (*tried.get(task, ()), why)
            if later[task]:
                again[task] = later[task].pop(0)
            else:
                tell(task, " | ".join(tried[task]))
        pending = again


def _plan_all(
    mixture: LoadedRecipe, pending: Mapping[str, int], *, store: Path, mirror: Mirror
) -> tuple[list[list[PartSpec]], dict[str, str]]:
    """Parts of the tasks whose files are there, and why the others' are not."""
    parts: list[list[PartSpec]] = []
    failed: dict[str, str] = {}
    for task, alternative in pending.items():
        card = mixture.cards[task]
        try:
            parts.append(plan_parts(card, store=store, mirror=mirror, alternative=alternative))
        except SourceError as problem:
            failed[task] = str(problem)
    return parts, failed


def stored_mixture(
    mixture: LoadedRecipe, *, store: Path
) -> tuple[dict[str, StoredTask], dict[str, str]]:
    """The rows of all tasks as they are in the store, without a look at their sources.

    Returns:
      As `ingest_mixture`: those that are not stored are broken.
    """
    wanted = {
        task: task_fingerprint(card)
        for task, card in mixture.cards.items()
        if task not in mixture.broken
    }
    stored = find_tasks(store, wanted)
    why = "it is not in the store. Run ingest."
    broken = {task: f"{task}: {why}" for task in wanted if task not in stored}
    excluded = excluded_of(mixture.recipe, mixture.owners)
    stored = _without_excluded(stored, broken, excluded, store=store)
    return dict(sorted(stored.items())), dict(sorted(broken.items()))
