"""Files appear under their final name complete, or not at all.

Bytes go to a sibling with a temporary name; only after the last byte is safely stored does
the file get its final name. Whoever lists a folder meanwhile sees hidden names ending in
`.partial`, which carry the host and process that write them: `remove_leftovers` deletes
those of processes that died. An object store renames nothing, but puts an object whole or not
at all: there, bytes go to a temporary file of this machine, and from it to the final name.
Bytes are counted and hashed on their way out, once.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from mixture_builder.errors import BuildError
from mixture_builder.io.storage import is_local, is_object_store, put_file, storage_of

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PARTIAL = re.compile(r"^\..+\.(?P<host>[^.]+)-(?P<pid>\d+)-[0-9a-f]{8}\.partial$")


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenFile:
    """What a writer says about the file it wrote.

    Attributes:
      rows: records in the file.
      bytes: its size, as stored (after compression).
      sha256: of its bytes, as 64 hexadecimal digits.
    """

    rows: int
    bytes: int
    sha256: str


class HashingWriter(io.RawIOBase):
    """A binary file that only grows, and knows the size and SHA-256 of what it was given.

    Attributes:
      url: the final name of the file, for messages.
      count: bytes written so far.
    """

    def __init__(self, sink: BinaryIO, *, url: str) -> None:
        self.url = url
        self.count = 0
        self._sink = sink
        self._hash = hashlib.sha256()

    def write(self, data: ReadableBuffer, /) -> int:
        """Appends all of `data`; raises `BuildError` when the storage refuses it."""
        view = memoryview(data).cast("B")
        try:
            self._sink.write(view)
        except OSError as error:
            raise cannot_write(self.url, error) from error
        self._hash.update(view)
        self.count += view.nbytes
        return view.nbytes

    def writable(self) -> bool:
        """Always true."""
        return True

    def tell(self) -> int:
        """The number of bytes written so far."""
        return self.count

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the bytes written so far."""
        return self._hash.hexdigest()

    def written(self, rows: int) -> WrittenFile:
        """The description of the file so far, holding `rows` records."""
        return WrittenFile(rows=rows, bytes=self.count, sha256=self.sha256)


@contextmanager
def atomic_output(url: str, *, durable: bool = True) -> Iterator[HashingWriter]:
    """A binary file that gets the name `url` when the block ends without an error.

    Parent folders are made. An existing file is replaced in one step; after an error it is
    untouched and nothing of the new one is left. Works on local paths (renamed after an
    fsync of the file, so a crash of the machine leaves the old or the new bytes), on object
    stores (put in one piece, again and again while the store is busy) and on any other fsspec
    URL (written under a temporary name, then moved).

    Args:
      url: local path or fsspec URL of the file.
      durable: whether a local file is on the disk when the block ends. Without it, a crash of
        the machine may lose the file, which is right for what can be made again at once.

    Raises:
      BuildError: when the storage refuses to open, write or rename.
    """
    filesystem, path = storage_of(url)
    if is_local(filesystem):
        with _atomic_local(url, Path(path), durable=durable) as writer:
            yield writer
    elif is_object_store(filesystem):
        with _atomic_put(url) as writer:
            yield writer
    else:
        with _atomic_remote(url, filesystem, path) as writer:
            yield writer


