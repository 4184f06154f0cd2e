"""Reading one source file after another: format, path groups, files beside, explosion."""

from __future__ import annotations

import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from gzip import BadGzipFile
from typing import BinaryIO

from mixture_builder.errors import SourceError, ran_out
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers.archives import open_members
from mixture_builder.io.readers.beside import joined_by_key, joined_by_number, source_of
from mixture_builder.io.readers.content import FORMAT_WORDS, peek, refuse_impostors
from mixture_builder.io.readers.explode import exploded
from mixture_builder.io.readers.files import SourceFile, source_files
from mixture_builder.io.readers.hub import read_hub
from mixture_builder.io.readers.json_documents import read_json
from mixture_builder.io.readers.jsonl import read_jsonl
from mixture_builder.io.readers.natural_instructions import read_natural_instructions
from mixture_builder.io.readers.parquet import read_parquet
from mixture_builder.io.readers.records import BadRecord, ReadingError, SourceRecord
from mixture_builder.io.readers.seen import SeenFile
from mixture_builder.io.readers.tables import read_table
from mixture_builder.io.readers.text import read_document, read_text_lines
from mixture_builder.io.readers.xml_elements import read_xml
from mixture_builder.sources import Format, Source

Items = Iterator[SourceRecord | BadRecord]

_READERS: dict[Format, Callable[..., Items]] = {
    "jsonl": read_jsonl,
    "json": read_json,
    "csv": read_table,
    "tsv": read_table,
    "parquet": read_parquet,
    "text": read_text_lines,
    "document": read_document,
    "xml": read_xml,
    "natural_instructions": read_natural_instructions,
}

_OTHERS_ERRORS = (
    "adlfs", "aiohttp", "asyncio", "azure", "botocore", "datasets", "fsspec", "gcsfs", "google",
    "httpcore", "httpcore2", "httpx", "httpx2", "huggingface_hub", "pyarrow", "requests", "s3fs",
    "zstandard",
)  # fmt: skip
"""Packages below us whose errors mean that bytes did not come, whatever their classes."""


def read_source(source: Source, *, base: str, mirror: Mirror) -> Iterator[SourceRecord | BadRecord]:
    """All records of a source, file by file; see `read_file`.

    Args:
      source: what the card says.
      base: the card's folder, a local path or a URL.
      mirror: the user's copies of upstream files.

    Raises:
      SourceError: as `source_files` and `read_file`.
    """
    for file in source_files(source, base=base, mirror=mirror):
        yield from read_file(source, file)


OnSeen = Callable[[str, SeenFile], None]


def read_file(
    source: Source, file: SourceFile, *, on_seen: OnSeen | None = None
) -> Iterator[SourceRecord | BadRecord]:
    """The records of one file that `source_files` gave for this source.

    Args:
      source: what the card says.
      file: one of its files.
      on_seen: told the name of each file on the network that was read, and what was seen of it.

    Memory depends on the largest record, not on the file; exceptions are JSON documents of
    up to 32 MiB, Natural Instructions tasks, and files beside that are joined by a key.

    Raises:
      SourceError: if the file is missing, cut off, damaged, or of another kind than the card
        says, after the records before that point; the message says file, place, what was
        found, what was expected and the way out.
    """
    items = _guarded(_with_sides(source, file, on_seen), file=file)
    if not source.explode:
        return items
    return _exploded(items, keys=source.explode)


def _exploded(items: Items, *, keys: tuple[str, ...]) -> Items:
    for item in items:
        if isinstance(item, BadRecord):
            yield item
        else:
            yield from exploded(item, keys)


def _with_sides(source: Source, file: SourceFile, on_seen: OnSeen | None) -> Items:
    items = _members(source, file, on_seen)
    for beside, side_file in zip(source.beside, file.beside, strict=True):
        side = _guarded(_members(source_of(beside), side_file, on_seen), file=side_file)
        if beside.by:
            items = joined_by_key(items, side, by=beside.by, side_name=side_file.name)
        else:
            items = joined_by_number(items, side, side_name=side_file.name)
    return items


def _members(source: Source, file: SourceFile, on_seen: OnSeen | None) -> Items:
    if file.location is None:
        yield from read_hub(source, name=file.name)
        return
    tell = partial(on_seen, file.name) if on_seen else None
    members = open_members(file.location, inside=file.inside, name=_root(file), on_seen=tell)
    for name, stream in members:
        items = _records(stream, source=source, name=name, format=file.format)
        if source.from_path:
            groups = _path_groups(source.from_path, name=name)
            items = _with_columns(items, groups)
        yield from items


def _records(stream: BinaryIO, *, source: Source, name: str, format: Format) -> Items:  # noqa: A002
    head, stream = peek(stream)
    refuse_impostors(head, format=format)
    return _READERS[format](stream, name=name, source=source)


def _root(file: SourceFile) -> str:
    # The card's name of an archive's member starts with the steps that `inside` repeats.
    if not file.inside:
        return file.name
    return file.name.split("::")[-1]


