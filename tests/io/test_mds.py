"""Rules for MDS shards and their index, read here by the description of the format alone."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.io.mds import cut_into_shards, index_entry, index_text, write_mds

SCHEMA = pa.schema(
    [("text", pa.string()), ("number", pa.int64()), ("a_list", pa.list_(pa.int64()))]
)
INT64 = st.integers(-(2**63), 2**63 - 1)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"text": st.text(), "number": INT64, "a_list": st.lists(INT64, max_size=4)}
    ),
    max_size=8,
)

DECODERS: dict[str, Callable[[bytes], Any]] = {
    "str": bytes.decode,
    "int": lambda value: struct.unpack("<q", value)[0],
    "json": json.loads,
}


def read_shard(data: bytes, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The samples of a shard, found by the offsets at its beginning."""
    (count,) = struct.unpack_from("<I", data)
    places = struct.unpack_from(f"<{count + 1}I", data, 4)
    assert places[-1] == len(data)
    rows = []
    for start, end in pairwise(places):
        sample = data[start:end]
        open_columns = [size for size in entry["column_sizes"] if size is None]
        sizes = list(struct.unpack_from(f"<{len(open_columns)}I", sample))
        place, row = 4 * len(sizes), {}
        for name, encoding, size in zip(
            entry["column_names"], entry["column_encodings"], entry["column_sizes"], strict=True
        ):
            width = size or sizes.pop(0)
            value = sample[place : place + width]
            place += width
            row[name] = DECODERS[encoding](value)
        assert place == len(sample)
        rows.append(row)
    return rows


def entry_of(schema: pa.Schema) -> dict[str, Any]:
    """What the index says of a shard's columns."""
    return index_entry(schema, file="shard.00000.mds", rows=0, size=0, sha256="")


def stored(url: str) -> bytes:
    """The bytes of a file."""
    with fsspec.open(url, "rb") as file:
        return bytes(file.read())


@given(rows=ROWS)
def test_samples_come_back(rows: list[dict[str, Any]]):
    """Every text, number and list stands where the offsets and sizes say."""
    done = write_mds(pa.Table.from_pylist(rows, schema=SCHEMA), "memory://mds/shard.mds")

    data = stored("memory://mds/shard.mds")
    assert read_shard(data, entry_of(SCHEMA)) == [dict(sorted(row.items())) for row in rows]
    assert (done.rows, done.bytes) == (len(rows), len(data))


@given(rows=ROWS, size=st.integers(400, 700))
def test_shards_are_cut_by_their_true_size(rows: list[dict[str, Any]], size: int):
    """No shard is larger than asked unless it is one row, and none could take the next row."""
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    pieces = list(cut_into_shards(table, size=size))
    sizes = [write_mds(piece, "memory://mds/piece").bytes for piece in pieces]

    assert [row for piece in pieces for row in piece.to_pylist()] == rows
    assert all(s <= size or p.num_rows == 1 for s, p in zip(sizes, pieces, strict=True))
    for first, second in pairwise(pieces):
        more = pa.concat_tables([first, second.slice(0, 1)])
        assert write_mds(more, "memory://mds/more").bytes > size


def test_bytes_do_not_depend_on_how_memory_is_chunked():
    """One chunk, small chunks and a slice of more rows give the same file."""
    rows = [{"text": "t" * n, "number": n, "a_list": [n] * (n % 3)} for n in range(500)]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    layouts = [
        table,
        pa.Table.from_batches(table.to_batches(max_chunksize=7)),
        pa.concat_tables([table.slice(499), table]).slice(1),
    ]

    assert len({write_mds(layout, "memory://mds/x").sha256 for layout in layouts}) == 1


def test_the_index_names_each_shard_with_size_and_hash():
    """A reader learns from the index alone what to fetch and how to check it."""
    entries = [
        index_entry(SCHEMA, file=f"shard.0000{n}.mds", rows=n, size=10 * n, sha256="ab")
        for n in (1, 2)
    ]
    index = json.loads(index_text(entries))

    assert index["version"] == 2
    assert [shard["samples"] for shard in index["shards"]] == [1, 2]
    assert index["shards"][1]["raw_data"] == {
        "basename": "shard.00002.mds",
        "bytes": 20,
        "hashes": {"sha256": "ab"},
    }
    assert index["shards"][0]["column_names"] == ["a_list", "number", "text"]
    assert index["shards"][0]["column_encodings"] == ["json", "int", "str"]


@pytest.mark.parametrize(
    ("column", "what"),
    [
        (pa.array([1.5]), "'x' is double, which is not written to MDS"),
        (pa.array([None], pa.string()), "a column with nulls cannot be written"),
    ],
)
def test_what_cannot_be_held_is_refused(tmp_path: Path, column: pa.Array, what: str):
    """Types without an encoding, and nulls, are mistakes of the caller; no file appears."""
    with pytest.raises(ValueError, match=what):
        write_mds(pa.table({"x": column}), str(tmp_path / "shard.mds"))

    assert list(tmp_path.iterdir()) == []