@contextmanager
def _atomic_local(url: str, path: Path, *, durable: bool) -> Iterator[HashingWriter]:
    partial = path.with_name(temporary_name(path.name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(partial, "xb", buffering=1 << 20)  # noqa: SIM115 (closed before the rename)
    except OSError as error:
        raise cannot_write(url, error) from error
    try:
        try:
            writer = HashingWriter(file, url=url)
            yield writer
            try:
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            except OSError as error:
                raise cannot_write(url, error) from error
        finally:
            # A full disk makes even closing fail; the first error is the one to show.
            with suppress(OSError):
                file.close()
        try:
            os.replace(partial, path)
        except OSError as error:
            raise cannot_write(url, error) from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)


def make_durable(url: str) -> None:
    """Sees to it that a finished file is on the disk: one that was written without waiting for it.

    Nothing is done for a URL: what was put there is stored.

    Raises:
      BuildError: when the disk refuses it; the file is removed then, as nobody knows what is left.
    """
    filesystem, path = storage_of(url)
    if not is_local(filesystem):
        return
    try:
        # Windows asks for a file that may be written.
        with open(path, "rb" if os.name == "posix" else "r+b") as file:
            os.fsync(file.fileno())
    except OSError as error:
        Path(path).unlink(missing_ok=True)
        raise cannot_write(url, error) from error
    _sync_folder(Path(path).parent)


def _sync_folder(folder: Path) -> None:
    """Makes the rename itself survive a crash, where the system can open folders."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _atomic_put(url: str) -> Iterator[HashingWriter]:
    try:
        folder = TemporaryDirectory(prefix="mixture-builder-")
    except OSError as error:
        raise cannot_write(url, error) from error
    with folder:
        file = Path(folder.name) / "object"
        with open(file, "xb", buffering=1 << 20) as sink:
            yield HashingWriter(sink, url=url)
            try:
                sink.flush()
                put_file(file, url)
            except OSError as error:
                raise cannot_write(url, error) from error


@contextmanager
def _atomic_remote(url: str, filesystem: Any, path: str) -> Iterator[HashingWriter]:
    parent, _, name = path.rpartition("/")
    partial = f"{parent}/{temporary_name(name)}"
    try:
        if parent.strip("/"):
            filesystem.makedirs(parent, exist_ok=True)
        file = filesystem.open(partial, "wb")
    except OSError as error:
        raise cannot_write(url, error) from error
    try:
        try:
            writer = HashingWriter(file, url=url)
            yield writer
        finally:
            # Also after an error: an upload that stays open may hold a connection for ever.
            file.close()
        filesystem.mv(partial, path)
    except BaseException as error:
        with suppress(OSError):
            filesystem.rm(partial)
        if isinstance(error, OSError):
            raise cannot_write(url, error) from error
        raise


def cannot_write(url: str, error: OSError) -> BuildError:
    """The error of a file that the storage refuses to write."""
    # Arrow gives errors words of its own; the system's are those that one can look up.
    reason = os.strerror(error.errno) if error.errno else str(error)
    return BuildError(
        f"{url}: cannot be written: {reason}. Nothing was left under that "
        "name. Make room or grant access there, then run the same command again."
    )


def temporary_name(name: str) -> str:
    """A hidden sibling name for `name`, never given twice, that tells who is writing."""
    host = re.sub(r"[^A-Za-z0-9-]", "_", socket.gethostname())
    return f".{name}.{host}-{os.getpid()}-{secrets.token_hex(4)}.partial"


def sha256_of(stream: IO[bytes]) -> str:
    """Hexadecimal SHA-256 of what is left of a stream."""
    digest = hashlib.sha256()
    while chunk := stream.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def is_temporary(name: str) -> bool:
    """Whether `name` (a file name or a path) is that of an unfinished file of ours."""
    return _PARTIAL.match(name.rsplit("/", 1)[-1]) is not None


def remove_leftovers(
    folder: str, *, alone: bool = False, foreign_after_seconds: float = 86_400
) -> list[str]:
    """Deletes the unfinished files that dead processes left in `folder`; returns their paths.

    Files of this host go when their process is gone. Of other hosts nothing is known, so
    theirs go when they have not changed for `foreign_after_seconds`, or stay when the
    storage does not say when they changed.

    Args:
      folder: local path or fsspec URL.
      alone: whether the caller holds the lock that keeps all others from writing here, and nobody
        writes for it. Files of this host then go in any case: the number of a process that was
        killed may belong to another one by now, or to itself for as long as it takes to end.
      foreign_after_seconds: see above.
    """
    filesystem, path = storage_of(folder)
    # An object store never shows an unfinished file, so there is nothing to look for.
    if is_object_store(filesystem) or not filesystem.isdir(path):
        return []
    removed = []
    for entry in sorted(filesystem.ls(path, detail=True), key=lambda entry: str(entry["name"])):
        match = _PARTIAL.match(str(entry["name"]).rsplit("/", 1)[-1])
        if match is None:
            continue
        own = match["host"] == re.sub(r"[^A-Za-z0-9-]", "_", socket.gethostname())
        if own and not alone and is_alive(int(match["pid"])):
            continue
        if not own and not _older(entry, foreign_after_seconds):
            continue
        filesystem.rm_file(entry["name"])
        removed.append(str(entry["name"]))
    return removed


def is_alive(pid: int) -> bool:
    """Whether this machine has such a process, and it has not ended."""
    if os.name == "nt":
        return True  # Signal 0 would end a process there instead of asking about it.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _has_ended(pid)


def _has_ended(pid: int) -> bool:
    """Whether a process is no more than a number that nobody has asked about yet (a zombie).

    In containers without an init process such numbers stay for good.
    """
    try:
        # The name of the program stands in brackets and may hold anything; its state follows.
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return False  # No such file system here, or it is gone at this moment.
    return state in {b"Z", b"X"}


def _older(entry: dict[str, Any], seconds: float) -> bool:
    for key in ("mtime", "LastModified", "updated", "created"):
        changed = entry.get(key)
        if isinstance(changed, datetime):
            changed = changed.timestamp()
        if isinstance(changed, int | float):
            return time.time() - changed > seconds
    return False