def _path_groups(pattern: str, *, name: str) -> dict[str, str]:
    try:
        match = re.search(pattern, name)
    except re.error as problem:
        raise ReadingError(
            place="the card's `from_path`",
            found=f"no regular expression ({problem})",
            expected="one with named groups",
            way_out="Correct `from_path` in the card.",
        ) from None
    if match is None:
        raise ReadingError(
            place="the file's name",
            found="a name in which `from_path` finds nothing",
            expected=f"one that fits {pattern}",
            way_out="Correct `from_path` or `files` in the card.",
        )
    return {key: value or "" for key, value in match.groupdict().items()}


def _with_columns(items: Items, columns: dict[str, str]) -> Items:
    for item in items:
        if isinstance(item, SourceRecord):
            yield SourceRecord(place=item.place, record={**item.record, **columns})
        else:
            yield item


def _guarded(items: Items, *, file: SourceFile) -> Items:
    """Turns what goes wrong below into a `SourceError` that names the file."""
    item: SourceRecord | BadRecord | None = None
    try:
        for item in items:
            yield item
    except SourceError:
        raise
    except ReadingError as problem:
        raise _source_error(problem, file=file, last=item) from problem.__cause__
    except Exception as problem:
        known = _explained(problem, file=file)
        if known is None:
            raise
        raise _source_error(known, file=file, last=item) from problem


def _source_error(
    problem: ReadingError, *, file: SourceFile, last: SourceRecord | BadRecord | None
) -> SourceError:
    shown = file.name
    if file.location is not None and file.location not in file.name:
        shown += f" (read from {file.location})"
    place = problem.place or (f"after {last.place}" if last else "start of file")
    return SourceError(
        f"{shown}: {place}: found {problem.found}; expected {problem.expected}. {problem.way_out}"
    )


def _explained(problem: Exception, *, file: SourceFile) -> ReadingError | None:
    if ran_out(problem):
        return None
    cause = problem.__cause__
    if isinstance(problem, FileNotFoundError) and isinstance(cause, Exception):
        # fsspec says "not found" of web pages whatever the matter was; the cause knows.
        gone = isinstance(cause, FileNotFoundError) or getattr(cause, "status", 0) == 404
        problem = problem if gone else cause
    expected = FORMAT_WORDS[file.format]
    again = "Fetch the file again."
    if isinstance(problem, EOFError) or "unexpected end of data" in str(problem):
        return ReadingError(
            found="the end of the file in the middle of compressed data",
            expected=expected,
            way_out=again,
        )
    if isinstance(problem, (zipfile.BadZipFile, tarfile.TarError)):
        return ReadingError(
            found=f"no whole archive ({problem})", expected="a zip or tar archive", way_out=again
        )
    if isinstance(problem, (zlib.error, lzma.LZMAError)) or _is_unpacking_error(problem):
        return ReadingError(
            found=f"damaged compressed data ({problem})", expected=expected, way_out=again
        )
    if isinstance(problem, UnicodeError):
        return ReadingError(
            found=f"bytes that are no text ({problem})",
            expected=expected,
            way_out="Correct `encoding` in the card.",
        )
    if isinstance(problem, FileNotFoundError):
        return ReadingError(
            found="no such file",
            expected=expected,
            way_out="Correct `files` in the card, or mirror a copy.",
        )
    if isinstance(problem, ImportError):
        return ReadingError(
            found=f"a missing package ({problem})",
            expected="the one that opens this kind of address",
            way_out="Install it, or mirror a local copy.",
        )
    package = type(problem).__module__.partition(".")[0]
    if isinstance(problem, (OSError, NotImplementedError)) or package in _OTHERS_ERRORS:
        return ReadingError(
            found=f"an error while reading ({type(problem).__name__}: {str(problem)[:300]})",
            expected=expected,
            way_out="Try again, check the network and your rights, or mirror a local copy.",
        )
    return None


_PASSING_STATUS = frozenset([408, 425, 429, 500, 502, 503, 504])
"""Answers of web servers that ask for patience, or that say it was not the request's fault."""


_PASSING = frozenset(["ClientPayloadError", "ServerDisconnectedError", "SocketTimeoutError"])
"""What aiohttp raises when a server that had answered breaks off or stalls."""


def may_pass(problem: BaseException | None) -> bool:
    """Whether what went wrong on the network may go right the next time.

    A server that breaks off, stalls or asks for patience may; an address that is unknown, and
    a machine without a network, will not, and are not worth waiting for.
    """
    while problem is not None:
        if getattr(problem, "status", None) in _PASSING_STATUS:
            return True
        if isinstance(problem, ConnectionResetError) or type(problem).__name__ in _PASSING:
            return True
        problem = problem.__cause__
    return False


def _is_unpacking_error(problem: Exception) -> bool:
    # gzip and bz2 raise OSError without a number; the operating system always gives one.
    return isinstance(problem, BadGzipFile) or (type(problem) is OSError and problem.errno is None)
