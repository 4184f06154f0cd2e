"""Files that are made to harm: too many columns, manifests that point elsewhere, packed nothing."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest

from mixture_builder.errors import SourceError, VerifyError
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import BadRecord, read_source
from mixture_builder.io.readers.records import MAX_COLUMNS, MAX_RECORD_BYTES
from mixture_builder.jobs.inspect.records import load_manifest
from mixture_builder.manifest import MANIFEST_VERSION
from mixture_builder.sources import Source


def read(folder: Path, data: bytes, source: Source) -> list[object]:
    """What is read of a file of these bytes."""
    (folder / "data").write_bytes(data)
    return list(read_source(source, base=str(folder), mirror=Mirror.empty()))


def test_ten_million_columns_are_refused(tmp_path: Path) -> None:
    """A header of millions of names is an error that counts them, at once."""
    header = b"\t" * 9_999_999
    source = Source(files=("data",), format="tsv", header=True, quoting=False)

    with pytest.raises(SourceError, match=rf"10,000,000 columns; expected at most {MAX_COLUMNS:,}"):
        read(tmp_path, header + b"\nrow\n", source)


@pytest.mark.slow
def test_a_field_of_a_hundred_megabytes_is_one_bad_record(tmp_path: Path) -> None:
    """A record beyond the limit goes to quarantine; those around it are read."""
    long = json.dumps({"a": "x" * 100_000_000}).encode()
    assert len(long) > MAX_RECORD_BYTES
    found = read(tmp_path, b'{"a": "1"}\n' + long + b'\n{"a": "2"}\n', Source(files=("data",)))

    assert [isinstance(item, BadRecord) for item in found] == [False, True, False]


@pytest.mark.slow
def test_a_line_that_unpacks_without_end_is_one_bad_record(tmp_path: Path) -> None:
    """Half a gigabyte of one letter, packed to half a megabyte, is never held as a whole."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        for _ in range(500):
            file.write(b"x" * 1_000_000)
    found = read(tmp_path, packed.getvalue(), Source(files=("data",)))

    assert [isinstance(item, BadRecord) for item in found] == [True]


def test_members_with_dots_in_their_names_are_written_nowhere(tmp_path: Path) -> None:
    """A member is read by its name and unpacked to no path, whatever that name is."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("../../escaped.jsonl", '{"a": 1}\n')
    (tmp_path / "cards").mkdir()
    source = Source(files=("zip://**::data",))
    found = read(tmp_path / "cards", packed.getvalue(), source)

    assert len(found) == 1
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["data"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "data/../../x", "", None, 3])
def test_a_manifest_names_files_of_its_folder_only(tmp_path: Path, name: object) -> None:
    """A mixture of a stranger has nothing read that stands elsewhere."""
    manifest = {"manifest_version": MANIFEST_VERSION, "shards": [{"file": name}]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(VerifyError, match="found the shard"):
        load_manifest(str(tmp_path))
