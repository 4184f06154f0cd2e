"""Rules for ArrayRecord files, read back with the package that defines them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from mixture_builder.io.array_record import write_array_record
from mixture_builder.io.tfrecord import write_tfrecord
from tests.io.test_tfrecord import records_of

module = pytest.importorskip(
    "array_record.python.array_record_module", reason="the package array-record is not installed"
)
MakeExamples = Callable[[Sequence[tuple[str, str]]], pa.Table]


def test_records_are_those_of_tfrecord(tmp_path: Path, make_examples: MakeExamples):
    """Record n holds the message of row n, and can be read alone."""
    table = make_examples([(f"Question {n}? " * (n % 5), f"é{n}") for n in range(200)])
    done = write_array_record(table, str(tmp_path / "x.array_record"))
    write_tfrecord(table, str(tmp_path / "x.tfrecord"))

    expected = records_of((tmp_path / "x.tfrecord").read_bytes())
    reader = module.ArrayRecordReader(str(tmp_path / "x.array_record"))
    assert reader.read_all() == expected
    assert reader.read([150, 3]) == [expected[150], expected[3]]
    assert "group_size:1," in reader.writer_options_string()
    assert (done.rows, done.bytes) == (200, (tmp_path / "x.array_record").stat().st_size)


def test_equal_rows_give_equal_bytes(make_examples: MakeExamples):
    """The file follows from the rows, wherever it is written and however they are chunked."""
    table = make_examples([("a", "b"), ("c", "d"), ("e", "f")])
    chunked = pa.Table.from_batches(table.to_batches(max_chunksize=1))

    hashes = {write_array_record(t, "memory://array_record/x").sha256 for t in (table, chunked)}
    assert len(hashes) == 1
