"""A row store at a URL, used through a folder of this machine that holds copies of its rows.

    store_folder  URL or folder -> folder
    local_view    URL -> folder; every function that takes a row store takes it
    origin        folder -> URL; empty for a row store that is a folder and nothing else

Rows are read by memory map, because a shard takes a few rows of nearly every block of nearly
every task: ranges read over the network would fetch the whole store again for each shard. So
each machine copies a task's rows once, and all its workers share the copy. What is written goes
to the copy first and from there to the URL, the description last. Which rows a copy holds is told
by the description beside it; a copy of other rows than the URL's is replaced.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from mixture_builder.errors import StoreError
from mixture_builder.io.atomic import atomic_output
from mixture_builder.io.mirror import has_scheme
from mixture_builder.io.storage import at_once, chunks_of, read_whole, remove
from mixture_builder.shipped import default_store

ORIGIN_NAME = ".origin"
"""In a view: the file that holds the URL."""

META_NAME = "meta.json"
ROWS_NAME = "rows.arrow"
"""The files of a task's description and of its rows, in the task's folder."""


def local_view(url: str) -> Path:
    """The folder through which the row store at a URL is used on this machine.

    Raises:
      BuildError: if this machine's storage refuses.
    """
    root = url.rstrip("/")
    name = hashlib.sha256(root.encode()).hexdigest()[:16]
    view = default_store().parent / "copies" / name
    if origin(view) != root:
        with atomic_output(str(view / ORIGIN_NAME), durable=False) as output:
            output.write(root.encode())
        origin.cache_clear()
    return view


def store_folder(store: str) -> Path:
    """The row store that a spec names, as a folder of this machine."""
    return local_view(store) if has_scheme(store) else Path(store)


@lru_cache(maxsize=64)
def origin(store: Path) -> str:
    """The URL that a row store's folder is a view of; empty if it is none."""
    try:
        return (store / ORIGIN_NAME).read_text(encoding="utf-8")
    except OSError:
        return ""


def shown(store: Path) -> str:
    """How messages name a row store."""
    return origin(store) or str(store)


def may_hold(store: Path, task: str) -> bool:
    """Whether to look for a task: one that never was in a folder is passed by cheaply."""
    return bool(origin(store)) or (store / task).is_dir()


def _url(view: Path, folder: Path, name: str = "") -> str:
    inner = folder.relative_to(view).as_posix()
    return "/".join([origin(view), inner, *filter(None, [name])])


def read_meta(view: Path, folder: Path) -> bytes:
    """The description of a task's rows as it now stands at the URL.

    A copy of other rows than it describes is deleted.

    Raises:
      FileNotFoundError: if the task is not there.
      OSError: if the storage refuses.
    """
    data = read_whole(_url(view, folder, META_NAME))
    with suppress(ValueError, AttributeError):
        if _digest(folder / META_NAME) != json.loads(data).get("digest"):
            for name in (META_NAME, ROWS_NAME):
                (folder / name).unlink(missing_ok=True)
    return data


def read_text(view: Path, folder: Path, name: str) -> str:
    """A small text of a task at the URL.

    Raises:
      FileNotFoundError: if it is not there.
      OSError: if the storage refuses.
    """
    return read_whole(_url(view, folder, name)).decode("utf-8")


def publish(view: Path, folder: Path, names: Sequence[str]) -> None:
    """Copies a task's files to the URL, the last of `names` last.

    Raises:
      BuildError: if the storage refuses.
    """
    for name in names:
        _copy_out(folder / name, _url(view, folder, name))


def withdraw(view: Path, folder: Path, name: str) -> None:
    """Deletes one file of a task at the URL, if it is there.

    Raises:
      OSError: if the storage refuses.
    """
    remove([_url(view, folder, name)])


def fetch_rows(view: Path, wanted: Mapping[str, str]) -> None:
    """Copies rows to this machine that are not there yet, several tasks at a time.

    Two processes that copy the same file at a time do no harm.

    Args:
      view: the folder that stands for the URL.
      wanted: folders of tasks below it, and the digests that their rows must have.

    Raises:
      StoreError: if a task is not there, or its rows are others.
      BuildError: if this machine's storage refuses.
    """

    def fetch(folder: str) -> None:
        fetch_task(view, view / folder, digest=wanted[folder])

    at_once(fetch, wanted)


def fetch_task(view: Path, folder: Path, *, digest: str = "") -> None:
    """Copies the rows of one task to this machine, unless they are there.

    Args:
      view: the folder that stands for the URL.
      folder: the task's, below it.
      digest: that the rows must have; if empty, those that are there will do.

    Raises:
      StoreError, BuildError: as for `fetch_rows`.
    """
    held = _digest(folder / META_NAME)
    if (folder / ROWS_NAME).exists() and held and digest in {held, ""}:
        return
    source = _url(view, folder, ROWS_NAME)
    try:
        meta = read_meta(view, folder)
        found = json.loads(meta).get("digest")
        if digest and found != digest:
            raise StoreError(
                f"{source}: found rows with the digest {found}; expected {digest}, which the "
                "mixture was planned with. Run ingest again."
            )
        with atomic_output(str(folder / ROWS_NAME), durable=False) as output:
            for chunk in chunks_of(source):
                output.write(chunk)
    except FileNotFoundError:
        raise StoreError(f"{source}: found no stored rows. Run ingest again.") from None
    except (OSError, ValueError, AttributeError) as problem:
        raise StoreError(
            f"{source}: the stored rows cannot be read ({problem}). Check access to them, then "
            "run the same command again."
        ) from problem
    # The description comes last: where it stands, the rows beside it are complete.
    with atomic_output(str(folder / META_NAME), durable=False) as output:
        output.write(meta)


def fetch_missing(folder: Path) -> None:
    """Copies the rows of a task's folder to this machine, if it stands in a view.

    Raises:
      StoreError, BuildError: as for `fetch_rows`.
    """
    for parent in folder.parents:
        if origin(parent):
            fetch_task(parent, folder)
            return


def publish_rows(store: Path, url: str, wanted: Mapping[str, str]) -> None:
    """Copies rows of a store of this machine to a URL; those that are there are skipped.

    Args:
      store: root of the row store.
      url: root of the row store that is to be.
      wanted: folders of tasks below both, and the digests of their rows.

    Raises:
      StoreError: if a task is not stored here.
      BuildError: if the storage refuses.
    """
    root = url.rstrip("/")

    def copy(folder: str) -> None:
        with suppress(OSError, ValueError, AttributeError):
            if json.loads(read_whole(f"{root}/{folder}/{META_NAME}"))["digest"] == wanted[folder]:
                return
        for name in (ROWS_NAME, META_NAME):
            source = store / folder / name
            if not source.exists():
                raise StoreError(f"{source}: found no such file. Run ingest again.")
            _copy_out(source, f"{root}/{folder}/{name}")

    at_once(copy, wanted)


def _copy_out(file: Path, url: str) -> None:
    with atomic_output(url) as output, open(file, "rb") as stream:
        while chunk := stream.read(1 << 20):
            output.write(chunk)


def _digest(meta: Path) -> Any:
    try:
        return json.loads(meta.read_bytes()).get("digest")
    except (OSError, ValueError, AttributeError):
        return None
