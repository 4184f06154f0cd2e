"""Opening what a source file names: local, remote, or members of zip and tar archives.

An archive is read once from front to back, however many of its members a `*` matches, and
its members come in the archive's own order. Nothing is ever unpacked to a path.
"""

from __future__ import annotations

import os
import re
import tarfile
import zipfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, cast

from mixture_builder.findings import did_you_mean
from mixture_builder.io.mirror import has_scheme
from mixture_builder.io.readers.addresses import web_client
from mixture_builder.io.readers.content import one_way, seekable, size_of
from mixture_builder.io.readers.expansion import Unpacking, max_window_bytes, window_refused
from mixture_builder.io.readers.packing import unpacked
from mixture_builder.io.readers.records import ReadingError, listed
from mixture_builder.io.readers.seen import SeenFile, SeenStream

if TYPE_CHECKING:
    from typing_extensions import Self

_CHUNK = 1 << 20
_ZIP_HEADER_BYTES = 30
_SHOWN_NAME = 300
MAX_HEADER_BYTES = 1 << 20
"""What a tar archive may say of a member beside its content; `tarfile` holds it in memory."""

_DESCRIBING = frozenset(
    [
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    ]
)
"""Kinds of members that only describe the next one."""

STALL_SECONDS = 60.0
"""How long a web server may say nothing, while connecting or in the middle of a file."""


def open_members(
    location: str,
    *,
    inside: Sequence[str],
    name: str,
    on_seen: Callable[[SeenFile], None] | None = None,
) -> Generator[tuple[str, BinaryIO], None, None]:
    """The files that a location and steps into archives name, uncompressed, one at a time.

    Args:
      location: local path or URL of a file.
      inside: steps into archives, the outermost archive's first: `tar://data/*.json`.
      name: how the card names the location; members are named after it.
      on_seen: told what was seen of a file on the network, when all members are read.

    Yields:
      Name (`tar://data/a.json::<name>`) and bytes; a stream is valid until the next one.

    Raises:
      ReadingError: if an archive is none, is encrypted, or has no such member.
    """
    with _opened(location) as stream:
        if on_seen is None or not has_scheme(location):
            yield from _descend(stream, steps=inside, name=name)
            return
        watched = SeenStream(stream)
        yield from _descend(cast("BinaryIO", watched), steps=inside, name=name)
        on_seen(watched.seen())


def glob_pattern(pattern: str) -> re.Pattern[str]:
    """A path pattern in which only `*` (within a folder) and `**` (across folders) are special.

    >>> bool(glob_pattern("train/*/a[1].txt").fullmatch("train/pos/a[1].txt"))
    True
    """
    parts = re.split(r"(\*\*/|\*\*|\*)", pattern)
    meanings = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    return re.compile("".join(meanings.get(part, re.escape(part)) for part in parts), re.DOTALL)


@contextmanager
def _opened(location: str) -> Iterator[BinaryIO]:
    if not has_scheme(location):
        with open(location, "rb") as file:
            yield file
        return
    from fsspec.core import url_to_fs

    if location.startswith(("http://", "https://")):
        # One request a file (block size 0): many servers cannot serve parts, and reading
        # goes front to back anyway. The stream claims to seek, but cannot.
        file_system, path = url_to_fs(location, client_kwargs=_web_options(), get_client=web_client)
        with file_system.open(path, "rb", block_size=0) as page:
            yield one_way(page)
        return
    file_system, path = url_to_fs(location)
    with file_system.open(path, "rb") as remote:
        yield remote


def _web_options() -> dict[str, Any]:
    from aiohttp import ClientTimeout

    # aiohttp's own limit is five minutes for the whole file, however well it arrives.
    timeout = ClientTimeout(total=None, sock_connect=STALL_SECONDS, sock_read=STALL_SECONDS)
    return {"timeout": timeout, "trust_env": True}


def _descend(
    stream: BinaryIO, *, steps: Sequence[str], name: str
) -> Iterator[tuple[str, BinaryIO]]:
    if not steps:
        yield name, unpacked(stream, name=name)
        return
    protocol, _, pattern = steps[0].partition("://")
    pattern = pattern.lstrip("/").removeprefix("./")
    members = _zip_members if protocol == "zip" else _tar_members
    for member, inner in members(stream, pattern=pattern, archive=name):
        yield from _descend(inner, steps=steps[1:], name=f"{protocol}://{member}::{name}")


