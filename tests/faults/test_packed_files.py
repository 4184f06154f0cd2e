"""Packed files that ask for much memory, and tables in which one value stands for millions."""

from __future__ import annotations

import bz2
import io
import lzma
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from mixture_builder.errors import SourceError
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import BadRecord, SourceRecord, expansion, read_source
from mixture_builder.io.readers.records import MAX_COLUMNS
from mixture_builder.sources import Source

LINES = b'{"a": "1"}\n{"a": "2"}\n'
MIB = 1 << 20
NEEDS_MORE = r"compression that needs more memory to be undone than is allowed; expected at most "


def read(folder: Path, data: bytes, **source: object) -> list[SourceRecord | BadRecord]:
    """What is read of a file of these bytes."""
    (folder / "data").write_bytes(data)
    card = Source(**{"files": ("data",), **source})  # type: ignore[arg-type]
    return list(read_source(card, base=str(folder), mirror=Mirror.empty()))


def xz(data: bytes, *, dictionary_mib: int) -> bytes:
    """A stream of xz that asks for so large a dictionary."""
    return lzma.compress(data, filters=[lzma_filter(dictionary_mib)])


def lzma_filter(dictionary_mib: int) -> dict[str, int]:
    """A packer that is fast, and says that it looked back so far."""
    return {
        "id": lzma.FILTER_LZMA2,
        "dict_size": dictionary_mib * MIB,
        "mode": lzma.MODE_FAST,
        "mf": lzma.MF_HC3,
        "nice_len": 32,
    }


def zstd(data: bytes, *, window_log: int) -> bytes:
    """A frame of Zstandard that asks for a window of 2 to this many bytes."""
    parameters = zstandard.ZstdCompressionParameters(window_log=window_log)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return packer.compress(data) + packer.flush()


def zip_lzma(data: bytes, *, dictionary_mib: int) -> bytes:
    """A zip archive whose member asks for so large a dictionary."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as file:
        file.writestr("a.jsonl", data)
    packed = bytearray(out.getvalue())
    # After the header, the name, the version and the size of what follows; see APPNOTE 5.8.8.
    at = 30 + len("a.jsonl") + 4 + 1
    packed[at : at + 4] = (dictionary_mib * MIB).to_bytes(4, "little")
    return bytes(packed)


def tar_xz(data: bytes, *, dictionary_mib: int) -> bytes:
    """A tar archive in a stream of xz."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        info = tarfile.TarInfo("a.jsonl")
        info.size = len(data)
        file.addfile(info, io.BytesIO(data))
    return xz(out.getvalue(), dictionary_mib=dictionary_mib)


def test_what_usual_tools_pack_best_is_read(tmp_path: Path) -> None:
    """The largest windows of `xz -9e`, `zstd --ultra -22 --long=27` and bzip2 are allowed."""
    packed = [
        lzma.compress(LINES, preset=9 | lzma.PRESET_EXTREME),
        xz(LINES, dictionary_mib=128),
        zstd(LINES, window_log=27),
        bz2.compress(LINES, 9),
    ]

    for data in packed:
        assert len(read(tmp_path, data)) == 2
    assert len(read(tmp_path, zip_lzma(LINES, dictionary_mib=128), files=("zip://*::data",))) == 2


