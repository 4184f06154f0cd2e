"""Is a file still what the manifest says? Checked byte by byte, explained row by row.

The SHA-256 of the bytes decides: any changed byte is found. When it differs, the file is
also decoded, to tell a damaged file from one that holds the same rows in other bytes (as
another version of pyarrow writes them).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import fsspec
import pyarrow as pa

from mixture_builder.errors import VerifyError
from mixture_builder.findings import Finding, Severity
from mixture_builder.io.digest import ContentDigest
from mixture_builder.io.jsonl import read_jsonl
from mixture_builder.io.parquet import read_parquet
from mixture_builder.io.tfrecord import read_tfrecord

OutputFormat = Literal["parquet", "tfrecord", "jsonl"]

READERS: Mapping[OutputFormat, Callable[[str], Iterator[pa.RecordBatch]]] = MappingProxyType(
    {"parquet": read_parquet, "tfrecord": read_tfrecord, "jsonl": read_jsonl}
)
"""How each format of a finished mixture is read; all give the same columns and types."""

_BLOCK = 1 << 20
_AGAIN = "Build this shard again, or fetch a fresh copy of it."


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpectedFile:
    """What the manifest says about a file.

    Attributes:
      rows: records in the file.
      bytes: its size as stored.
      sha256: of its bytes, as 64 hexadecimal digits.
      content_digest: of its rows, the same for every format; see `mixture_builder.io.digest`.
    """

    rows: int
    bytes: int
    sha256: str
    content_digest: str


def verify_file(
    url: str, file_format: OutputFormat, expected: ExpectedFile, *, decode: bool = False
) -> list[Finding]:
    """What is wrong with the file; an empty list if nothing is.

    Every changed, missing or added byte gives an error that names the file and whether
    only its bytes or also its rows differ. Damage of any kind becomes a finding, never an
    exception.

    Args:
      url: local path or fsspec URL.
      file_format: how to decode the file.
      expected: from the manifest.
      decode: also decode a file whose bytes are right, which costs several times more and
        finds a manifest that contradicts itself.
    """
    try:
        size, sha256 = _measured(url)
    except FileNotFoundError:
        message = f"the file is missing; expected {expected.bytes:,} bytes"
        return [_finding(url, "bytes", f"{message} and {expected.rows:,} rows.", _AGAIN)]
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}."
        return [_finding(url, "bytes", message, "Check access to it, then verify again.")]
    if sha256 == expected.sha256 and size == expected.bytes:
        return (
            [*_content_findings(url, file_format, expected, bytes_differ=False)] if decode else []
        )
    what = f"bytes differ: found {size:,} with SHA-256 {sha256[:16]}..., expected "
    what += f"{expected.bytes:,} with {expected.sha256[:16]}...."
    return [
        _finding(url, "bytes", what, _AGAIN),
        *_content_findings(url, file_format, expected, bytes_differ=True),
    ]


def _measured(url: str) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    with fsspec.open(url, "rb") as file:
        while block := file.read(_BLOCK):
            size += len(block)
            digest.update(block)
    return size, digest.hexdigest()


def _content_findings(
    url: str, file_format: OutputFormat, expected: ExpectedFile, *, bytes_differ: bool
) -> Iterator[Finding]:
    digest = ContentDigest()
    try:
        for batch in READERS[file_format](url):
            digest.update(batch)
    except VerifyError as error:
        yield _finding(url, "content", str(error).removeprefix(f"{url}: "))
        return
    except (OSError, ValueError, ArithmeticError, LookupError, MemoryError) as error:
        # Damaged lengths can send a decoder anywhere; that it failed is all there is to say.
        what = f"the content cannot be read: {str(error) or type(error).__name__}."
        yield _finding(url, "content", what, _AGAIN)
        return
    found = digest.hexdigest()
    if (found, digest.rows) != (expected.content_digest, expected.rows):
        what = f"content differs: found {digest.rows:,} rows with digest {found}, expected "
        what += f"{expected.rows:,} with {expected.content_digest}."
        if bytes_differ:
            yield _finding(url, "content", what, _AGAIN)
        else:
            way_out = "The bytes are as the manifest says, so the manifest itself is wrong: "
            yield _finding(url, "content", what, way_out + "build the mixture again.")
    elif bytes_differ:
        what = f"the content is the same: all {expected.rows:,} rows are as expected. Another "
        what += "program, or another version of pyarrow, has written the file."
        yield _finding(url, "content", what, severity=Severity.NOTE)


def _finding(
    url: str, place: str, message: str, remedy: str = "", severity: Severity = Severity.ERROR
) -> Finding:
    return Finding(severity=severity, file=url, place=place, message=message, remedy=remedy)
