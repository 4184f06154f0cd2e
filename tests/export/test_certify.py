"""The loss-mask certificate: the tokens of the prompt must be a prefix of those of the whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.export.certify import Certificate, shared_beginnings, total
from mixture_builder.token_lists import token_lists
from tests.cli.helpers import run
from tests.export.helpers import examples_of

IDS = st.lists(st.integers(0, 3), max_size=6)


@pytest.fixture(scope="module")
def merging(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer that has learnt to write a question mark and a digit as one token."""
    tokenizers = pytest.importorskip("tokenizers", reason="the package tokenizers is not installed")
    learner = tokenizers.Tokenizer(tokenizers.models.BPE())
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=False
    )
    learner.train_from_iterator([f"?{n}" for n in range(10)] * 50, trainer)
    path = tmp_path_factory.mktemp("merging") / "tokenizer.json"
    learner.save(str(path))
    return path


def sums_that_end_in_a_question_mark(mixture: Path) -> int:
    """Prompts after which a digit comes at once; few-shot prompts end in a label instead."""
    return sum(
        row["task_id"] == "tiny/sums" and row["inputs"].endswith("?")
        for row in examples_of(mixture)
    )


@given(st.lists(st.tuples(IDS, IDS), max_size=8))
def test_shared_beginnings_are_counted(pairs):
    """For each pair, the number of equal values before the first that differs."""
    left = token_lists([pair[0] for pair in pairs])
    right = token_lists([pair[1] for pair in pairs])

    expected = []
    for one, other in pairs:
        same = [a == b for a, b in zip(one, other, strict=False)]
        expected.append(same.index(False) if False in same else len(same))
    assert shared_beginnings(left, right).tolist() == expected
    assert shared_beginnings(left, left).tolist() == [len(pair[0]) for pair in pairs]


def test_a_tokenizer_of_bytes_passes_with_any_separator(tiny: Path, tokenizer: Path):
    """Where no token can reach over the border there are no violations."""
    for separator in ("", " ", "\n"):
        done = run("certify", tiny, "--tokenizer", tokenizer, "--separator", separator)

        assert done.exit_code == 0, done.output
        assert "a prefix of the tokens of the whole" in done.stdout


def test_tokens_over_the_border_are_found_and_counted(tiny: Path, merging: Path):
    """A token that holds the end of the prompt and the begin of the target is a violation."""
    done = run("certify", tiny, "--tokenizer", merging, "--separator", "", "--json", "--list", 200)
    found = json.loads(done.stdout)
    rows = examples_of(tiny)
    failing = sums_that_end_in_a_question_mark(tiny)

    assert done.exit_code == 1
    assert found["examples"] == 120
    assert found["by_task"] == {"tiny/sums": failing}
    assert found["violations"] == len(found["listed"]) == failing > 0
    assert found["cured_by_separator"] == {" ": failing, "\n": failing, "\n\n": failing}
    shards = json.loads((tiny / "manifest.json").read_text("utf-8"))["shards"]
    starts = dict(
        zip(
            [s["file"] for s in shards],
            np.cumsum([0, *(s["rows"] for s in shards)]).tolist(),
            strict=False,
        )
    )
    for violation in found["listed"]:
        row = rows[starts[violation["file"]] + violation["place"]]
        assert (violation["task_id"], violation["draw"]) == (row["task_id"], row["draw"])
        assert violation["border"].split("|")[1] == row["targets"]


def test_a_separator_keeps_the_texts_apart(tiny: Path, merging: Path):
    """The default separator, a space, is not part of such a token."""
    assert run("certify", tiny, "--tokenizer", merging).exit_code == 0


def test_violations_are_shown_with_a_way_out(tiny: Path, merging: Path):
    """The report lists records, counts by task, and says which separators would help."""
    done = run("certify", tiny, "--tokenizer", merging, "--separator", "", "--list", 2)

    assert done.exit_code == 1
    assert f"{sums_that_end_in_a_question_mark(tiny)} violations (" in done.stdout
    assert done.stdout.count("data/train-0000") == 2
    assert "'\\n'                0" in done.stdout


def test_some_shards_are_enough_for_a_first_look(tiny: Path, merging: Path):
    """With `--shards 1` only the first shard is read."""
    done = run("certify", tiny, "--tokenizer", merging, "--separator", "", "--shards", 1, "--json")
    found = json.loads(done.stdout)
    shards = json.loads((tiny / "manifest.json").read_text("utf-8"))["shards"]

    assert found["shards"] == 1
    assert found["examples"] == shards[0]["rows"] < 120
    assert {v["file"] for v in found["listed"]} == {"data/train-00000-of-00003.parquet"}


def test_an_export_can_carry_its_certificate(tiny: Path, tmp_path: Path, merging: Path):
    """`export --certify` writes the certificate beside the files, and exits with 1 if it fails."""
    options = ["--workers", 0, "--certify", "--tokenizer", merging]
    good = run("export", tiny, "--for", "trl", "--out", tmp_path / "good", *options)
    bad = run(
        "export", tiny, "--for", "trl", "--out", tmp_path / "bad", *options, "--separator", ""
    )

    assert (good.exit_code, bad.exit_code) == (0, 1)
    for name, failing in (("good", 0), ("bad", sums_that_end_in_a_question_mark(tiny))):
        manifest = json.loads((tmp_path / name / "export.json").read_text("utf-8"))
        certificate = json.loads((tmp_path / name / "certificate.json").read_text("utf-8"))
        assert manifest["certificate"] == {
            "examples": 120,
            "violations": failing,
            "file": "certificate.json",
        }
        assert certificate["violations"] == failing
        assert Certificate.from_json(certificate).failed == failing


def test_what_is_no_tokenizer_is_refused(tiny: Path, tmp_path: Path):
    """A file of another kind is named, with what was expected."""
    pytest.importorskip("tokenizers", reason="the package tokenizers is not installed")
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    done = run("certify", tiny, "--tokenizer", tmp_path / "tokenizer.json", "--workers", 0)

    assert done.exit_code == 2
    assert "found no tokenizer" in done.stderr


def test_certificates_add_up():
    """Counts of shards are added by task and by separator, lists stand one after the other."""
    one = Certificate(examples=3, violations={"a": 1}, cured={" ": 1}, listed=[])
    two = Certificate(examples=4, violations={"b": 2, "a": 1}, cured={" ": 0}, listed=[])

    assert total([one, two]) == Certificate(
        examples=7, violations={"a": 2, "b": 2}, cured={" ": 1}, listed=[]
    )
