"""What an earlier or interrupted build has left: a manifest, finished shards, quarantine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from mixture_builder.errors import BuildError
from mixture_builder.filters import is_filtered
from mixture_builder.io.atomic import sha256_of
from mixture_builder.io.folder_lock import exclusive
from mixture_builder.io.remote_store import origin, shown
from mixture_builder.io.storage import again_if_busy, at_once, is_local
from mixture_builder.io.stored_task import StoredTask, read_quarantine
from mixture_builder.jobs.build import result_url, work_folder
from mixture_builder.jobs.ingest.failures import failed_texts
from mixture_builder.lock import Lock
from mixture_builder.manifest import MANIFEST_NAME, ShardResult
from mixture_builder.shards import is_shard_name, shard_name


def alone_in_mixture(out: str) -> AbstractContextManager[None]:
    """Keeps other processes from building into a folder; raises `BuildError` if one does."""
    return exclusive(
        f"{out}/.work/lock", folder=out, doing="builds", wait_for="choose another --out"
    )


def alone_in_store(store: Path) -> AbstractContextManager[None]:
    """Keeps other processes from writing rows into a store; raises `BuildError` if one does."""
    return exclusive(
        f"{origin(store) or store}/.lock",
        folder=shown(store),
        doing="brings rows into the store",
        wait_for="choose another --store",
    )


def remove_other_shards(lock: Lock, files: Any, root: str, *, take: int) -> None:
    """Deletes shards of an unfinished build of another number or format of shards.

    They would stay beside those of this build, and whoever reads all files would read them too.
    """
    folder = f"{root}/data"
    if not again_if_busy(lambda: files.exists(folder)):
        return
    shards = lock.plan.shards
    own = {shard_name(shard, shards, lock.format) for shard in range(take)}
    for path in again_if_busy(lambda: files.ls(folder, detail=False)):
        name = str(path).rsplit("/", 1)[-1]
        if is_shard_name(name) and name not in own:
            again_if_busy(partial(files.rm_file, path))


def finished_manifest(files: Any, root: str) -> dict[str, Any] | None:
    """Plain data of the manifest in a folder, or `None` if there is none.

    Raises:
      BuildError: if it is there but cannot be read.
    """
    path = f"{root}/{MANIFEST_NAME}"
    try:
        loaded: dict[str, Any] = json.loads(again_if_busy(lambda: files.cat_file(path)))
        return loaded
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise BuildError(
            f"{path}: cannot be looked for ({problem.strerror or problem}). Check access to it, "
            "then run the same command again."
        ) from problem
    except ValueError:
        raise BuildError(
            f"{path}: found no readable manifest. Delete it and run the same command again."
        ) from None


def finished_shards(lock: Lock, files: Any, root: str, *, take: int) -> dict[int, ShardResult]:
    """Those of the first `take` shards of this very lock whose files are complete and unchanged.

    Each is looked for by its name: a listing may not show yet what is there.
    """
    local = is_local(files)
    if local and not files.exists(work_folder(root, lock.fingerprint)):
        return {}

    def find(shard: int) -> ShardResult | None:
        path = result_url(root, lock.fingerprint, shard)
        try:
            result = ShardResult(**json.loads(again_if_busy(lambda: files.cat_file(path))))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        unchanged = sha256_at(files, f"{root}/{result.file}") == result.sha256
        return result if unchanged else None

    shards = range(take)
    found = list(map(find, shards)) if local else at_once(find, shards)
    return {result.shard: result for result in found if result is not None}


def sha256_at(files: Any, path: str) -> str:
    """SHA-256 of a file; an empty text if there is none."""

    def read() -> str:
        with files.open(path, "rb") as stream:
            return sha256_of(stream)

    try:
        return again_if_busy(read)
    except FileNotFoundError:
        return ""


def damaged_shards(manifest: Mapping[str, Any], files: Any, root: str) -> list[int]:
    """Shards of a finished mixture that are missing or whose bytes have changed."""
    return [
        shard
        for shard, listed in enumerate(manifest["shards"])
        if sha256_at(files, f"{root}/{listed['file']}") != listed["sha256"]
    ]


def refuse_other_content(manifest: Mapping[str, Any], result: ShardResult, *, out: str) -> None:
    """Sees to it that a shard built again is the one that the manifest lists.

    Raises:
      BuildError: if it is not, which another version of pyarrow can cause.
    """
    listed = manifest["shards"][result.shard]
    if listed["sha256"] == result.sha256:
        return
    same = listed["content_digest"] == result.content_digest
    raise BuildError(
        f"{out}/{result.file}: built again, its {'bytes' if same else 'records'} differ from what "
        f"the manifest lists ({result.sha256} instead of {listed['sha256']}). The mixture was "
        f"written with pyarrow {manifest['versions'].get('pyarrow')}: build with that version, or "
        "delete the folder and build all of it."
    )


def collected_quarantine(
    lock: Lock, store: Path, stored: Mapping[str, StoredTask]
) -> dict[str, str]:
    """JSON Lines of what was not built, by task: records that gave no row, and tasks left out.

    Args:
      lock: of the mixture.
      store: root of the row store.
      stored: what it knows of the lock's tasks.

    Raises:
      StoreError: if the store has lost a task's quarantine.
    """
    result = {}
    for task, locked in lock.tasks.items():
        if stored[task].quarantined or stored[task].excluded:
            result[task] = read_quarantine(store, task, locked.stored)
    for name, why in lock.plan.left_out.items():
        if is_filtered(why):
            continue
        # There may also stand what failed of an earlier form of the card.
        texts = failed_texts(store, name)
        current = [t for t in texts if json.loads(t.split("\n")[0])["detail"] in why]
        if current:
            result[name] = current[0]
        else:
            entry = {"place": name, "reason": "left_out", "detail": why, "excerpt": ""}
            result[name] = json.dumps(entry, ensure_ascii=False) + "\n"
    return result
