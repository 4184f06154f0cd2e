"""Whole files on storage elsewhere: each is read, put and deleted in one piece, by its name.

Nothing here trusts a listing: what a store shows of a folder may be old, and what fsspec
remembers of it is older still. A store that is busy (503 "slow down", 429, a lost connection) is
asked again, with longer and longer pauses, on top of what its own client already does.
"""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Item = TypeVar("Item")

OBJECT_STORES = frozenset(["s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"])
"""Protocols of stores where a put makes a whole object or none, and where nothing is renamed."""

AT_ONCE = 16
"""Requests under way at a time: small files wait for the store, not for this machine."""

ATTEMPTS = 7
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
"""Pauses double from the first on, so a store may be busy for about half a minute."""

_BUSY_NUMBERS = frozenset(
    [errno.EBUSY, errno.EAGAIN, errno.ETIMEDOUT, errno.ECONNRESET, errno.EPIPE]
)
_BUSY_STATUS = frozenset([408, 429, 500, 502, 503, 504])
_BUSY_CLASSES = frozenset(
    [
        "ClientConnectionError",  # aiohttp
        "ClientPayloadError",
        "ConnectTimeoutError",  # botocore
        "ConnectionClosedError",
        "EndpointConnectionError",
        "IncompleteRead",
        "ReadTimeoutError",
        "ServerDisconnectedError",
    ]
)
"""Classes of clients that are not imported here, which say that it may go better next time."""

_CLIENTS = frozenset(
    ["adlfs", "aiobotocore", "aiohttp", "azure", "botocore", "gcsfs", "google", "s3fs"]
)


def storage_of(url: str) -> tuple[Any, str]:
    """The file system of a local path or URL, which remembers no listings, and the path on it."""
    # A store that is a folder, as most are, is read without it.
    import fsspec

    # Web servers list nothing, and their client takes no such option.
    plain = url.startswith(("http://", "https://"))
    files, path = fsspec.core.url_to_fs(url, **({} if plain else {"use_listings_cache": False}))
    return files, str(path)


def is_object_store(files: Any) -> bool:
    """Whether a file system is one where a put makes a whole object or none."""
    return any(protocol in OBJECT_STORES for protocol in _protocols(files))


def is_local(files: Any) -> bool:
    """Whether a file system is this machine's."""
    return "file" in _protocols(files)


def _protocols(files: Any) -> Sequence[str]:
    return files.protocol if isinstance(files.protocol, tuple | list) else [files.protocol]


def again_if_busy(work: Callable[[], T]) -> T:
    """What `work` gives; it is done again while the storage is busy, and so has to bear that.

    Raises:
      OSError: what the storage raised, if it is no matter of waiting, or at the last attempt.
    """
    pause = FIRST_PAUSE_SECONDS
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except Exception as problem:
            if attempt == ATTEMPTS or not is_busy(problem):
                if type(problem).__module__.partition(".")[0] in _CLIENTS:
                    # Some clients have errors of their own where files have `OSError`.
                    raise OSError(f"{type(problem).__name__}: {problem}") from problem
                raise
        # Workers that were turned away together should not come back together.
        time.sleep(random.uniform(pause / 2, pause))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    raise AssertionError


def is_busy(problem: BaseException) -> bool:
    """Whether an error says that the same request may be answered later."""
    seen: BaseException | None = problem
    while seen is not None:
        if isinstance(seen, (ConnectionError, TimeoutError)) or _status(seen) in _BUSY_STATUS:
            return True
        if isinstance(seen, OSError) and seen.errno in _BUSY_NUMBERS:
            return True
        if any(kind.__name__ in _BUSY_CLASSES for kind in type(seen).__mro__):
            return True
        seen = seen.__cause__
    return False


def _status(problem: BaseException) -> int:
    """The HTTP status that a client's error tells of; 0 if none."""
    response = getattr(problem, "response", None)
    if isinstance(response, dict):  # botocore
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    for name in ("status", "code"):
        value = getattr(problem, name, None)
        if isinstance(value, int) or (isinstance(value, str) and value.isdigit()):
            return int(value)
    return 0


def read_whole(url: str) -> bytes:
    """The bytes of a file.

    Raises:
      FileNotFoundError: if there is none of that name.
      OSError: if the storage refuses.
    """
    files, path = storage_of(url)
    data: bytes = again_if_busy(lambda: files.cat_file(path))
    return data


def exists(url: str) -> bool:
    """Whether there is a file of that name.

    Raises:
      OSError: if the storage refuses.
    """
    files, path = storage_of(url)
    try:
        again_if_busy(lambda: files.info(path))
    except FileNotFoundError:
        return False
    return True


def put_file(file: Path, url: str) -> None:
    """Copies a local file to an object store, where it appears whole or not at all.

    Raises:
      OSError: if the storage refuses.
    """
    files, path = storage_of(url)
    again_if_busy(lambda: files.put_file(str(file), path))


def chunks_of(url: str, *, size: int = 8 << 20) -> Iterator[bytes]:
    """The bytes of a file from front to back; a busy store is asked again for the same piece.

    Raises:
      FileNotFoundError: if there is none of that name.
      OSError: if the storage refuses.
    """
    files, path = storage_of(url)
    stream = again_if_busy(lambda: files.open(path, "rb", block_size=size, cache_type="none"))
    with stream:
        at = 0
        while piece := again_if_busy(partial(_piece, stream, at, size)):
            at += len(piece)
            yield piece


def _piece(stream: Any, at: int, size: int) -> bytes:
    if stream.tell() != at:
        stream.seek(at)
    data: bytes = stream.read(size)
    return data


def remove(urls: Iterable[str]) -> None:
    """Deletes files by their names; one that is not there is as good as deleted.

    Raises:
      OSError: if the storage refuses.
    """

    def remove_one(url: str) -> None:
        files, path = storage_of(url)
        with suppress(FileNotFoundError):
            again_if_busy(lambda: files.rm_file(path))

    at_once(remove_one, urls)


def at_once(function: Callable[[Item], T], items: Iterable[Item]) -> list[T]:
    """Results of calls that mostly wait, in the order of the items."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(function, items))
