"""The end of a build: from the results of its shards to lock, card and manifest, written last.

Much of what is written then follows from the lock alone. `foresee` makes it while workers build.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mixture_builder.dataset_card.card import CARD_NAME, dataset_card
from mixture_builder.errors import BuildError
from mixture_builder.io.atomic import atomic_output
from mixture_builder.io.digest import mixture_digest
from mixture_builder.io.example_schema import EXAMPLE_COLUMNS
from mixture_builder.io.stored_task import StoredTask
from mixture_builder.jobs.shard_cells import cells_of_first_shards
from mixture_builder.jobs.shard_fingerprint import ShardFingerprints
from mixture_builder.lock import Lock
from mixture_builder.manifest import (
    LOCK_NAME,
    MANIFEST_NAME,
    ShardResult,
    make_manifest,
    manifest_text,
)
from mixture_builder.version import __version__
from mixture_builder.yaml_text import yaml_pieces

_LOCK_HEAD = (
    b"# A recipe with everything resolved; `mixture-builder verify` and `explain` read it.\n"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreseen:
    """What the files of a finished mixture say that is known before a shard is built.

    Attributes:
      plain: the lock as plain data.
      yaml: the lock as its file holds it, in pieces.
      fingerprints: of the shards, by number.
      prefix: what each cell of each task asks of the shards, if these are only the first ones.
    """

    plain: Mapping[str, Any]
    yaml: tuple[bytes, ...]
    fingerprints: tuple[str, ...]
    prefix: Mapping[str, Mapping[str, int]] | None


def foresee(lock: Lock, *, shards: int) -> Foreseen:
    """Works out what follows from a lock and from how many of its shards are built."""
    plain = lock.to_json()
    fingerprints = ShardFingerprints(lock)
    return Foreseen(
        plain=plain,
        yaml=tuple(yaml_pieces(plain)),
        fingerprints=tuple(fingerprints.of(shard) for shard in range(shards)),
        prefix=cells_of_first_shards(lock, shards) if shards < lock.plan.shards else None,
    )


def finish_build(
    lock: Lock,
    *,
    out: str,
    results: Sequence[ShardResult],
    stored: Mapping[str, StoredTask],
    quarantine: Mapping[str, str],
    take: int = 0,
    foreseen: Foreseen | None = None,
) -> dict[str, Any]:
    """Writes lock, quarantine, card and, last, the manifest; gives the manifest's plain data.

    Args:
      lock: of the mixture.
      out: folder or URL of the mixture.
      results: of all shards.
      stored: what the store knows of each task.
      quarantine: for tasks that have one, the text of the store's quarantine file.
      take: how many shards the folder is to hold, from the first on; 0 for all.
      foreseen: of the lock and as many shards, if it was made before.

    Raises:
      BuildError: if a shard is missing, or the storage refuses.
    """
    ordered = sorted(results, key=lambda r: r.shard)
    wanted = take or lock.plan.shards
    missing = sorted(set(range(wanted)) - {r.shard for r in ordered})
    if missing:
        raise BuildError(
            f"{out}: {len(missing)} of {wanted} shards are missing, the first is "
            f"{missing[0]}. Run the same command again; finished shards are kept."
        )
    known = foreseen or foresee(lock, shards=wanted)
    with atomic_output(f"{out}/{LOCK_NAME}") as output:
        output.write(_LOCK_HEAD)
        output.writelines(known.yaml)
    for task, text in quarantine.items():
        _write_text(f"{out}/quarantine/{task}.jsonl", text)
    dropped = [entry for result in ordered for entry in result.entries]
    if dropped:
        lines = (json.dumps(e, ensure_ascii=False) + "\n" for e in dropped)
        _write_text(f"{out}/quarantine/dropped_draws.jsonl", "".join(lines))
    manifest = make_manifest(
        lock=known.plain,
        fingerprint=lock.fingerprint,
        shards=ordered,
        content_digest=mixture_digest([r.content_digest for r in ordered]),
        sources={task: _source_facts(s) for task, s in stored.items()},
        versions=versions(),
        columns=EXAMPLE_COLUMNS,
        cards=lock.cards,
        fingerprints=known.fingerprints,
        prefix=known.prefix,
    )
    description = str(lock.recipe.get("description", ""))
    _write_text(f"{out}/{CARD_NAME}", dataset_card(manifest, description=description))
    _write_text(f"{out}/{MANIFEST_NAME}", manifest_text(manifest))
    return manifest


def versions() -> dict[str, str]:
    """Versions of what decides bytes: a Parquet file's differ between pyarrow versions."""
    return {
        "mixture_builder": __version__,
        "pyarrow": str(pa.__version__),
        "python": platform.python_version(),
    }


def _source_facts(stored: StoredTask) -> dict[str, Any]:
    return {
        "records": stored.records,
        "filtered": stored.filtered,
        "duplicates": stored.duplicates,
        "excluded": dict(stored.excluded),
        "quarantined": dict(stored.quarantined),
        "alternative": stored.alternative,
        "digest": stored.digest,
        "files": [{k: f[k] for k in ("name", "bytes", "sha256") if k in f} for f in stored.files],
    }


def _write_text(url: str, text: str) -> None:
    with atomic_output(url) as output:
        output.write(text.encode("utf-8", "replace"))
