"""`export --for megatron`: `.bin` and `.idx` files of token ids."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.helpers import run
from tests.export.conftest import Export
from tests.export.helpers import BEGIN, END, byte_ids, examples_of, write_byte_tokenizer


def read(prefix: Path) -> list[list[int]]:
    """The documents of a dataset whose tokens have two bytes."""
    index = prefix.with_suffix(".idx").read_bytes()
    count = int.from_bytes(index[18:26], "little")
    lengths = np.frombuffer(index, "<i4", count, 34)
    places = np.frombuffer(index, "<i8", count, 34 + 4 * count)
    tokens = prefix.with_suffix(".bin").read_bytes()
    return [
        np.frombuffer(tokens, "<u2", length, place).tolist()
        for length, place in zip(lengths.tolist(), places.tolist(), strict=True)
    ]


def test_a_document_is_prompt_separator_target_end(tiny: Path, export: Export, tokenizer: Path):
    """All shards become one dataset; document n is example n."""
    out = export(tiny, "megatron", "--tokenizer", tokenizer)

    assert read(out / "train_text_document") == [
        [*byte_ids(f"{row['inputs']} {row['targets']}"), END] for row in examples_of(tiny)
    ]


def test_marks_are_chosen_by_name(tiny: Path, export: Export, tokenizer: Path):
    """Each document may begin with a token, and an end token may stand between the two texts."""
    chosen = ["--set", "bos=<s>", "--set", "eos=</s>", "--set", "between=eos"]
    out = export(tiny, "megatron", "--tokenizer", tokenizer, *chosen)

    assert read(out / "train_text_document") == [
        [BEGIN, *byte_ids(row["inputs"]), END, *byte_ids(row["targets"]), END]
        for row in examples_of(tiny)
    ]


def test_pairs_are_two_datasets_that_correspond(tiny: Path, export: Export, tokenizer: Path):
    """For an encoder with a decoder document n of each dataset is of example n."""
    chosen = ["--set", "documents=pairs", "--validation", "30%"]
    out = export(tiny, "megatron", "--tokenizer", tokenizer, *chosen)

    examples = examples_of(tiny)
    known = {(row["inputs"], row["targets"]) for row in examples}
    for split in ("train", "validation"):
        inputs, targets = (read(out / f"{split}_{name}_document") for name in ("inputs", "targets"))
        assert {item[-1] for item in inputs + targets} == {END}
        texts = [
            tuple(bytes(i - 3 for i in item[:-1]).decode() for item in pair)
            for pair in zip(inputs, targets, strict=True)
        ]
        assert set(texts) <= known
        assert texts


def test_a_tokenizer_is_needed_and_checked_first(tiny: Path, tmp_path: Path):
    """Without a tokenizer, or with one whose end is unknown, nothing is written."""
    pytest.importorskip("tokenizers", reason="the package tokenizers is not installed")
    path = write_byte_tokenizer(tmp_path / "tokenizer.json", special=("<stop>",))
    base = ["export", tiny, "--for", "megatron", "--out", tmp_path / "out"]

    without = run(*base)
    assert without.exit_code == 2
    assert "needs a tokenizer. Add --tokenizer FILE" in without.output
    unknown = run(*base, "--tokenizer", path)
    assert unknown.exit_code == 2
    assert "Say which one it is with --set eos=TOKEN" in unknown.output
    assert not (tmp_path / "out").exists()

    done = run(*base, "--tokenizer", path, "--set", "eos=<stop>", "--workers", 0)
    assert done.exit_code == 0, done.output


def test_the_manifest_names_the_tokenizer(tiny: Path, export: Export, tokenizer: Path):
    """Which tokenizer the ids belong to can be told by its hash; every file is listed."""
    manifest = json.loads(
        (export(tiny, "megatron", "--tokenizer", tokenizer) / "export.json").read_text("utf-8")
    )

    assert manifest["asked"]["tokenizer"]["file"] == "tokenizer.json"
    assert len(manifest["asked"]["tokenizer"]["sha256"]) == 64
    assert {f["file"] for f in manifest["files"]} == {
        "README.md",
        "train_text_document.bin",
        "train_text_document.idx",
    }