@pytest.mark.parametrize("kind", ["xz", "zstd", "zip", "tar"])
def test_a_file_that_asks_for_much_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A window beyond the limit is an error that names the way out; the user may allow it."""
    packed, name = {
        "xz": lambda: (xz(LINES, dictionary_mib=129), "data"),
        "zstd": lambda: (zstd(LINES, window_log=28), "data"),
        "zip": lambda: (zip_lzma(LINES, dictionary_mib=129), "zip://*::data"),
        "tar": lambda: (tar_xz(LINES, dictionary_mib=129), "tar://*::data"),
    }[kind]()
    with pytest.raises(SourceError, match=NEEDS_MORE + "128 MiB.*MIXTURE_BUILDER_MAX_WINDOW"):
        read(tmp_path, packed, files=(name,))

    for allowed in ("256", "0"):
        monkeypatch.setenv(expansion.WINDOW_VARIABLE, allowed)
        assert len(read(tmp_path, packed, files=(name,))) == 2
    monkeypatch.setenv(expansion.WINDOW_VARIABLE, "64")
    with pytest.raises(SourceError, match=NEEDS_MORE + "64 MiB"):
        read(tmp_path, packed, files=(name,))
    monkeypatch.setenv(expansion.WINDOW_VARIABLE, "much")
    with pytest.raises(SourceError, match="MIXTURE_BUILDER_MAX_WINDOW: found 'much'; expected"):
        read(tmp_path, packed, files=(name,))


def test_a_window_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    """Nothing of a dictionary of a gigabyte is allocated; a bzip2 of any file takes a few MiB."""
    # A dictionary's size stands in the header of the block, as one byte; 36 is a gigabyte.
    plain = bytearray(lzma.compress(LINES, preset=0))
    at = plain.index(b"\x21\x01", 12) + 2
    plain[at] = 36
    end = 12 + (plain[12] + 1) * 4
    plain[end - 4 : end] = zlib.crc32(plain[12 : end - 4]).to_bytes(4, "little")
    tracemalloc.start()
    with pytest.raises(SourceError, match=NEEDS_MORE):
        read(tmp_path, bytes(plain))
    read(tmp_path, bz2.compress(LINES, 9))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert most < 16 * MIB


def test_streams_of_xz_follow_each_other_and_a_damaged_one_is_an_error(tmp_path: Path) -> None:
    """All streams count, with zeros between them; a cut one, or what is none, is an error."""
    first, second = xz(LINES, dictionary_mib=1), xz(LINES * 5000, dictionary_mib=1)
    assert len(read(tmp_path, first + b"\0" * 8 + second + b"\0" * 4)) == 10_002

    with pytest.raises(SourceError, match="in the middle of compressed data"):
        read(tmp_path, first + second[:-20])
    with pytest.raises(SourceError, match="damaged compressed data"):
        read(tmp_path, first + b"no stream of xz")


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar archive of these headers and what follows them."""
    blocks = b"".join(
        info.tobuf(tarfile.GNU_FORMAT) + data + b"\0" * (-len(data) % 512) for info, data in members
    )
    return blocks + b"\0" * 1024


def test_a_name_of_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    """What a tar archive says of a member is bounded, and its length is known before it is read."""
    for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME):
        info = tarfile.TarInfo("a.jsonl")
        info.type, info.size = kind, 1 << 32
        with pytest.raises(SourceError, match=r"take 4,294,967,296 bytes; expected at most 1,048,"):
            read(tmp_path, tar_of((info, b"")), files=("tar://*::data",))

    sparse = tarfile.TarInfo("a.jsonl")
    sparse.type = tarfile.GNUTYPE_SPARSE
    with pytest.raises(SourceError, match="found a sparse file; expected members"):
        read(tmp_path, tar_of((sparse, b"")), files=("tar://*::data",))


def pax(*records: tuple[str, str]) -> bytes:
    """A tar archive with a member of which these records say more."""
    data = b""
    for key, value in records:
        record = f" {key}={value}\n".encode()
        length = len(record) + 2
        data += str(length if length >= 10 else 9).encode() + record
    info = tarfile.TarInfo("a.jsonl")
    info.type, info.size = tarfile.XHDTYPE, len(data)
    member = tarfile.TarInfo("a.jsonl")
    member.size = len(LINES)
    return tar_of((info, data), (member, LINES))


