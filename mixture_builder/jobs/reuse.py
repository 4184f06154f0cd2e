"""What a finished folder already holds of a mixture: shards that need not be built again.

A folder is taken back to an unfinished one in an order that a crash cannot hurt: results of the
shards that stay are written down first, then the manifest goes, then the build goes on as one
that was interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from mixture_builder.errors import BuildError
from mixture_builder.io.atomic import atomic_output
from mixture_builder.io.storage import storage_of
from mixture_builder.jobs.build import result_url
from mixture_builder.jobs.resume import sha256_at
from mixture_builder.jobs.shard_cells import cells_of_draws
from mixture_builder.jobs.shard_fingerprint import ShardFingerprints
from mixture_builder.jobs.shard_layout import Draws, ShardLayout
from mixture_builder.lock import Lock
from mixture_builder.manifest import MANIFEST_NAME, ShardResult
from mixture_builder.shards import shard_name

DROPPED_NAME = "quarantine/dropped_draws.jsonl"


def reusable_shards(
    lock: Lock, manifest: Mapping[str, Any], *, take: int
) -> dict[int, Mapping[str, Any]]:
    """Shards of a finished mixture that a lock would build to the same bytes.

    Args:
      lock: of the mixture that is wanted.
      manifest: of the one that is there.
      take: how many shards are wanted, from the first on.

    Returns:
      Entries of the manifest, by shard.
    """
    fingerprints = ShardFingerprints(lock)
    entries = {entry["file"]: entry for entry in manifest["shards"]}
    kept = {}
    for shard in range(take):
        entry = entries.get(f"data/{shard_name(shard, lock.plan.shards, lock.format)}")
        if entry is not None and entry.get("fingerprint") == fingerprints.of(shard):
            kept[shard] = entry
    return kept


def reopen(lock: Lock, kept: Mapping[int, Mapping[str, Any]], *, out: str) -> None:
    """Makes an unfinished build of a finished mixture, in which some shards are done.

    Shards whose bytes are no longer those of the manifest are not counted as done.

    Args:
      lock: of the mixture that is wanted.
      kept: what `reusable_shards` gave.
      out: folder or URL of the mixture.

    Raises:
      BuildError: if the storage refuses.
    """
    files, root = storage_of(out)
    layout = ShardLayout(lock.plan)
    dropped = _dropped_entries(files, root)
    for shard, entry in kept.items():
        if sha256_at(files, f"{root}/{entry['file']}") != entry["sha256"]:
            continue
        result = _result(lock, layout.draws(shard), shard, entry, dropped)
        url = result_url(out, lock.fingerprint, shard)
        with atomic_output(url, durable=False) as output:
            output.write(json.dumps(result.to_json(), ensure_ascii=False).encode())
    try:
        files.rm_file(f"{root}/{MANIFEST_NAME}")
        if files.exists(f"{root}/quarantine"):
            files.rm(f"{root}/quarantine", recursive=True)
    except OSError as problem:
        raise BuildError(
            f"{out}: the manifest of the mixture that is there cannot be removed: "
            f"{problem.strerror or problem}. Grant access, then run the same command again."
        ) from problem


def _result(
    lock: Lock,
    draws: Draws,
    shard: int,
    entry: Mapping[str, Any],
    dropped: Mapping[tuple[str, int], Mapping[str, Any]],
) -> ShardResult:
    """The result that building the shard would give: its file is known, the rest is arithmetic."""
    lost: Mapping[str, Mapping[str, list[int]]] = entry.get("dropped", {})
    cells: dict[str, dict[str, int]] = {}
    edges = np.searchsorted(draws.tasks, np.arange(len(lock.plan.tasks) + 1))
    for number, task in enumerate(lock.plan.tasks):
        mine = draws.draws[edges[number] : edges[number + 1]]
        gone = [k for of_reason in lost.get(task.task, {}).values() for k in of_reason]
        counts = cells_of_draws(task, np.setdiff1d(mine, gone)) if len(mine) else {}
        if counts:
            cells[task.task] = counts
    numbers = [(task, k) for task, reasons in lost.items() for of in reasons.values() for k in of]
    return ShardResult(
        shard=shard,
        file=entry["file"],
        rows=entry["rows"],
        bytes=entry["bytes"],
        sha256=entry["sha256"],
        content_digest=entry["content_digest"],
        cells=dict(sorted(cells.items())),
        redrawn=entry.get("redrawn", {}),
        dropped={t: {why: len(k) for why, k in r.items()} for t, r in lost.items()},
        dropped_draws=lost,
        entries=[dropped[key] for key in sorted(numbers) if key in dropped],
        fewer_exemplars=entry.get("fewer_exemplars", {}),
    )


def _dropped_entries(files: Any, root: str) -> dict[tuple[str, int], Mapping[str, Any]]:
    """What stands in quarantine about draws that came to nothing, by task and draw."""
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    with suppress(FileNotFoundError):
        for line in files.cat_file(f"{root}/{DROPPED_NAME}").decode().splitlines():
            entry = json.loads(line)
            found[entry["task"], entry["draw"]] = entry
    return found
