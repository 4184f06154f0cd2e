"""Rules for finished examples as Parquet."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixture_builder.errors import VerifyError
from mixture_builder.io.digest import content_digest
from mixture_builder.io.example_schema import EXAMPLE_COLUMNS, EXAMPLE_SCHEMA, conform
from mixture_builder.io.parquet import read_parquet, write_parquet

MakeExamples = Callable[[Sequence[tuple[str, str]]], pa.Table]
PAIRS = st.lists(st.tuples(st.text(), st.text()), max_size=8)


def read_all(url: str) -> pa.Table:
    """The whole file as a table."""
    return pa.Table.from_batches(read_parquet(url), schema=EXAMPLE_SCHEMA)


@settings(deadline=None)
@given(pairs=PAIRS)
def test_any_text_comes_back(make_examples: MakeExamples, pairs: list[tuple[str, str]]) -> None:
    """What is read equals what was written, value for value and type for type."""
    table = make_examples(pairs)
    written = write_parquet(table, "memory://parquet/any.parquet")

    back = read_all("memory://parquet/any.parquet")
    assert back.equals(table)
    assert back.schema.equals(EXAMPLE_SCHEMA)
    assert content_digest(back) == content_digest(table)
    assert written.rows == len(pairs)


def test_the_description_is_that_of_the_stored_file(
    tmp_path: Path, make_examples: MakeExamples
) -> None:
    """Rows, bytes and SHA-256 are those anyone can measure on the file."""
    path = tmp_path / "train-00000-of-00001.parquet"
    written = write_parquet(make_examples([("a", "b")] * 3), str(path))

    stored = path.read_bytes()
    assert (written.rows, written.bytes) == (3, len(stored))
    assert written.sha256 == hashlib.sha256(stored).hexdigest()


def test_bytes_do_not_depend_on_how_memory_is_chunked(
    tmp_path: Path, make_examples: MakeExamples
) -> None:
    """One chunk, uneven chunks, slices, large strings, dictionaries, turned columns: same bytes."""
    table = make_examples([(f"question {i}? " * (i % 40), str(i)) for i in range(5_000)])
    pieces = [table.slice(0, 1), table.slice(1, 1_022), table.slice(1_023, 1), table.slice(1_024)]
    views = EXAMPLE_SCHEMA.set(0, pa.field("inputs", pa.string_view()))
    layouts = {
        "one chunk": table.combine_chunks(),
        "uneven chunks": pa.concat_tables(pieces),
        "a slice of more": pa.concat_tables([table.slice(4_000), table]).slice(1_000),
        "large strings": table.set_column(1, "targets", table["targets"].cast(pa.large_string())),
        "string views": table.cast(views),
        "dictionaries": table.set_column(2, "task_id", table["task_id"].dictionary_encode()),
        "turned columns": table.select(table.column_names[::-1]),
        "batches of 7": pa.Table.from_batches(table.to_batches(max_chunksize=7)),
    }
    hashes = {
        name: write_parquet(layout, str(tmp_path / "x.parquet"), row_group_bytes=300_000).sha256
        for name, layout in layouts.items()
    }

    assert len(set(hashes.values())) == 1, hashes
    assert pq.read_metadata(tmp_path / "x.parquet").num_row_groups > 2


def test_row_groups_stay_below_the_size_asked_for(
    tmp_path: Path, make_examples: MakeExamples
) -> None:
    """Groups are of equal length and hold about what was asked for: flat memory for readers."""
    path = str(tmp_path / "x.parquet")
    write_parquet(make_examples([("x" * 900, "y" * 50)] * 1_000), path, row_group_bytes=100_000)

    metadata = pq.read_metadata(path)
    rows = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert rows == [91] * 10 + [90]
    assert metadata.row_group(0).total_byte_size < 110_000


def test_encodings_suit_the_columns(tmp_path: Path, make_examples: MakeExamples) -> None:
    """Repetitive columns are dictionaries, texts are plain; all have an offset index."""
    path = str(tmp_path / "x.parquet")
    write_parquet(make_examples([("a", "b")] * 100), path)

    group = pq.read_metadata(path).row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    dictionaries = {name for name, column in columns.items() if column.has_dictionary_page}
    assert dictionaries == {"task_id", "submixture", "variant", "template_id", "style"}
    assert {column.compression for column in columns.values()} == {"ZSTD"}
    assert all(column.has_offset_index for column in columns.values())
    assert columns["row"].statistics.max == 99
    assert not columns["inputs"].is_stats_set


def test_content_defined_chunks_are_noted_as_datasets_does(
    tmp_path: Path, make_examples: MakeExamples
) -> None:
    """The option leaves a note in the footer, and does not change the content."""
    path = str(tmp_path / "x.parquet")
    table = make_examples([("a", "b")] * 100)
    write_parquet(table, path, content_defined_chunking=True)

    note = json.loads(pq.read_metadata(path).metadata[b"content_defined_chunking"])
    assert note == {"min_chunk_size": 262_144, "max_chunk_size": 1_048_576, "norm_level": 0}
    assert read_all(path).equals(table)


LOAD = """
import json, os, sys
import datasets
from datasets import load_dataset

