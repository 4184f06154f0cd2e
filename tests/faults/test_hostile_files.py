"""Files that are made to harm: too many columns, manifests that point elsewhere, packed nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any, cast

import pytest
import zstandard

from mixture_builder.errors import SourceError, VerifyError
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import BadRecord, expansion, read_source
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


def packed_nothing(kind: str, *, megabytes: int) -> tuple[bytes, str]:
    """A hundred thousand times nothing, and how a card names it."""
    line = b"x" * 1_000_000
    out = io.BytesIO()
    if kind == "gzip":
        with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as file:
            for _ in range(megabytes):
                file.write(line)
    elif kind == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for number in range(4):
                with archive.open(f"{number}.jsonl", "w") as member:
                    for _ in range(megabytes // 4):
                        member.write(line)
    elif kind == "tar":
        with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
            info = tarfile.TarInfo("a.jsonl")
            info.size = megabytes * 1_000_000
            tar.addfile(info, cast("Any", io.BufferedReader(Endless())))
    else:
        compressor = {"bz2": bz2.BZ2Compressor, "xz": lzma.LZMACompressor}.get(kind)
        packer: Any = compressor() if compressor else zstandard.ZstdCompressor().compressobj()
        out.writelines(packer.compress(line) for _ in range(megabytes))
        out.write(packer.flush())
    return out.getvalue(), {"zip": "zip://**::data", "tar": "tar://**::data"}.get(kind, "data")


class Endless(io.RawIOBase):
    """As many letters as are asked for."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = b"x" * len(buffer)
        return len(buffer)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gzip", "bz2", "xz", "zstd", "zip", "tar"])
def test_what_unpacks_out_of_all_proportion_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Files that come to hundreds of times their size end with an error that says the way out."""
    monkeypatch.setattr(expansion, "RATIO_FREE_BYTES", 20_000_000)
    packed, name = packed_nothing(kind, megabytes=40)

    with pytest.raises(SourceError, match=r"times as many bytes as were packed; expected at most"):
        read(tmp_path, packed, Source(files=(name,)))

    monkeypatch.setenv(expansion.RATIO_VARIABLE, "0")
    found = read(tmp_path, packed, Source(files=(name,)))
    # One line of forty megabytes, or four of ten, which is no JSON but no harm either.
    assert {type(item) for item in found} == {BadRecord}


def test_what_repeats_itself_much_is_read_while_it_is_small(tmp_path: Path) -> None:
    """Up to a quarter of a gigabyte nothing is asked of how well a file is packed."""
    packed = gzip.compress(b'{"a": "1"}\n' * 1_000_000)
    assert len(packed) * expansion.MAX_RATIO < 11_000_000

    assert len(read(tmp_path, packed, Source(files=("data",)))) == 1_000_000


def test_a_limit_that_is_no_number_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit that cannot be understood is not taken for none."""
    monkeypatch.setenv(expansion.RATIO_VARIABLE, "many")

    with pytest.raises(SourceError, match="MIXTURE_BUILDER_MAX_RATIO: found 'many'; expected"):
        read(tmp_path, gzip.compress(b'{"a": 1}\n'), Source(files=("data",)))


@pytest.mark.slow
def test_a_line_that_unpacks_without_end_is_one_bad_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a gigabyte of one letter, packed to some kilobytes, is never held as a whole."""
    monkeypatch.setenv(expansion.RATIO_VARIABLE, "0")
    packed, _ = packed_nothing("zstd", megabytes=500)
    tracemalloc.start()
    found = read(tmp_path, packed, Source(files=("data",)))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert [isinstance(item, BadRecord) for item in found] == [True]
    assert most < 4 * MAX_RECORD_BYTES


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
