"""`export --for seqio`: a folder that seqio takes for a task it has cached itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.helpers import run
from tests.export.conftest import Export
from tests.export.helpers import byte_ids, examples_of, in_lists, tfrecord_rows


def facts(folder: Path, kind: str, split: str) -> dict[str, Any]:
    """What seqio is told about a split."""
    found: dict[str, Any] = json.loads((folder / f"{kind}.{split}.json").read_text("utf-8"))
    return found


def test_texts_are_features_of_one_value(tiny: Path, export: Export):
    """Without a tokenizer each column is a feature as it is, in files named as seqio names them."""
    folder = export(tiny, "seqio") / "tiny"
    files = sorted(folder.glob("train.tfrecord-*"))

    assert [f.name for f in files] == [f"train.tfrecord-0000{n}-of-00003" for n in range(3)]
    assert tfrecord_rows(files) == [in_lists(row) for row in examples_of(tiny)]
    info = facts(folder, "info", "train")
    assert info["num_shards"] == 3
    assert info["features"]["inputs"] == {"shape": [], "dtype": "string"}
    assert info["features"]["num_exemplars"] == {"shape": [], "dtype": "int32"}
    assert info["features"]["exemplar_rows"] == {"shape": [None], "dtype": "int64"}
    assert (folder / "COMPLETED").read_bytes() == b""


def test_token_ids_stand_beside_their_texts(tiny: Path, export: Export, tokenizer: Path):
    """With a tokenizer the texts are renamed, and the ids have no end token yet."""
    folder = export(tiny, "seqio", "--tokenizer", tokenizer) / "tiny"
    rows = tfrecord_rows(sorted(folder.glob("train.tfrecord-*")))

    for row, example in zip(rows, examples_of(tiny), strict=True):
        for name in ("inputs", "targets"):
            assert row[f"{name}_pretokenized"] == [example[name]]
            assert row[name] == byte_ids(example[name])
    features = facts(folder, "info", "train")["features"]
    assert features["targets"] == {"shape": [None], "dtype": "int32"}
    assert features["targets_pretokenized"] == {"shape": [], "dtype": "string"}


def test_the_statistics_are_those_of_the_examples(tiny: Path, export: Export, tokenizer: Path):
    """Examples, letters and tokens are counted over all shards of a split."""
    folder = export(tiny, "seqio", "--tokenizer", tokenizer) / "tiny"
    examples = examples_of(tiny)

    targets = [byte_ids(row["targets"]) for row in examples]
    stats = facts(folder, "stats", "train")
    assert stats["examples"] == 120
    assert stats["targets_chars"] == sum(len(row["targets"]) for row in examples)
    assert stats["targets_tokens"] == sum(map(len, targets))
    assert stats["targets_max_tokens"] == max(map(len, targets))


def test_each_split_has_its_facts(tiny: Path, export: Export):
    """Held-back rows are a split of their own, with its own number of files."""
    folder = export(tiny, "seqio", "--validation", "30%") / "tiny"

    for split in ("train", "validation"):
        files = sorted(folder.glob(f"{split}.tfrecord-*"))
        assert facts(folder, "info", split)["num_shards"] == len(files)
        assert facts(folder, "stats", split)["examples"] == len(tfrecord_rows(files)) > 0


def test_the_task_may_be_named(tiny: Path, export: Export, tmp_path: Path):
    """A colon in the name of a task is a folder, as in seqio; other signs are refused."""
    assert (export(tiny, "seqio", "--set", "task=flan:NAME.v1") / "flan" / "tiny.v1").is_dir()

    done = run("export", tiny, "--for", "seqio", "--out", tmp_path / "x", "--set", "task=../x")
    assert done.exit_code == 2
    assert "--set task=../x: Expected letters, digits" in done.output
