"""Records of a finished mixture: its manifest, its shards, single records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import fsspec
import pyarrow as pa
import yaml

from mixture_builder.errors import UsageError, VerifyError
from mixture_builder.known_files import recall, remember
from mixture_builder.lock import Lock, lock_from_json
from mixture_builder.manifest import LOCK_NAME, MANIFEST_NAME, MANIFEST_VERSION
from mixture_builder.plain_yaml import load_plain

Record = dict[str, Any]

_SHARD_FILE = re.compile(r"data/[A-Za-z0-9._-]+")


def load_manifest(out: str) -> dict[str, Any]:
    """Plain data of a mixture's manifest.

    Args:
      out: folder or URL of the mixture.

    Raises:
      UsageError: if there is no such folder.
      VerifyError: if it holds no finished mixture, or the manifest cannot be understood.
    """
    files, root = fsspec.core.url_to_fs(out)
    path = f"{out}/{MANIFEST_NAME}"
    if not files.exists(root):
        raise UsageError(f"{out}: found no such folder; expected a finished mixture.")
    try:
        loaded = json.loads(files.cat_file(f"{root}/{MANIFEST_NAME}"))
    except FileNotFoundError:
        unfinished = files.exists(f"{root}/.work")
        raise VerifyError(
            f"{path}: found no such file; expected the manifest of a finished mixture. "
            + (
                "A build is at work or was interrupted: run the same build again to finish it."
                if unfinished
                else "Name the folder that was given to build as --out."
            )
        ) from None
    except (OSError, ValueError) as problem:
        raise VerifyError(
            f"{path}: the manifest cannot be read ({problem}). Delete it and run the same build "
            "again; shards are built anew."
        ) from None
    if not isinstance(loaded, dict) or loaded.get("manifest_version") != MANIFEST_VERSION:
        found = loaded.get("manifest_version") if isinstance(loaded, dict) else None
        raise VerifyError(
            f"{path}: found manifest_version {found}; expected {MANIFEST_VERSION}. Use the "
            "version of mixture-builder that built it, or build it again."
        )
    for entry in loaded.get("shards", ()):
        name = entry.get("file") if isinstance(entry, dict) else None
        # A mixture may come from strangers: its manifest names files of its own folder only.
        if not isinstance(name, str) or not _SHARD_FILE.fullmatch(name):
            raise VerifyError(
                f"{path}: found the shard '{name}'; expected a name such as "
                "data/train-00000-of-00001.parquet. The manifest was changed; build it again."
            )
    return loaded


def read_batches(url: str, *, format: str) -> Iterator[pa.RecordBatch]:  # noqa: A002
    """The records of one shard in order, a few thousand at a time.

    Raises:
      VerifyError: if the file is damaged.
      FileNotFoundError: if there is none.
    """
    # Locks and manifests are read without the readers of shards.

    # Locks and manifests are read without the readers of shards.
    from mixture_builder.io.verify import READERS

    readers: Any = READERS
    batches: Iterator[pa.RecordBatch] = readers[format](url)
    return batches


def read_record(out: str, manifest: Mapping[str, Any], *, shard: int, row: int) -> Record:
    """One record of a mixture.

    Args:
      out: folder or URL of the mixture.
      manifest: plain data of its manifest.
      shard: from 0.
      row: from 0, in the order of the shard's file.

    Raises:
      UsageError: if the mixture has no such shard or row.
      VerifyError: if the file is missing or damaged.
    """
    shards = manifest["shards"]
    if not 0 <= shard < len(shards):
        raise UsageError(
            f"{out}: found shard {shard}; expected 0 to {len(shards) - 1}, as --row SHARD:ROW."
        )
    entry = shards[shard]
    if not 0 <= row < entry["rows"]:
        raise UsageError(
            f"{out}: found row {row} of {entry['file']}; expected 0 to {entry['rows'] - 1}."
        )
    at = row
    try:
        for batch in read_batches(f"{out}/{entry['file']}", format=manifest["format"]):
            if at < batch.num_rows:
                record: Record = batch.slice(at, 1).to_pylist()[0]
                return record
            at -= batch.num_rows
    except FileNotFoundError:
        raise VerifyError(
            f"{out}/{entry['file']}: found no such file, which the manifest names. Build the "
            "mixture again."
        ) from None
    raise VerifyError(
        f"{out}/{entry['file']}: found {row - at} records; the manifest says {entry['rows']}. "
        "Delete the file and the manifest, and build again."
    )


def some_records(
    out: str, manifest: Mapping[str, Any], *, count: int, longest: int
) -> list[tuple[int, Record]]:
    """Short records of the first shard, as different as they can be, with their rows.

    Args:
      out: folder or URL of the mixture.
      manifest: plain data of its manifest.
      count: how many, at most.
      longest: characters that a prompt may have.
    """
    url = f"{out}/{manifest['shards'][0]['file']}"
    short: list[tuple[int, Record]] = []
    row = 0
    for batch in read_batches(url, format=manifest["format"]):
        for record in batch.to_pylist():
            if len(record["inputs"]) <= longest:
                short.append((row, record))
            row += 1
        if len(short) >= _ENOUGH:
            break
    chosen: list[tuple[int, Record]] = []
    seen: set[str] = set()

    def news(entry: tuple[int, Record]) -> tuple[bool, int]:
        part, *others = _kinds(entry[1])
        return part not in seen, len(set(others) - seen)

    while short and len(chosen) < count:
        # `max` keeps the first of equals: earlier records win.
        best = max(short, key=news)
        short.remove(best)
        chosen.append(best)
        seen.update(_kinds(best[1]))
    return chosen


_ENOUGH = 200
"""Records among which some that differ are found."""


def _kinds(record: Record) -> tuple[str, str, str]:
    return record["submixture"].split(".")[0], record["variant"], record["task_id"]


def load_lock(out: str) -> Lock:
    """The lock of a mixture.

    Raises:
      VerifyError: if it is missing or cannot be understood.
    """
    return read_lock(f"{out}/{LOCK_NAME}")


def read_lock(path: str) -> Lock:
    """The lock in a file; one that was read before takes a fraction of the time.

    To read the YAML of a thousand tasks takes seconds, so its data is kept as `known_files` does.

    Args:
      path: local path or URL of the file.

    Raises:
      VerifyError: if it is missing or cannot be understood.
    """
    files, stored_at = fsspec.core.url_to_fs(path)
    again = "Build the mixture again from its recipe; the same seed gives the same records."
    try:
        raw = files.cat_file(stored_at)
    except FileNotFoundError:
        raise VerifyError(
            f"{path}: found no such file; expected the lock that build writes beside the manifest. "
            f"{again}"
        ) from None
    except OSError as problem:
        raise VerifyError(f"{path}: the lock cannot be read ({problem}). {again}") from None
    known = recall("lock", raw)
    try:
        plain = known or load_plain(raw)
        lock = lock_from_json(plain)
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        what = str(problem).split("\n", maxsplit=1)[0]
        raise VerifyError(f"{path}: found no valid YAML ({what}). {again}") from None
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as problem:
        what = f"the key {problem} is missing" if isinstance(problem, KeyError) else str(problem)
        raise VerifyError(
            f"{path}: found no lock that this version of mixture-builder understands ({what}). "
            f"Use the version that built it, or build it again."
        ) from None
    if known is None:
        remember("lock", raw, found=plain)
    return lock
