"""A locked mixture, built into a folder: new, resumed, mended, grown or updated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mixture_builder.errors import BuildError
from mixture_builder.io.atomic import make_durable, remove_leftovers
from mixture_builder.io.storage import again_if_busy, storage_of
from mixture_builder.io.stored_task import StoredTask, stored_tasks
from mixture_builder.jobs.build import check_store
from mixture_builder.jobs.finishing import Foreseen, finish_build, foresee
from mixture_builder.jobs.resume import (
    alone_in_mixture,
    collected_quarantine,
    damaged_shards,
    finished_manifest,
    finished_shards,
    refuse_other_content,
    remove_other_shards,
)
from mixture_builder.jobs.reuse import reopen, reusable_shards
from mixture_builder.jobs.runner import Runner
from mixture_builder.lock import Lock
from mixture_builder.manifest import ShardResult


def build_mixture(
    lock: Lock,
    *,
    store: Path,
    out: str,
    runner: Runner,
    on_shard: Callable[[ShardResult, bool], None] | None = None,
    on_rendered: Callable[[int], None] | None = None,
    take: int = 0,
    update: bool = False,
    stored: Mapping[str, StoredTask] | None = None,
) -> dict[str, Any]:
    """Builds what is missing of a mixture and writes its manifest.

    Shards that an interrupted build of the same lock has finished are kept if their bytes
    are still those that were written. In a finished mixture only damaged shards are built
    again, and those that are missing of more shards than it has.

    Args:
      lock: of the mixture.
      store: root of the row store.
      out: folder or URL of the mixture.
      runner: where jobs run.
      on_shard: told of each shard: its result, and whether it was there before.
      on_rendered: see `Runner.build`.
      take: how many shards, from the first on; 0 for all.
      update: make another finished mixture in the folder into this one; shards that come out the
        same are not touched.
      stored: what the store knows of the lock's tasks, if it was just looked up.

    Returns:
      Plain data of the manifest.

    Raises:
      StoreError: if the store holds other rows than the lock was made for.
      BuildError: if the folder holds another mixture, or more shards of this one, if another
        process builds into it, or if a shard cannot be built.
    """
    take = take or lock.plan.shards
    with ExitStack() as held:
        # A finished mixture is only read, or mended with the bytes that it had.
        finished = finished_manifest(*storage_of(out))
        if finished is None or not _is_this(finished, lock, take=take):
            held.enter_context(alone_in_mixture(out))
        stored = stored or stored_tasks(lock, store=store)
        check_store(lock, stored)
        # What stood there may be another one by the time that we are alone.
        finished = finished_manifest(*storage_of(out))
        if finished is not None and _is_this(finished, lock, take=take):
            return _mend(lock, finished, store=store, out=out, runner=runner, on_shard=on_shard)
        if finished is not None:
            kept = reusable_shards(lock, finished, take=take)
            _refuse_to_replace(lock, finished, out=out, take=take, update=update, kept=len(kept))
            reopen(lock, kept, out=out)
        return _build_missing(
            lock,
            store=store,
            out=out,
            runner=runner,
            on_shard=on_shard,
            on_rendered=on_rendered,
            take=take,
            stored=stored,
        )


def _is_this(finished: Mapping[str, Any], lock: Lock, *, take: int) -> bool:
    same = finished.get("fingerprint") == lock.fingerprint
    return same and len(finished["shards"]) == take


def _refuse_to_replace(
    lock: Lock, finished: Mapping[str, Any], *, out: str, take: int, update: bool, kept: int
) -> None:
    """Nothing that is finished is replaced unless that was asked for; adding shards is no harm."""
    there = len(finished["shards"])
    if finished.get("fingerprint") == lock.fingerprint:
        if there > take:
            raise BuildError(
                f"{out}: found the first {there} of the mixture's {lock.plan.shards} shards, which "
                f"is more than the {take} that are asked for. Read the first {take} files of it, "
                "or choose another --out."
            )
        return
    if not update:
        raise BuildError(
            f"{out}: found another finished mixture ('{finished.get('name')}', fingerprint "
            f"{finished.get('fingerprint')}); this one has {lock.fingerprint}. Choose another "
            f"--out, or delete the folder, or replace it with --update: {kept} of {take} shards "
            "would stay as they are."
        )


def _mend(
    lock: Lock,
    finished: dict[str, Any],
    *,
    store: Path,
    out: str,
    runner: Runner,
    on_shard: Callable[[ShardResult, bool], None] | None,
) -> dict[str, Any]:
    """Builds damaged shards of a finished mixture again; they must come out as they were."""
    files, root = storage_of(out)
    damaged = damaged_shards(finished, files, root)
    for result in runner.build(lock, store=store, out=out, shards=damaged):
        refuse_other_content(finished, result, out=out)
        make_durable(f"{out}/{result.file}")
        if on_shard:
            on_shard(result, False)  # noqa: FBT003  (a callback's second argument)
    remove_work(files, root)
    return finished


def _build_missing(
    lock: Lock,
    *,
    store: Path,
    out: str,
    runner: Runner,
    on_shard: Callable[[ShardResult, bool], None] | None,
    on_rendered: Callable[[int], None] | None,
    take: int,
    stored: Mapping[str, StoredTask],
) -> dict[str, Any]:
    """Builds what an unfinished folder lacks, and finishes it."""
    files, root = storage_of(out)
    remove_leftovers(f"{out}/data", alone=True)
    remove_other_shards(lock, files, root, take=take)
    done = finished_shards(lock, files, root, take=take)
    for result in done.values():
        if on_shard:
            on_shard(result, True)  # noqa: FBT003  (a callback's second argument)
    missing = [s for s in range(take) if s not in done]
    with ThreadPoolExecutor(max_workers=2) as beside:
        # While workers build, this process mostly waits. It also waits for the disk, so that they
        # need not: what a crash of the machine costs an unfinished build is built again.
        on_disk = [beside.submit(make_durable, f"{out}/{r.file}") for r in done.values()]
        foreseen: list[Future[Foreseen]] = []

        def note(rendered: int) -> None:
            # Not before: workers would get their first jobs the later.
            if not foreseen:
                foreseen.append(beside.submit(foresee, lock, shards=take))
            if rendered and on_rendered:
                on_rendered(rendered)

        for result in runner.build(lock, store=store, out=out, shards=missing, on_rendered=note):
            note(0)
            on_disk.append(beside.submit(make_durable, f"{out}/{result.file}"))
            done[result.shard] = result
            if on_shard:
                on_shard(result, False)  # noqa: FBT003  (as above)
        note(0)
    for waited_for in on_disk:
        waited_for.result()
    # A worker that was killed has left its unfinished file.
    remove_leftovers(f"{out}/data", alone=True)
    manifest = finish_build(
        lock,
        out=out,
        results=list(done.values()),
        stored=stored,
        quarantine=collected_quarantine(lock, store, stored),
        take=take,
        foreseen=foreseen[0].result(),
    )
    remove_work(files, root)
    return manifest


def remove_work(files: Any, root: str) -> None:
    """Deletes what only an unfinished build needs."""
    work = f"{root}/.work"

    def remove_all() -> None:
        if files.exists(work):
            files.rm(work, recursive=True)

    again_if_busy(remove_all)
