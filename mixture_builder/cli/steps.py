"""Load, ingest and build, as several commands do them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli.output import byte_size, counted, facts, indented, many
from mixture_builder.cli.progress import JobLog
from mixture_builder.errors import BuildError, UsageError

if TYPE_CHECKING:
    from mixture_builder.io.rowstore import StoredTask
    from mixture_builder.jobs.mixture import LoadedRecipe, Runner
    from mixture_builder.jobs.sieve import Sieved
    from mixture_builder.lock import Lock

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
    from mixture_builder.jobs.mixture import load_mixture
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
    from mixture_builder.jobs.mixture import ingest_mixture

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


def build(
    ingested: Ingested,
    *,
    store: Path,
    out: str,
    runner: Runner,
    log: JobLog,
    shards: int | None,
    format: str | None,  # noqa: A002
    take: int | Fraction | None = None,
    update: bool = False,
) -> dict[str, Any]:
    """Builds the mixture and gives a summary as plain data.

    Raises:
      UsageError: if more shards are to be taken than there are.
      RecipeError: if no task is left, or a size is out of reach.
      StoreError, BuildError: as for `jobs.mixture.build_mixture`.
    """
    from mixture_builder.jobs.mixture import lock_mixture

    lock: Lock = lock_mixture(
        ingested.mixture,
        stored=ingested.stored,
        broken=ingested.left_out,
        shards=shards or 0,
        format=format or "",
        store=store,
    )
    return build_locked(
        lock,
        ingested,
        store=store,
        out=out,
        runner=runner,
        log=log,
        take=take,
        update=update,
    )


def build_locked(
    lock: Lock,
    ingested: Ingested,
    *,
    store: Path,
    out: str,
    runner: Runner,
    log: JobLog,
    take: int | Fraction | None = None,
    update: bool = False,
) -> dict[str, Any]:
    """Builds the mixture of a lock whose rows are stored; gives a summary as plain data.

    Raises:
      UsageError: if more shards are to be taken than there are.
      StoreError, BuildError: as for `jobs.mixture.build_mixture`.
    """
    from mixture_builder.jobs.mixture import build_mixture
    from mixture_builder.jobs.shard_layout import ShardLayout
    from mixture_builder.manifest import ShardResult

    taken = _taken(lock, take)
    examples = ShardLayout(lock.plan).before(taken)
    kept = 0
    log.event("build_started", examples=examples, shards=taken)
    with log.bar("build", total=examples, unit="examples") as bar:
        half_done = 0

        def rendered(examples: int) -> None:
            # Rendering is one half of the way, writing the other.
            nonlocal half_done
            half_done += examples // 2
            bar.advance(examples // 2)

        def tell(result: ShardResult, already: bool) -> None:  # noqa: FBT001
            nonlocal half_done, kept
            kept += already
            credit = 0 if already else min(half_done, result.rows // 2)
            half_done -= credit
            bar.advance(result.rows - credit, already=already)
            log.event(
                "shard",
                shard=result.shard,
                file=result.file,
                examples=result.rows,
                bytes=result.bytes,
                already_built=already,
            )

        manifest = build_mixture(
            lock,
            store=store,
            out=out,
            runner=runner,
            on_shard=tell,
            on_rendered=rendered,
            take=taken,
            update=update,
        )
    summary = summarise(
        manifest,
        out=out,
        left_out=ingested.left_out,
        filtered=ingested.mixture.filtered,
        kept=kept,
    )
    log.event("built", **{k: v for k, v in summary.items() if k != "left_out"})
    return summary


def _taken(lock: Lock, take: int | Fraction | None) -> int:
    """How many shards are to be built."""
    shards = lock.plan.shards
    if take is None:
        return shards
    if isinstance(take, Fraction):
        return -(-shards * take.numerator // take.denominator)
    if take > shards:
        raise UsageError(
            f"--take {take}: found more shards than the mixture has; expected 1 to {shards}, or a "
            "part of them such as 10%."
        )
    return take


def rebuild(
    lock_file: Path,
    *,
    cards: Path | None,
    store: Path,
    mirror: Path | None,
    offline: bool,
    out: str,
    runner: Runner,
    log: JobLog,
) -> dict[str, Any]:
    """Builds the mixture of a lock again and gives a summary as plain data.

    Raises:
      InvalidFilesError: if cards are not those of the lock.
      StoreError: if sources hold other rows than when the lock was made.
      VerifyError: if other digests come out than stand beside the lock.
    """
    from mixture_builder.errors import VerifyError
    from mixture_builder.findings import Report
    from mixture_builder.jobs.rebuild import check_digests, check_rows, expected_of, load_locked

    expected = expected_of(lock_file)
    lock, mixture = load_locked(lock_file, cards=cards)
    ingested = ingest(
        mixture,
        store=store,
        runner=runner,
        log=log,
        strict=False,
        mirror=mirror,
        offline=offline,
    )
    if ingested.left_out:
        raise BuildError(
            f"{len(ingested.left_out)} of {len(lock.tasks)} tasks cannot be read, and a lock needs "
            "all of them; nothing was built. Mend what is named above, or name copies with "
            "--mirror."
        )
    check_rows(lock, ingested.stored)
    summary = build_locked(
        lock,
        ingested,
        store=store,
        out=out,
        runner=runner,
        log=log,
        take=len(expected["shards"]) if expected else None,
    )
    if expected is None:
        summary["checked"] = None
        return summary
    from mixture_builder.jobs.inspect.records import load_manifest

    report = Report(findings=tuple(check_digests(expected, load_manifest(out))))
    if report.errors:
        raise VerifyError(
            f"{report.format()}\n{out}: built, and it is another mixture than the one that the "
            "digests describe."
        )
    summary["checked"] = expected["file"]
    return summary


def summarise(
    manifest: Mapping[str, Any],
    *,
    out: str,
    left_out: Mapping[str, str],
    filtered: Mapping[str, str],
    kept: int = 0,
) -> dict[str, Any]:
    """Plain data about a finished mixture, of whose shards some were there before."""
    redrawn: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for task in manifest["tasks"].values():
        redrawn.update(task["redrawn"])
        dropped.update(task["dropped"])
    return {
        "name": manifest["name"],
        "out": out,
        "fingerprint": manifest["fingerprint"],
        "content_digest": manifest["content_digest"],
        "format": manifest["format"],
        "seed": manifest["seed"],
        "shards": len(manifest["shards"]),
        "kept_shards": kept,
        **({"prefix": manifest["prefix"]} if "prefix" in manifest else {}),
        "tasks": len(manifest["tasks"]),
        "asked": manifest["asked"],
        "examples": manifest["realised"],
        "bytes": manifest["bytes"],
        "redrawn": dict(redrawn),
        "dropped": dict(dropped),
        "left_out": dict(left_out),
        "filtered_tasks": len(filtered),
    }


def summary_text(summary: Mapping[str, Any]) -> str:
    """The summary of a build, for people."""
    missing = summary["asked"] - summary["examples"]
    lines = [
        ("folder", summary["out"]),
        (
            "shards",
            f"{summary['shards']:,}{_of(summary)} ({summary['format']}, "
            f"{byte_size(summary['bytes'])})" + _kept(summary),
        ),
        (
            "examples",
            f"{summary['examples']:,} of {many(summary['tasks'], 'task')}"
            + (f"; {missing:,} fewer than asked" if missing else ""),
        ),
        ("redrawn", counted(summary["redrawn"])),
        ("dropped", counted(summary["dropped"])),
        ("left out", _left_out(summary["left_out"])),
        *(
            [("filtered", many(summary["filtered_tasks"], "task"))]
            if summary["filtered_tasks"]
            else []
        ),
        (
            "digest",
            summary["content_digest"]
            + (f", as in {summary['checked']}" if summary.get("checked") else ""),
        ),
    ]
    return f"{summary['name']}: built\n{facts(lines)}"


def _of(summary: Mapping[str, Any]) -> str:
    """What the shards are the first ones of."""
    return f" of {summary['prefix']['of_shards']:,}" if "prefix" in summary else ""


def _kept(summary: Mapping[str, Any]) -> str:
    kept = summary["kept_shards"]
    return f"; {summary['shards'] - kept:,} built, {kept:,} kept" if kept else ""


def _left_out(left_out: Mapping[str, str]) -> str:
    if not left_out:
        return "0"
    named = ", ".join(sorted(left_out)[:5])
    return f"{len(left_out):,}: {named}" + (", ..." if len(left_out) > 5 else "")