def _zip_members(stream: BinaryIO, *, pattern: str, archive: str) -> Iterator[tuple[str, BinaryIO]]:
    copy = seekable(stream)
    wanted_name = glob_pattern(pattern)
    try:
        with zipfile.ZipFile(copy) as file:
            # A member without a name makes `is_dir` fail.
            infos = [info for info in file.infolist() if info.filename and not info.is_dir()]
            wanted = [info for info in infos if wanted_name.fullmatch(info.filename)]
            if not wanted:
                raise _no_member(pattern, [info.filename for info in infos], archive=archive)
            # Of all members together: in a hostile archive thousands of them share their bytes.
            size = size_of(copy)
            unpacking = Unpacking(lambda: size)
            for info in wanted:
                if info.flag_bits & 1:
                    raise ReadingError(
                        place=f"member '{info.filename}'",
                        found="an encrypted member",
                        expected="one that opens without a password",
                        way_out="Unpack the archive and mirror the files in it.",
                    )
                with file.open(info) as member:
                    _refuse_large_dictionary(copy, info)
                    yield info.filename, unpacking.watched(member)
    finally:
        if copy is not stream:
            copy.close()


def _refuse_large_dictionary(file: BinaryIO, info: zipfile.ZipInfo) -> None:
    """Looks where a member's LZMA says how much memory it wants; `zipfile` would give it all."""
    most = max_window_bytes()
    if info.compress_type != zipfile.ZIP_LZMA or not most:
        return
    file.seek(info.header_offset)
    lengths = file.read(_ZIP_HEADER_BYTES)[26:30]
    name, extra = int.from_bytes(lengths[:2], "little"), int.from_bytes(lengths[2:], "little")
    file.seek(name + extra, os.SEEK_CUR)
    # Version and size of what follows, two bytes each; a byte of properties; the dictionary.
    if int.from_bytes(file.read(9)[5:], "little") > most:
        raise window_refused()


def _tar_members(stream: BinaryIO, *, pattern: str, archive: str) -> Iterator[tuple[str, BinaryIO]]:
    bare = unpacked(stream, name=archive)
    wanted_name = glob_pattern(pattern)
    others: list[str] = []
    found = False
    # Mode "r|" reads forward only, so the archive need not fit memory or be seekable.
    with _tar_file(bare) as file:
        while (info := _next_member(file)) is not None:
            member_name = info.name.removeprefix("./")
            if not info.isreg():
                continue
            if not wanted_name.fullmatch(member_name):
                others.append(member_name[:_SHOWN_NAME])
                del others[1000:]
                continue
            found = True
            member = file.extractfile(info)
            assert member is not None  # it is a regular file
            yield member_name, one_way(member)
            if "*" not in pattern:
                return
        if not found:
            raise _no_member(pattern, others, archive=archive)
        # What follows the last member holds the checksum that proves the rest was whole.
        while bare.read(_CHUNK):
            pass


class _BoundedHeader(tarfile.TarInfo):
    """The header of a member; what describes the member in further blocks has its limits."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """See the base class.

        Raises:
          ReadingError: if names and the like come to more than `MAX_HEADER_BYTES`, or the member
            is a sparse file.
        """
        info = super().frombuf(buf, encoding, errors)
        if info.type in _DESCRIBING and info.size > MAX_HEADER_BYTES:
            raise ReadingError(
                found=f"a member whose name and attributes take {info.size:,} bytes",
                expected=f"at most {MAX_HEADER_BYTES:,}",
                way_out="Unpack the archive and mirror the files in it.",
            )
        if info.type == tarfile.GNUTYPE_SPARSE:
            raise _sparse()
        return info

    def _proc_gnusparse_10(self, *_: Any) -> NoReturn:
        # The base class reads a map of any length here.
        raise _sparse()


_NO_NUMBER = (ValueError, OverflowError)
"""What a number of a header raises that is none, or greater than any length can be."""


def _tar_file(stream: BinaryIO) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=stream, mode="r|", tarinfo=_BoundedHeader)
    except _NO_NUMBER as problem:
        raise _no_tar(problem) from None


def _next_member(file: tarfile.TarFile) -> tarfile.TarInfo | None:
    """The next member; those before are forgotten.

    Raises:
      ReadingError: if its header makes no sense, or it is a sparse file, whose holes could be of
        any length.
    """
    try:
        info = file.next()
    except _NO_NUMBER as problem:
        raise _no_tar(problem) from None
    # It keeps all that it has seen, for those who ask for names later.
    cast("Any", file).members.clear()
    if info is not None and info.issparse():
        raise _sparse()
    return info


def _no_tar(problem: Exception) -> ReadingError:
    return ReadingError(
        found=f"no whole archive ({problem})",
        expected="a tar archive",
        way_out="Fetch the file again.",
    )


def _sparse() -> ReadingError:
    return ReadingError(
        found="a sparse file",
        expected="members that are stored as a whole",
        way_out="Unpack the archive and mirror the files in it.",
    )


def _no_member(pattern: str, names: list[str], *, archive: str) -> ReadingError:
    hint = did_you_mean(pattern, names)
    return ReadingError(
        place=f"members of {archive}",
        found=listed(sorted(names), limit=5),
        expected=f"'{pattern}'",
        way_out=hint or "Correct the member's name in the card.",
    )
