"""`export --for tfds`: a folder that TFDS takes for a dataset it has prepared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.helpers import run
from tests.export.conftest import Export
from tests.export.helpers import examples_of, in_lists, tfrecord_rows


def test_files_lengths_and_features_agree(tiny: Path, export: Export):
    """`dataset_info.json` says exactly how many examples stand in each file."""
    folder = export(tiny, "tfds") / "tiny" / "1.0.0"
    info = json.loads((folder / "dataset_info.json").read_text("utf-8"))
    files = [folder / f"tiny-train.tfrecord-0000{n}-of-00003" for n in range(3)]

    assert (info["name"], info["version"], info["fileFormat"]) == ("tiny", "1.0.0", "tfrecord")
    (split,) = info["splits"]
    assert split["name"] == "train"
    assert split["shardLengths"] == [str(len(tfrecord_rows([file]))) for file in files]
    assert split["numBytes"] == str(sum(file.stat().st_size for file in files))
    assert tfrecord_rows(files) == [in_lists(row) for row in examples_of(tiny)]
    features = json.loads((folder / "features.json").read_text("utf-8"))
    assert list(features["featuresDict"]["features"]) == list(examples_of(tiny)[0])


def test_array_record_is_a_container_too(tiny: Path, export: Export):
    """With `container=array_record` files and facts say so."""
    pytest.importorskip("array_record", reason="the package array-record is not installed")
    folder = export(tiny, "tfds", "--set", "container=array_record") / "tiny" / "1.0.0"
    info = json.loads((folder / "dataset_info.json").read_text("utf-8"))

    assert info["fileFormat"] == "array_record"
    assert sorted(f.name for f in folder.glob("tiny-*")) == [
        f"tiny-train.array_record-0000{n}-of-00003" for n in range(3)
    ]


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("version=1", "Expected three numbers"),
        ("dataset=Tiny", "Expected lower-case letters"),
        ("container=parquet", "Expected tfrecord or array_record"),
    ],
)
def test_what_tfds_refuses_is_refused_at_once(tiny: Path, tmp_path: Path, setting: str, what: str):
    """A version or name that TFDS cannot read is an error before anything is written."""
    done = run("export", tiny, "--for", "tfds", "--out", tmp_path / "x", "--set", setting)

    assert done.exit_code == 2
    assert what in done.output
    assert not (tmp_path / "x").exists()