url, cache = sys.argv[1:]
whole = load_dataset("parquet", data_files=url, split="train", cache_dir=cache)
streamed = load_dataset("parquet", data_files=url, split="train", streaming=True)
features = datasets.Features.from_dict(json.loads(sys.stdin.read())["info"]["features"])
print(json.dumps({
    "whole": list(whole),
    "streamed": list(streamed),
    "features": [whole.features == features, streamed.features == features],
}), flush=True)
# Threads that read ahead may abort the interpreter when it ends (huggingface/datasets issue 7566).
os._exit(0)
"""


def test_datasets_reads_the_file_whole_and_streamed(
    tmp_path: Path, make_examples: MakeExamples
) -> None:
    """The `datasets` library finds the features in the footer and gives back every value."""
    pytest.importorskip("datasets")
    table = make_examples([("What?", "That."), ("\u2028 \U0001f600", ""), ("é", "\0")])
    path = tmp_path / "train-00000-of-00001.parquet"
    write_parquet(table, str(path))
    footer = pq.read_metadata(path).metadata[b"huggingface"].decode()

    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(path), str(tmp_path / "cache")],
        input=footer,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home"), "PATH": ""},
    )

    found = json.loads(done.stdout)
    assert found["whole"] == found["streamed"] == table.to_pylist()
    assert found["features"] == [True, True]


def test_a_damaged_file_is_named(tmp_path: Path, make_examples: MakeExamples) -> None:
    """A byte changed inside a page, a cut and an empty file are errors that name the file."""
    path = tmp_path / "train.parquet"
    write_parquet(make_examples([("a" * 50, "b")] * 100), str(path))
    good = path.read_bytes()
    changed = bytearray(good)
    changed[40] ^= 0xFF

    for bad in (bytes(changed), good[: len(good) // 2], b""):
        path.write_bytes(bad)
        with pytest.raises(VerifyError, match=r"train\.parquet: cannot be read as Parquet"):
            read_all(str(path))


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    """Parquet without our columns is no shard; the message says what is missing and found."""
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"inputs": ["x"], "label": [1]}), path)

    with pytest.raises(VerifyError, match=r"targets, task_id.* are missing; found inputs, label"):
        read_all(str(path))


def test_reading_does_not_hold_the_file_in_memory(
    tmp_path: Path, make_examples: MakeExamples
) -> None:
    """Rows come in batches of bounded length, in order, across row groups."""
    path = str(tmp_path / "x.parquet")
    write_parquet(make_examples([("x", "y")] * 10_000), path, row_group_bytes=200_000)

    batches = list(read_parquet(path))
    assert max(batch.num_rows for batch in batches) <= 2_048
    assert [n for batch in batches for n in batch["row"].to_pylist()] == list(range(10_000))


@pytest.mark.parametrize(("rows", "size"), [(100, 0), (1 << 20, 1 << 16), (1 << 20, 1 << 30)])
def test_so_much_is_read_at_a_time_as_is_asked_for(
    make_examples: MakeExamples, tmp_path: Path, rows: int, size: int
) -> None:
    """At most so many rows, and about so many bytes; whole groups of rows where both allow it."""
    path = str(tmp_path / "rows.parquet")
    table = make_examples([("in " * 100, "out")] * 2_000)
    write_parquet(table, path, row_group_bytes=300_000)
    batches = list(read_parquet(path, rows=rows, size=size))
    groups = pq.ParquetFile(path).num_row_groups

    assert pa.Table.from_batches(batches).equals(pa.Table.from_batches(read_parquet(path)))
    assert groups > 2
    assert max(batch.num_rows for batch in batches) <= rows
    if size == 1 << 30:
        assert len(batches) <= groups
    else:
        assert len(batches) > groups
    if size == 1 << 16:
        assert max(batch.nbytes for batch in batches) < 2 * size


def test_other_schemas_serve_exports(tmp_path: Path) -> None:
    """Exports write their own columns, nested ones too, with features that name them."""
    turn = pa.struct([("role", pa.string()), ("content", pa.string())])
    schema = pa.schema([pa.field("messages", pa.list_(turn), nullable=False)])
    table = pa.table({"messages": [[{"role": "user", "content": "Hi"}]]}, schema=schema)
    path = str(tmp_path / "x.parquet")
    write_parquet(table, path, schema=schema)

    back = pa.Table.from_batches(read_parquet(path, schema=schema), schema=schema)
    assert back.to_pylist() == table.to_pylist()
    footer = json.loads(pq.read_metadata(path).metadata[b"huggingface"])
    assert footer["info"]["features"]["messages"] == {
        "feature": {
            "role": {"dtype": "string", "_type": "Value"},
            "content": {"dtype": "string", "_type": "Value"},
        },
        "_type": "List",
    }


def test_every_column_has_a_meaning(make_examples: MakeExamples) -> None:
    """The docs list exactly the columns that files have, and none may be null."""
    assert list(EXAMPLE_COLUMNS) == EXAMPLE_SCHEMA.names
    assert not any(field.nullable for field in EXAMPLE_SCHEMA)
    assert all(EXAMPLE_COLUMNS.values())


def test_a_table_of_another_shape_is_refused(make_examples: MakeExamples) -> None:
    """Missing and unknown columns, nulls and values that do not fit are named."""
    table = make_examples([("a", "b")])
    with pytest.raises(ValueError, match="missing: draw; unknown: drow"):
        conform(table.rename_columns([*table.column_names[:-1], "drow"]))
    with pytest.raises(ValueError, match="'targets' has 1 nulls"):
        conform(table.set_column(1, "targets", pa.array([None], pa.string())))
    with pytest.raises(ValueError, match="2147483648"):
        conform(table.set_column(7, "num_exemplars", pa.array([2**31])))


def test_no_file_appears_when_the_table_is_refused(make_examples: MakeExamples) -> None:
    """Checks come before the first byte."""
    with pytest.raises(ValueError, match="missing: draw"):
        write_parquet(make_examples([]).drop_columns(["draw"]), "memory://parquet/none.parquet")

    assert not fsspec.filesystem("memory").exists("/parquet/none.parquet")
