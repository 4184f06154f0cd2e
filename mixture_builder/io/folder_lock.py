"""One process at a time works in a folder: a second one is refused, a dead one is not waited for.

On this machine the operating system keeps the lock, and gives it up when a process ends in
whatever way. On other storage, and where a folder is shared by machines, a small file tells who
is at work; whoever holds it says so again every `BEAT_SECONDS`, and counts as dead when nothing
was heard for `STALE_SECONDS`.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from mixture_builder.errors import BuildError
from mixture_builder.io.atomic import cannot_write, is_alive
from mixture_builder.io.storage import storage_of

if sys.platform != "win32":
    import fcntl

BEAT_SECONDS = 30.0
"""How often a holder says that it is alive."""

STALE_SECONDS = 180.0
"""After how long without a sign of life the lock of another machine is taken over."""

SETTLE_SECONDS = 1.0
"""How long a claim in the place of a dead one must stand before it counts."""

CLAIM_BYTES = 1_000

_NO_LOCKS_HERE = frozenset([errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
"""What some network file systems answer when they are asked for a lock."""


@contextmanager
def exclusive(url: str, *, folder: str, doing: str, wait_for: str) -> Iterator[None]:
    """Holds a lock while the block runs; the file is gone afterwards.

    Args:
      url: of the lock file, local path or fsspec URL; its folder is made.
      folder: what is locked, for messages.
      doing: what this process does there: "builds", for messages of those that come later.
      wait_for: what somebody who is refused can do besides waiting.

    Raises:
      BuildError: if another process that is alive holds it, or the storage refuses.
    """
    files, path = storage_of(url)
    owner = {
        "host": _host(),
        "pid": os.getpid(),
        "doing": doing,
        "since": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "token": secrets.token_hex(8),
    }
    try:
        files.makedirs(path.rpartition("/")[0], exist_ok=True)
        held = _held_by_system(Path(path), owner) if _has_locks(files) else None
        if held is None:
            _write_claim(files, path, owner)
    except _HeldError as problem:
        raise BuildError(_refusal(folder, problem.owner, wait_for)) from None
    except OSError as error:
        raise cannot_write(url, error) from error
    over = threading.Event()
    beats = threading.Thread(target=_beat, args=(files, path, owner, held, over), daemon=True)
    beats.start()
    try:
        yield
    finally:
        over.set()
        beats.join()
        # Removed while it is held: nobody can hold a file that is no longer there.
        with suppress(OSError):
            if _owner(files, path).get("token") == owner["token"]:
                files.rm_file(path)
        if held is not None:
            os.close(held)


class _HeldError(Exception):
    """Somebody else holds the lock."""

    def __init__(self, owner: Mapping[str, Any]) -> None:
        super().__init__(owner)
        self.owner = owner


def _refusal(folder: str, owner: Mapping[str, Any], wait_for: str) -> str:
    who = f"process {owner.get('pid', '?')} on {owner.get('host', '?')}"
    text = (
        f"{folder}: {who} {owner.get('doing', 'works')} here since "
        f"{owner.get('since', 'just now')}; expected to be alone. Wait until it is done, or "
        f"{wait_for}. Nothing was changed."
    )
    if owner.get("host") not in {None, _host()}:
        text += (
            f" If it was ended, its lock is taken over {STALE_SECONDS:.0f} seconds after its last "
            f"sign of life, which was {_silence(owner):.0f} seconds ago."
        )
    return text


def _has_locks(files: Any) -> bool:
    return sys.platform != "win32" and isinstance(files, LocalFileSystem)


def _held_by_system(path: Path, owner: Mapping[str, Any]) -> int | None:
    """The open file that holds the lock; `None` if the file system knows no locks."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_still(descriptor, path):
                # Who held it has removed it between our opening and our locking.
                os.close(descriptor)
                continue
            found = _parsed(os.pread(descriptor, CLAIM_BYTES, 0))
            # A lock of this machine is free, so its holder is dead. Another machine's may be
            # held without our system knowing.
            if found.get("host") not in {None, _host()} and not _is_stale(found):
                raise _HeldError(found)
            os.pwrite(descriptor, _claim(owner), 0)
            os.ftruncate(descriptor, CLAIM_BYTES)
            return descriptor
        except BlockingIOError:
            found = _parsed(os.pread(descriptor, CLAIM_BYTES, 0))
            os.close(descriptor)
            raise _HeldError(found) from None
        except OSError as problem:
            os.close(descriptor)
            if problem.errno in _NO_LOCKS_HERE:
                return None
            raise
        except BaseException:
            os.close(descriptor)
            raise


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _write_claim(files: Any, path: str, owner: Mapping[str, Any]) -> None:
    """Claims a lock with a file alone.

    Storage that can create a file only where there is none decides between two that come at
    once; elsewhere the last one to write wins, and the other one sees that.
    """
    found = _owner(files, path)
    if found and not _is_stale(found):
        raise _HeldError(found)
    left_by_dead = bool(files.exists(path))
    if left_by_dead:
        with suppress(FileNotFoundError):
            files.rm_file(path)
    try:
        files.pipe_file(path, _claim(owner), mode="create")
    except FileExistsError:
        raise _HeldError(_owner(files, path)) from None
    except (TypeError, ValueError, NotImplementedError):
        files.pipe_file(path, _claim(owner))
    if left_by_dead:
        # Whoever found the same dead claim may be about to remove ours in its place.
        time.sleep(SETTLE_SECONDS)
    now = _owner(files, path)
    if now.get("token") != owner["token"]:
        raise _HeldError(now)


def _beat(
    files: Any, path: str, owner: Mapping[str, Any], held: int | None, over: threading.Event
) -> None:
    while not over.wait(BEAT_SECONDS):
        # A beat that is missed does no harm; the next one may arrive. Whoever finds another
        # holder's claim leaves it alone.
        with suppress(Exception):
            if held is not None:
                os.pwrite(held, _claim(owner), 0)
            elif _owner(files, path).get("token") == owner["token"]:
                files.pipe_file(path, _claim(owner))


def _claim(owner: Mapping[str, Any]) -> bytes:
    # Of one length, so that it can be written over in place without a moment in which it is cut.
    return json.dumps({**owner, "beat": time.time()}).encode().ljust(CLAIM_BYTES)


def _owner(files: Any, path: str) -> dict[str, Any]:
    # What was listed or read before may be out of date.
    files.invalidate_cache()
    try:
        return _parsed(files.cat_file(path))
    except FileNotFoundError:
        return {}


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_stale(owner: Mapping[str, Any]) -> bool:
    if owner.get("host") == _host() and not is_alive(int(owner.get("pid", 0))):
        return True
    return _silence(owner) > STALE_SECONDS


def _silence(owner: Mapping[str, Any]) -> float:
    beat = owner.get("beat")
    return time.time() - beat if isinstance(beat, int | float) else STALE_SECONDS + 1


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "_", socket.gethostname())
