"""What real trainers learn from an export are the targets of the mixture, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.export.conftest import Export
from tests.export.helpers import examples_of
from tests.readers.conftest import Read

pytestmark = [pytest.mark.readers, pytest.mark.slow]


@pytest.mark.parametrize("config", ["prompt_completion", "messages"])
def test_trl_learns_the_targets(
    tiny: Path, export: Export, train: Read, tokenizer: Path, tmp_path: Path, config: str
):
    """`SFTTrainer` masks the prompt, token for token, and adds the end."""
    found = train("with_trl.py", export(tiny, "trl"), config, tokenizer, tmp_path / "cache")

    space, begin = (" ", "") if config == "prompt_completion" else ("", "<s>")
    assert found == [
        {
            "split": "train",
            "task_id": row["task_id"],
            "draw": row["draw"],
            "masked": begin + row["inputs"],
            "learnt": f"{space}{row['targets']}</s>",
        }
        for row in examples_of(tiny)
    ]


@pytest.mark.parametrize(("name", "space"), [("instruct", " "), ("chat", "")])
def test_torchtune_learns_the_targets(
    tiny: Path,
    export: Export,
    train: Read,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    space: str,
):
    """The datasets that the YAML names serve both splits, and mask the prompts."""
    out = export(tiny, "torchtune", "--validation", "20%")
    monkeypatch.chdir(out)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    found = train("with_torchtune.py", f"{name}.yaml")

    expected = {(row["inputs"], space + row["targets"]) for row in examples_of(tiny)}
    assert {row["split"] for row in found} == {"dataset", "dataset_val"}
    assert {(row["masked"], row["learnt"]) for row in found} <= expected
