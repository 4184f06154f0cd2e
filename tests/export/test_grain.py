"""`export --for grain`: ArrayRecord files of the mixture's examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.export.conftest import Export
from tests.export.helpers import examples_of, in_lists
from tests.io.test_tfrecord import EXAMPLE

module = pytest.importorskip(
    "array_record.python.array_record_module", reason="the package array-record is not installed"
)


def test_record_n_is_example_n(tiny: Path, export: Export):
    """The files in order hold the examples in order, as `tf.train.Example`."""
    files = sorted(export(tiny, "grain").glob("train.array_record-*"))

    assert [f.name for f in files] == [f"train.array_record-0000{n}-of-00003" for n in range(3)]
    messages = [m for f in files for m in module.ArrayRecordReader(str(f)).read_all()]
    features = [EXAMPLE.FromString(message).features.feature for message in messages]
    assert [
        {name: list(feature[name].bytes_list.value) for name in ("inputs", "targets")}
        for feature in features
    ] == [
        {name: [row[name].encode()] for name in ("inputs", "targets")} for row in examples_of(tiny)
    ]
    assert [list(feature["exemplar_rows"].int64_list.value) for feature in features] == [
        in_lists(row)["exemplar_rows"] for row in examples_of(tiny)
    ]
