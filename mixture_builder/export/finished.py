"""What an export finds done: the whole of it, some of its shards, or all of them.

Nothing stands under a final name before all parts are written, and the export's manifest,
`export.json`, is written last: a folder that holds it is complete. Parts that an interrupted
export has finished are kept and found by their fingerprint.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import fsspec

from mixture_builder.errors import BuildError, UsageError
from mixture_builder.export.plan import EXPORT_NAME, ExportPlan
from mixture_builder.export.shard import ShardExport
from mixture_builder.io.atomic import sha256_of


def finished_export(plan: ExportPlan) -> dict[str, Any] | None:
    """Plain data of the manifest if the folder holds this very export, whole.

    Raises:
      UsageError: if the folder holds something else.
    """
    files, root = fsspec.core.url_to_fs(plan.out)
    if not files.exists(root):
        return None
    try:
        manifest = json.loads(files.cat_file(f"{root}/{EXPORT_NAME}"))
    except FileNotFoundError:
        others = [
            name
            for path in files.ls(root, detail=False)
            if (name := str(path).rstrip("/").rsplit("/", 1)[-1]) != ".work"
        ]
        # What stands there while our own work folder does, an interrupted export has left.
        if others and not files.exists(f"{root}/.work/{plan.fingerprint}"):
            raise UsageError(
                f"--out {plan.out}: found a folder that holds something else ({min(others)}); "
                "expected an empty or new one. Choose another --out, or delete the folder."
            ) from None
        return None
    except ValueError:
        raise UsageError(
            f"{plan.out}/{EXPORT_NAME}: found no readable manifest. Delete the folder and run the "
            "same command again."
        ) from None
    found = manifest.get("fingerprint") if isinstance(manifest, dict) else None
    if found != plan.fingerprint:
        raise UsageError(
            f"--out {plan.out}: found another finished export (fingerprint {found}); this one has "
            f"{plan.fingerprint}. Choose another --out, or delete the folder."
        )
    for entry in manifest["files"]:
        path = f"{root}/{entry['file']}"
        if not files.exists(path) or files.size(path) != entry["bytes"]:
            raise UsageError(
                f"{plan.out}/{entry['file']}: the file is missing or of another size than "
                f"{EXPORT_NAME} says. Delete the folder and run the same command again."
            )
    whole: dict[str, Any] = manifest
    return whole


def finished_shards(plan: ExportPlan) -> dict[int, ShardExport]:
    """Shards that an interrupted export has finished, whose parts are unchanged."""
    files, _ = fsspec.core.url_to_fs(plan.work)
    done = {}
    for shard in range(plan.shards):
        try:
            result = ShardExport.from_json(
                json.loads(files.cat_file(_path(plan.result_url(shard))))
            )
            whole = all(_sha256(f"{plan.work}/{p.file}") == p.sha256 for p in result.parts)
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            continue
        if whole:
            done[shard] = result
    return done


def _path(url: str) -> str:
    return str(fsspec.core.url_to_fs(url)[1])


def _sha256(url: str) -> str:
    with fsspec.open(url, "rb") as stream:
        return sha256_of(stream)


def check_complete(plan: ExportPlan, results: Sequence[ShardExport]) -> list[ShardExport]:
    """The results in order.

    Raises:
      BuildError: if a shard is missing.
    """
    ordered = sorted(results, key=lambda r: r.shard)
    if [r.shard for r in ordered] != list(range(plan.shards)):
        raise BuildError(
            f"{plan.out}: {plan.shards - len(ordered)} of {plan.shards} shards were not exported. "
            "Run the same command again; finished shards are kept."
        )
    return ordered