VERSION_1 = (("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "9"))


@pytest.mark.parametrize(
    ("records", "found"),
    [
        (VERSION_1, "a sparse file"),
        ((("GNU.sparse.map", "1,2"), ("GNU.sparse.size", "9")), "a sparse file"),
        ((("GNU.sparse.map", "1,x"), ("GNU.sparse.size", "9")), r"no whole archive \(invalid"),
    ],
)
def test_holes_of_any_length_are_refused(
    tmp_path: Path, records: tuple[tuple[str, str], ...], found: str
) -> None:
    """Sparse files are not read, however an archive says that a member is one."""
    with pytest.raises(SourceError, match=f"found {found}"):
        read(tmp_path, pax(*records), files=("tar://*::data",))


def test_members_are_not_remembered(tmp_path: Path) -> None:
    """A hundred thousand members take no more memory than one: they are passed by and forgotten."""
    one = tarfile.TarInfo("a.jsonl")
    one.size = len(LINES)
    # The same header again and again, as a packed archive can have it for next to nothing.
    many = tar_of((tarfile.TarInfo("other"), b""))[:512] * 100_000 + tar_of((one, LINES))
    tracemalloc.start()
    found = read(tmp_path, many, files=("tar://a.jsonl::data",))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(found) == 2
    assert most < 16 * MIB


def parquet(columns: dict[str, object], **options: object) -> bytes:
    """A Parquet file."""
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **options)
    return out.getvalue()


def repeated(value: str, times: int) -> pa.Array:
    """One value in many rows, which takes no room."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * times, pa.int32()), [value])


def test_a_table_that_repeats_itself_much_is_read_while_it_is_sound(tmp_path: Path) -> None:
    """A text that stands in every row of a gigabyte of values, beside others, is no harm."""
    rows = 60_000
    asked = [f"What does it say in line {n} of {n * 7919 % 10007}?" for n in range(rows)]
    data = parquet({"text": repeated("x" * 20_000, rows), "question": asked})
    assert 20_000 * rows > 1024**3
    assert 200 * len(data) < 20_000 * rows < 2_000 * len(data)

    count = 0
    (tmp_path / "data").write_bytes(data)
    for item in read_source(
        Source(files=("data",), format="parquet"), base=str(tmp_path), mirror=Mirror.empty()
    ):
        count += isinstance(item, SourceRecord)
    assert count == rows


@pytest.mark.parametrize("dictionary", [True, False])
def test_one_value_for_millions_of_rows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dictionary: bool
) -> None:
    """Values that come to thousands of times the file are an error, unless the user allows them."""
    monkeypatch.setattr(expansion, "TABLE_FREE_BYTES", 30_000_000)
    value = repeated("x" * 20_000, 2_000)
    if not dictionary:
        value = value.dictionary_decode()
    data = parquet({"text": value}, compression="zstd")
    with pytest.raises(SourceError, match=r"as the file has; expected at most 2,000 times as many"):
        read(tmp_path, data, format="parquet")

    monkeypatch.setenv(expansion.RATIO_VARIABLE, "0")
    assert len(read(tmp_path, data, format="parquet")) == 2_000


def test_a_hundred_million_rows_of_nothing_are_refused_unread(tmp_path: Path) -> None:
    """Values that take no room count as places in rows, and the file says how many there are."""
    out = io.BytesIO()
    some = pa.table({"no": pa.nulls(10_000_000, pa.bool_())})
    with pq.ParquetWriter(out, some.schema) as writer:
        for _ in range(20):
            writer.write_table(some, row_group_size=10_000_000)

    items = iter_of(tmp_path, out.getvalue())
    with pytest.raises(SourceError, match="byte 1,600,000,000, unpacked"):
        next(items)


def test_pages_that_unpack_out_of_all_proportion_are_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is true of any packed file is true of the pages in Parquet, before one is unpacked."""
    monkeypatch.setattr(expansion, "RATIO_FREE_BYTES", 30_000_000)
    value = repeated("x" * 20_000, 2_000).dictionary_decode()
    data = parquet({"text": value}, compression="zstd", use_dictionary=False)

    items = iter_of(tmp_path, data)
    with pytest.raises(SourceError, match=r"byte 40,.*expected at most 200 times"):
        next(items)


def test_many_rows_of_a_long_value_are_never_held_at_once(tmp_path: Path) -> None:
    """A value of megabytes that stands in every row is held a few dozen times, not a thousand."""
    data = parquet({"text": repeated("x" * 4_000_000, 200)})
    before = pa.total_allocated_bytes()
    most = 0
    for _ in iter_of(tmp_path, data):
        most = max(most, pa.total_allocated_bytes() - before)

    assert 0 < most < 600_000_000


def test_a_row_of_more_than_64_mib_is_one_bad_record(tmp_path: Path) -> None:
    """A row of a table has the limit that lines and documents have; those around it are read."""
    data = parquet({"text": ["a", "x" * (64 * MIB + 1), "b"]})
    found = read(tmp_path, data, format="parquet")

    assert [isinstance(item, BadRecord) for item in found] == [False, True, False]
    assert found[1].place == "data#1"


def test_a_table_of_too_many_columns_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns of Parquet are counted as those of text are."""
    monkeypatch.setattr("mixture_builder.io.readers.parquet.MAX_COLUMNS", 9)
    assert MAX_COLUMNS == 100_000
    data = parquet({f"c{n}": [n] for n in range(10)})

    with pytest.raises(SourceError, match="found 10 columns; expected at most 9"):
        read(tmp_path, data, format="parquet")


def iter_of(folder: Path, data: bytes) -> Iterator[SourceRecord | BadRecord]:
    """The records of a Parquet file, one at a time."""
    (folder / "data").write_bytes(data)
    source = Source(files=("data",), format="parquet")
    return iter(read_source(source, base=str(folder), mirror=Mirror.empty()))
