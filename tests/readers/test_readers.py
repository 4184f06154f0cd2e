"""What the real libraries read from an export is what the mixture holds.

They run in an environment of their own, which `make interop` makes; without it these
tests are skipped. The bytes themselves are checked in tests/export and tests/io, always.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mixture_builder.io.mds import write_mds
from mixture_builder.io.megatron import Kind, write_bin, write_index
from mixture_builder.token_lists import token_lists
from tests.export.conftest import Export
from tests.export.helpers import END, byte_ids, examples_of
from tests.readers.conftest import Read

pytestmark = [pytest.mark.readers, pytest.mark.slow]


def picked(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """Only these columns of the rows."""
    return [{name: row[name] for name in names} for row in rows]


def by_identity(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows in an order that does not depend on the reader's."""
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def test_seqio_reads_a_cached_task_of_texts(tiny: Path, export: Export, read: Read):
    """T5X's reader finds the cache, tokenises the texts and adds the end; extras come along."""
    found = read("with_seqio.py", export(tiny, "seqio"), "tiny", "texts")

    examples = examples_of(tiny)
    assert by_identity(found) == by_identity(
        [
            {
                **row,
                "inputs": [*byte_ids(row["inputs"]), END],
                "targets": [*byte_ids(row["targets"]), END],
                "inputs_pretokenized": row["inputs"],
                "targets_pretokenized": row["targets"],
            }
            for row in examples
        ]
    )


def test_seqio_reads_a_cached_task_of_ids(tiny: Path, export: Export, read: Read, tokenizer: Path):
    """With a tokenizer the cached ids are what seqio serves, with the end that it adds."""
    out = export(tiny, "seqio", "--tokenizer", tokenizer, "--set", "task=flan:NAME")
    found = read("with_seqio.py", out, "flan:tiny", "ids")

    assert by_identity(
        picked(found, "inputs", "targets", "targets_pretokenized", "exemplar_rows")
    ) == by_identity(
        [
            {
                "inputs": [*byte_ids(row["inputs"]), END],
                "targets": [*byte_ids(row["targets"]), END],
                "targets_pretokenized": row["targets"],
                "exemplar_rows": row["exemplar_rows"],
            }
            for row in examples_of(tiny)
        ]
    )


def test_seqio_reads_the_files_without_a_cache(tiny: Path, export: Export, read: Read):
    """`TFExampleDataSource` reads the TFRecord files as they are."""
    out = export(tiny, "seqio")
    found = read("with_seqio_source.py", out / "tiny" / "train.tfrecord-*")

    expected = picked(examples_of(tiny), "inputs", "targets", "row")
    assert by_identity(found) == by_identity(expected)


@pytest.mark.parametrize(
    ("container", "method"), [("tfrecord", "as_dataset"), ("array_record", "as_data_source")]
)
def test_tfds_reads_the_folder(tiny: Path, export: Export, read: Read, container: str, method: str):
    """`builder_from_directory` serves every example with every column, in order."""
    pytest.importorskip("array_record", reason="the package array-record is not installed")
    out = export(tiny, "tfds", "--set", f"container={container}")

    assert read("with_tfds.py", out / "tiny" / "1.0.0", method, "train") == [
        dict(sorted(row.items())) if method == "as_dataset" else row for row in examples_of(tiny)
    ]


def test_grain_reads_array_records(tiny: Path, export: Export, read: Read):
    """A shuffled Grain dataset serves every example once."""
    pytest.importorskip("array_record", reason="the package array-record is not installed")
    found = read("with_grain.py", export(tiny, "grain") / "train.array_record-*")

    expected = picked(examples_of(tiny), "inputs", "targets", "row")
    assert by_identity(found) == by_identity(expected)
    assert found != expected


def test_streaming_reads_the_shards(tiny: Path, export: Export, read: Read):
    """`StreamingDataset` serves every sample in order, and finds the hashes right."""
    found = read("with_streaming.py", export(tiny, "mosaicml"), "train")

    assert found == [
        {"prompt": row.pop("inputs"), "response": row.pop("targets"), **row}
        for row in examples_of(tiny)
    ]


def test_shards_are_those_of_the_package(tiny: Path, tmp_path: Path, read: Read):
    """The package's own writer makes the very same bytes of the same samples."""
    rows = examples_of(tiny)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    read("write_mds.py", tmp_path / "theirs", given=lines)
    write_mds(pa.Table.from_pylist(rows), str(tmp_path / "ours.mds"))

    theirs = (tmp_path / "theirs" / "shard.00000.mds").read_bytes()
    assert (tmp_path / "ours.mds").read_bytes() == theirs


def test_megatron_reads_the_documents(tiny: Path, export: Export, read: Read, tokenizer: Path):
    """`IndexedDataset` serves document n as example n, in two bytes a token."""
    out = export(tiny, "megatron", "--tokenizer", tokenizer)

    assert read("with_megatron.py", out / "train_text_document") == [
        {"tokens": [*byte_ids(f"{row['inputs']} {row['targets']}"), END], "dtype": "uint16"}
        for row in examples_of(tiny)
    ]


@pytest.mark.parametrize("kind", ["uint16", "int32"])
def test_bin_and_idx_are_those_of_megatron(tmp_path: Path, read: Read, kind: Kind):
    """Megatron-LM's own writer makes the very same two files of the same documents."""
    documents = [[1, 2, 3], [65_499], [7] * 1_000, [0, 5]]
    lists = token_lists(documents)
    write_bin(lists, str(tmp_path / "ours.bin"), kind=kind)
    write_index(lists.lengths, str(tmp_path / "ours.idx"), kind=kind)
    lines = "".join(json.dumps(document) + "\n" for document in documents)
    read("write_megatron.py", tmp_path / "theirs", kind, given=lines)

    for suffix in ("bin", "idx"):
        theirs = (tmp_path / f"theirs.{suffix}").read_bytes()
        assert (tmp_path / f"ours.{suffix}").read_bytes() == theirs
