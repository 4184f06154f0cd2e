"""Copies of stored rows, for workers that see no folder of the launching machine.

    publish_rows    store -> URL          before the build, by the launching process
    fetch_rows      URL -> local folder   once on each worker's machine

Rows are read by memory map, so each machine needs files of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec

from mixture_builder.errors import StoreError
from mixture_builder.io.atomic import atomic_output
from mixture_builder.io.rowstore import ROWS_NAME, task_folder
from mixture_builder.lock import Lock
from mixture_builder.shipped import default_store

META = "meta.json"

AT_ONCE = 16
"""Copies under way at a time: a mixture has many small tasks, and each waits for storage."""


def publish_rows(lock: Lock, *, store: Path, url: str) -> None:
    """Copies the rows of a lock's tasks to a URL; tasks whose very rows are there are skipped.

    Raises:
      StoreError: if a task is not stored.
      BuildError: if the storage refuses.
    """

    def publish(task: str) -> None:
        locked = lock.tasks[task]
        target = f"{url.rstrip('/')}/{task}/{locked.stored}"
        if _digest(f"{target}/{META}") == locked.digest:
            return
        source = task_folder(store, task, locked.stored)
        # The description comes last: where it stands, the rows are complete.
        for name in (ROWS_NAME, META):
            _copy(str(source / name), f"{target}/{name}")

    _all(publish, lock.tasks)


def fetch_rows(lock: Lock, *, url: str) -> Path:
    """A row store on this machine with the published rows of a lock's tasks.

    Processes of one machine share it; two that fetch the same file at a time do no harm.

    Raises:
      StoreError: if a task is not there.
      BuildError: if this machine's storage refuses.
    """
    # One store a lock: equal names may hold other rows in the next mixture.
    root = default_store().parent / "copies" / lock.fingerprint

    def fetch(task: str) -> None:
        stored = lock.tasks[task].stored
        target = task_folder(root, task, stored) / ROWS_NAME
        if not target.exists():
            _copy(f"{url.rstrip('/')}/{task}/{stored}/{ROWS_NAME}", str(target))

    _all(fetch, lock.tasks)
    return root


def _all(function: Callable[[str], None], tasks: Iterable[str]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(function, tasks):
            pass


def _digest(url: str) -> Any:
    files, path = fsspec.core.url_to_fs(url)
    try:
        return json.loads(files.cat_file(path)).get("digest")
    except (FileNotFoundError, ValueError):
        return None


def _copy(source: str, target: str) -> None:
    try:
        with fsspec.open(source, "rb") as stream, atomic_output(target) as output:
            while chunk := stream.read(1 << 20):
                output.write(chunk)
    except FileNotFoundError as problem:
        raise StoreError(f"{source}: {problem.strerror or problem}. Run ingest again.") from None
