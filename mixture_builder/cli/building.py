"""From stored rows to a finished mixture, as `build` and `quickstart` make it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixture_builder.cli.build_summary import summarise
from mixture_builder.cli.progress import JobLog
from mixture_builder.cli.steps import Ingested, ingest
from mixture_builder.errors import BuildError, UsageError

if TYPE_CHECKING:
    from mixture_builder.jobs.runner import Runner
    from mixture_builder.lock import Lock


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
      StoreError, BuildError: as for `jobs.building.build_mixture`.
    """
    from mixture_builder.jobs.locking import lock_mixture

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
      StoreError, BuildError: as for `jobs.building.build_mixture`.
    """
    from mixture_builder.jobs.building import build_mixture
    from mixture_builder.jobs.shard_layout import ShardLayout
    from mixture_builder.manifest import ShardResult

    taken = _taken(lock, take)
    examples = ShardLayout(lock.plan).before(taken)
    kept = 0
    log.event("build_started", examples=examples, shards=taken)
    with log.bar("build", total=examples, unit="examples") as bar:

        def tell(result: ShardResult, already: bool) -> None:  # noqa: FBT001
            nonlocal kept
            kept += already
            bar.whole(result.rows, already=already)
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
            # Rendering is one half of the way, writing the other.
            on_rendered=bar.half,
            take=taken,
            update=update,
            stored=ingested.stored,
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
