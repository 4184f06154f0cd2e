"""`export --for packed`: sequences of one length, each of several whole examples."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.helpers import run
from tests.export.conftest import Export
from tests.export.helpers import BEGIN, END, PAD, byte_ids, examples_of, tfrecord_rows

Key = tuple[str, int]


def rows_of(out: Path) -> list[dict[str, Any]]:
    """All sequences of the train split."""
    files = sorted((out / "data").glob("train-*.parquet"))
    rows: list[dict[str, Any]] = pa.concat_tables(pq.read_table(f) for f in files).to_pylist()
    return rows


def report_of(out: Path) -> dict[str, Any]:
    """The packing report."""
    report: dict[str, Any] = json.loads((out / "packing.json").read_text("utf-8"))
    return report


def unpacked(row: dict[str, Any], prefix: str, *columns: str) -> dict[Key, list[list[int]]]:
    """For each example of a sequence the parts of the columns that are its own."""
    segments = row[f"{prefix}segment_ids"]
    return {
        key: [
            [value for value, segment in zip(row[name], segments, strict=True) if segment == number]
            for name in columns
        ]
        for number, key in enumerate(zip(row["task_ids"], row["draws"], strict=True), start=1)
    }


def test_every_example_is_found_whole(tiny: Path, export: Export, tokenizer: Path):
    """By segment ids each example comes back: prompt, end, target, end, and where the loss is."""
    out = export(tiny, "packed", "--tokenizer", tokenizer, "--set", "length=1024")
    rows = rows_of(out)
    found: dict[Key, list[list[int]]] = {}
    for row in rows:
        assert {len(row[name]) for name in ("tokens", "segment_ids", "positions", "loss_mask")} == {
            1024
        }
        found |= unpacked(row, "", "tokens", "positions", "loss_mask")

    expected = {}
    for example in examples_of(tiny):
        prompt = [*byte_ids(example["inputs"]), END]
        target = [*byte_ids(example["targets"]), END]
        expected[example["task_id"], example["draw"]] = [
            prompt + target,
            list(range(len(prompt + target))),
            [0] * len(prompt) + [1] * len(target),
        ]
    assert found == expected
    padding = [
        t for row in rows for t, s in zip(row["tokens"], row["segment_ids"], strict=True) if not s
    ]
    assert set(padding) <= {PAD}


def test_an_encoder_and_a_decoder_hold_the_same_examples(
    tiny: Path, export: Export, tokenizer: Path
):
    """With `target_length` a row is two sequences; segment n of both is of one example."""
    chosen = ["--set", "length=1024", "--set", "target_length=40"]
    out = export(tiny, "packed", "--tokenizer", tokenizer, *chosen)
    found: dict[Key, tuple[list[int], list[int]]] = {}
    for row in rows_of(out):
        assert (len(row["inputs"]), len(row["targets"])) == (1024, 40)
        prompts, targets = (unpacked(row, f"{name}_", name) for name in ("inputs", "targets"))
        found |= {key: (prompts[key][0], targets[key][0]) for key in prompts}

    assert found == {
        (row["task_id"], row["draw"]): (
            [*byte_ids(row["inputs"]), END],
            [*byte_ids(row["targets"]), END],
        )
        for row in examples_of(tiny)
    }


def test_the_separator_is_learned_with_the_target(tiny: Path, export: Export, tokenizer: Path):
    """With `between=separator` the text between belongs to the loss, and `bos` to the context."""
    chosen = ["--set", "between=separator", "--separator", "\n", "--set", "bos=<s>"]
    out = export(tiny, "packed", "--tokenizer", tokenizer, "--set", "length=1024", *chosen)
    example = examples_of(tiny)[0]
    (found,) = [
        parts
        for row in rows_of(out)
        for key, parts in unpacked(row, "", "tokens", "loss_mask").items()
        if key == (example["task_id"], example["draw"])
    ]

    prompt = [BEGIN, *byte_ids(example["inputs"])]
    target = [*byte_ids("\n" + example["targets"]), END]
    assert found == [prompt + target, [0] * len(prompt) + [1] * len(target)]


def test_what_is_too_long_is_left_out_and_counted(tiny: Path, export: Export, tokenizer: Path):
    """No example is cut; those longer than a sequence are counted by task, and shares compared."""
    out = export(tiny, "packed", "--tokenizer", tokenizer, "--set", "length=150")
    lengths = {
        (row["task_id"], row["draw"]): len(byte_ids(row["inputs"] + row["targets"])) + 2
        for row in examples_of(tiny)
    }
    fitting = {key for key, length in lengths.items() if length <= 150}
    kept = Counter(task for task, _ in fitting)

    report = report_of(out)
    assert {t: c["packed"] for t, c in report["tasks"].items()} == kept
    assert report["splits"]["train"]["too_long"] == 120 - len(fitting) > 0
    assert {key for row in rows_of(out) for key in unpacked(row, "")} == fitting
    letters = report["submixtures"]["letters"]
    after = kept["tiny/letters"] / len(fitting)
    assert letters["share"] == pytest.approx(40 / 120, abs=1e-6)
    assert letters["share_packed"] == pytest.approx(after, abs=1e-6)
    assert report["largest_change"] == pytest.approx(abs(40 / 120 - after), abs=1e-5)


def test_the_report_counts_what_is_in_the_files(tiny: Path, export: Export, tokenizer: Path):
    """Sequences, tokens and the fill rate are those of the rows; with room for all, shares stay."""
    done = export(tiny, "packed", "--tokenizer", tokenizer, "--set", "length=1024")
    rows, report = rows_of(done), report_of(done)
    train = report["splits"]["train"]

    used = sum(bool(segment) for row in rows for segment in row["segment_ids"])
    learned = sum(sum(row["loss_mask"]) for row in rows)
    assert (train["sequences"], train["packed"], train["too_long"]) == (len(rows), 120, 0)
    assert (train["tokens"], train["target_tokens"]) == (used, learned)
    assert train["fill"] == pytest.approx(used / (1024 * len(rows)), abs=1e-6)
    assert report["largest_change"] == 0
    assert report["submixtures"]["sums"]["share_packed"] == pytest.approx(2 / 3, abs=1e-6)


def test_tfrecord_holds_the_same_rows(tiny: Path, export: Export, tokenizer: Path):
    """Either container has the same columns and values."""
    common = ["--tokenizer", tokenizer, "--set", "length=1024"]
    parquet = export(tiny, "packed", *common)
    records = export(tiny, "packed", *common, "--set", "container=tfrecord", name="records")

    files = sorted((records / "data").glob("train-*.tfrecord"))
    assert tfrecord_rows(files) == rows_of(parquet)


def test_packing_is_deterministic(tiny: Path, export: Export, tokenizer: Path):
    """Two exports with the same settings have the same bytes; another window packs otherwise."""
    common = ["--tokenizer", tokenizer, "--set", "length=100"]
    choices: dict[str, list[object]] = {
        "first": [],
        "second": ["--workers", 2],
        "narrow": ["--set", "window=1"],
    }
    outs = [export(tiny, "packed", *common, *chosen, name=name) for name, chosen in choices.items()]

    hashes = [
        [f["sha256"] for f in json.loads((out / "export.json").read_text("utf-8"))["files"]]
        for out in outs
    ]
    assert hashes[0] == hashes[1]
    sequences = [report_of(out)["splits"]["train"]["sequences"] for out in outs]
    assert sequences[0] < sequences[2]


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ([], "'length' must be given: tokens in a sequence"),
        (["length=1"], "--set length=1: Expected a whole number, 2 or more."),
        (["length=9", "window=0"], "--set window=0: Expected a whole number, 1 or more."),
        (["length=9", "target_length=x"], "1 or more, or none."),
        (["length=9", "bos=<bos>"], "--set bos=<bos>: "),
    ],
)
def test_wrong_settings_are_refused_at_once(
    tiny: Path, tmp_path: Path, tokenizer: Path, settings: list[str], what: str
):
    """A setting that cannot be is named before anything is written."""
    options = [item for setting in settings for item in ("--set", setting)]
    done = run(
        "export",
        tiny,
        "--for",
        "packed",
        "--tokenizer",
        tokenizer,
        "--out",
        tmp_path / "x",
        *options,
    )

    assert done.exit_code == 2
    assert what in done.output.replace("\n", " ")
    assert not (tmp_path / "x").exists()
