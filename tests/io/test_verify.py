"""Rules for checking a file against its manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixture_builder.findings import Severity
from mixture_builder.io.digest import content_digest
from mixture_builder.io.jsonl import write_jsonl
from mixture_builder.io.parquet import write_parquet
from mixture_builder.io.tfrecord import write_tfrecord
from mixture_builder.io.verify import READERS, ExpectedFile, OutputFormat, verify_file

MakeExamples = Callable[[Sequence[tuple[str, str]]], pa.Table]
WRITERS: dict[OutputFormat, Callable[..., Any]] = {
    "parquet": write_parquet,
    "tfrecord": write_tfrecord,
    "jsonl": write_jsonl,
}


def write(file_format: OutputFormat, table: pa.Table, url: str) -> ExpectedFile:
    """Writes a file and gives its line of the manifest."""
    written = WRITERS[file_format](table, url)
    return ExpectedFile(
        rows=written.rows,
        bytes=written.bytes,
        sha256=written.sha256,
        content_digest=content_digest(table),
    )


@pytest.mark.parametrize("file_format", list(READERS))
def test_a_good_file_has_no_findings(
    tmp_path: Path, make_examples: MakeExamples, file_format: OutputFormat
) -> None:
    """A file as written passes, with and without decoding; all formats decode to one digest."""
    url = str(tmp_path / "shard")
    expected = write(file_format, make_examples([("What?", "That."), ("\u2028", "")]), url)

    assert verify_file(url, file_format, expected) == []
    assert verify_file(url, file_format, expected, decode=True) == []


@pytest.mark.parametrize("file_format", list(READERS))
def test_any_changed_byte_is_found(
    tmp_path: Path, make_examples: MakeExamples, file_format: OutputFormat
) -> None:
    """Whichever byte is changed, an error names the file, and decoding never raises."""
    path = tmp_path / "shard"
    expected = write(file_format, make_examples([("What?", "That."), ("Why?", "")]), str(path))
    good = path.read_bytes()

    # Parquet's footer makes even two rows some thousand bytes long; a thousand flips will do.
    for place in range(0, len(good), 1 + len(good) // 1_000):
        bad = bytearray(good)
        bad[place] ^= 0x10
        path.write_bytes(bad)
        findings = verify_file(str(path), file_format, expected)
        assert findings[0].severity is Severity.ERROR
        assert findings[0].file == str(path)
        assert findings[0].message.startswith(f"bytes differ: found {len(good):,} with SHA-256")
        assert len(findings) == 2


@pytest.mark.parametrize("file_format", list(READERS))
def test_a_cut_file_is_found(
    tmp_path: Path, make_examples: MakeExamples, file_format: OutputFormat
) -> None:
    """A file that lost its end is an error wherever the cut fell, down to an empty file."""
    path = tmp_path / "shard"
    expected = write(file_format, make_examples([("What?", "That."), ("Why?", "")]), str(path))
    good = path.read_bytes()

    for size in range(0, len(good), 7):
        path.write_bytes(good[:size])
        found = verify_file(str(path), file_format, expected)
        assert [finding.place for finding in found] == ["bytes", "content"]
        assert found[1].severity is Severity.ERROR


def test_other_rows_are_told_from_other_bytes(tmp_path: Path, make_examples: MakeExamples) -> None:
    """The same rows in other bytes are a note on the content, other rows an error on it."""
    url = str(tmp_path / "shard.parquet")
    table = make_examples([("What?", "That.")])
    expected = write("parquet", table, url)

    pq.write_table(table, url, compression="none")
    same = verify_file(url, "parquet", expected)
    assert [(finding.place, finding.severity) for finding in same] == [
        ("bytes", Severity.ERROR),
        ("content", Severity.NOTE),
    ]
    assert "the content is the same: all 1 rows are as expected" in same[1].message

    write_parquet(make_examples([("What?", "This.")] * 2), url)
    other = verify_file(url, "parquet", expected)
    assert [(finding.place, finding.severity) for finding in other] == [
        ("bytes", Severity.ERROR),
        ("content", Severity.ERROR),
    ]
    assert other[1].message.startswith("content differs: found 2 rows with digest ")
    assert f"expected 1 with {expected.content_digest}" in other[1].message


def test_undecodable_content_says_what_and_where(
    tmp_path: Path, make_examples: MakeExamples
) -> None:
    """A damaged record is named by its number, without a stack trace."""
    path = tmp_path / "shard.tfrecord"
    expected = write("tfrecord", make_examples([("a", "b"), ("c", "d")]), str(path))
    bad = bytearray(path.read_bytes())
    bad[-6] ^= 1
    path.write_bytes(bad)

    _, content = verify_file(str(path), "tfrecord", expected)

    assert content.message.startswith(
        "cannot be read as TFRecord: record 1: the CRC of its data is wrong."
    )


def test_a_missing_file_is_a_finding(make_examples: MakeExamples) -> None:
    """No file is one error that says what was expected, on any file system."""
    expected = ExpectedFile(rows=1_000, bytes=20_000, sha256="0" * 64, content_digest="0" * 32)

    (finding,) = verify_file("memory://verify/absent.parquet", "parquet", expected)

    assert finding.message == "the file is missing; expected 20,000 bytes and 1,000 rows."


def test_what_cannot_be_opened_is_a_finding(tmp_path: Path) -> None:
    """A folder in the place of a file is an error with the reason, not an exception."""
    expected = ExpectedFile(rows=1, bytes=1, sha256="0" * 64, content_digest="0" * 32)

    (finding,) = verify_file(str(tmp_path), "jsonl", expected)

    assert finding.message == "the file cannot be read: Is a directory."


def test_decoding_finds_a_manifest_that_contradicts_itself(
    tmp_path: Path, make_examples: MakeExamples
) -> None:
    """Right bytes with another content digest mean that the manifest is wrong."""
    url = str(tmp_path / "shard.jsonl")
    good = write("jsonl", make_examples([("a", "b")]), url)
    wrong = ExpectedFile(rows=1, bytes=good.bytes, sha256=good.sha256, content_digest="0" * 32)

    assert verify_file(url, "jsonl", wrong) == []
    (finding,) = verify_file(url, "jsonl", wrong, decode=True)
    assert finding.place == "content"
    assert "the manifest itself is wrong" in finding.remedy
