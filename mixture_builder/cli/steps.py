"""Load and ingest, as several commands do them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mixture_builder.cli.output import indented, many
from mixture_builder.cli.progress import JobLog
from mixture_builder.errors import BuildError

if TYPE_CHECKING:
    from mixture_builder.io.stored_task import StoredTask
    from mixture_builder.jobs.loading import LoadedRecipe
    from mixture_builder.jobs.runner import Runner
    from mixture_builder.jobs.sieve import Sieved

LEFT_OUT = 3
"""Exit code when the work is done, but not for all tasks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ingested:
    """Rows of a mixture's tasks.

    Attributes:
      stored: by task.
      there_before: tasks that were stored already.
      left_out: tasks (or card files) that cannot be built, and why.
    """

    mixture: LoadedRecipe
    stored: Mapping[str, StoredTask]
    there_before: frozenset[str]
    left_out: Mapping[str, str]


def start_log(*, as_json: bool) -> JobLog:
    """The log of this run, also for errors that end it."""
    log = JobLog(as_json=as_json)
    if as_json:
        click.get_current_context().meta["log"] = log
    return log


def load(
    recipe: str,
    *,
    seed: int | None = None,
    cards: Path | None = None,
    templates: Path | None = None,
) -> LoadedRecipe:
    """The mixture of a recipe that the user named.

    Raises:
      UsageError: if there is no such recipe.
      InvalidFilesError: if it has errors.
    """
    from mixture_builder.jobs.loading import load_mixture
    from mixture_builder.shipped import find_recipe

    path = find_recipe(recipe)
    return load_mixture(path, shown_as=recipe, seed=seed, cards=cards, templates=templates)


def ingest(
    mixture: LoadedRecipe,
    *,
    store: Path,
    runner: Runner,
    log: JobLog,
    strict: bool,
    mirror: Path | None = None,
    offline: bool = False,
) -> Ingested:
    """Brings the rows of all tasks into the store and says what is left out.

    Raises:
      BuildError: if something is left out or in quarantine, and `strict` forbids it.
    """
    from mixture_builder.io.mirror import Mirror
    from mixture_builder.jobs.storing import ingest_mixture

    log.event("ingest_started", recipe=mixture.recipe.name, tasks=len(mixture.cards))
    copies = Mirror.load(mirror, offline=offline) if mirror else Mirror.empty(offline=offline)
    there_before = set()
    outcome: list[Sieved] = []
    total = sum(task not in mixture.broken for task in mixture.cards)
    with log.bar("ingest", total=total, unit="tasks") as bar:

        def tell(task: str, result: StoredTask | str, already: bool) -> None:  # noqa: FBT001
            if isinstance(result, str):
                bar.advance(1)
                return
            if already:
                there_before.add(task)
            else:
                bar.rows(result.records)
            bar.advance(1, already=already)
            log.event(
                "task",
                task=task,
                rows=result.rows,
                records=result.records,
                filtered=result.filtered,
                duplicates=result.duplicates,
                quarantined=dict(result.quarantined),
                already_stored=already,
            )

        stored, broken = ingest_mixture(
            mixture,
            store=store,
            mirror=copies,
            runner=runner,
            on_task=tell,
            on_sieved=outcome.append,
        )
    for sieved in outcome:
        _tell_sieved(sieved, log=log, strict=strict)
    left_out = {**mixture.broken, **broken}
    for task, why in sorted(left_out.items()):
        log.say("left_out", f"left out: {task}\n{indented(why)}", task=task, reason=why)
    if left_out and strict:
        raise BuildError(
            f"{len(left_out)} of {len(mixture.owners)} tasks cannot be built, and --strict allows "
            "none to be left out; nothing was built. Mend what is named above, or exclude these "
            "tasks in the recipe."
        )
    bad = {task: sum(s.quarantined.values()) for task, s in stored.items() if s.quarantined}
    if bad and strict:
        listed = ", ".join(f"{task} ({count:,})" for task, count in list(bad.items())[:5])
        more = f" and {len(bad) - 5} more tasks" if len(bad) > 5 else ""
        raise BuildError(
            f"{sum(bad.values()):,} records are in quarantine, and --strict allows none: {listed}"
            f"{more}; nothing was built. `ingest --json` counts them by reason. Mend the sources, "
            "or filter such records with `keep` in the cards."
        )
    return Ingested(
        mixture=mixture, stored=stored, there_before=frozenset(there_before), left_out=left_out
    )


def _tell_sieved(sieved: Sieved, *, log: JobLog, strict: bool) -> None:
    for task, stored in sieved.stored.items():
        if stored.excluded:
            log.event("excluded", task=task, rows=stored.rows, excluded=dict(stored.excluded))
    missing = sum(sieved.missing.values())
    if not missing:
        return
    first = min(sieved.missing)
    told = (
        f"lists of excluded rows name {many(missing, 'row')} of "
        f"{many(len(sieved.missing), 'task')} that the store does not hold, the first of {first}: "
        "sources or cards have changed since the lists were written. Write the lists anew."
    )
    if strict:
        raise BuildError(f"{told} --strict allows no such row; nothing was built.")
    log.say("excluded_missing", told, tasks=dict(sieved.missing))
