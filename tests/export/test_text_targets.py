"""What each trainer that reads texts finds, by the contract of its reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from mixture_builder.export.formats.hugging_face import config_name
from mixture_builder.export.formats.nemo import prompt_template
from mixture_builder.io.example_schema import EXAMPLE_COLUMNS
from tests.cli.helpers import run
from tests.export.conftest import Export
from tests.export.helpers import examples_of


def lines_of(file: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON Lines."""
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def without_lists(row: dict[str, Any]) -> dict[str, Any]:
    """The provenance of an example that JSON Lines keep."""
    return {k: v for k, v in row.items() if k not in {"inputs", "targets", "exemplar_rows"}}


def by_key(mixture: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """Examples of a mixture by task and draw."""
    return {(row["task_id"], row["draw"]): row for row in examples_of(mixture)}


def chat(row: dict[str, Any]) -> list[dict[str, str]]:
    """An example as two messages."""
    return [
        {"role": "user", "content": row["inputs"]},
        {"role": "assistant", "content": row["targets"]},
    ]


def test_datasets_reads_every_config(tiny: Path, export: Export, tmp_path: Path):
    """`load_dataset` finds the mixture as `default`, in its order, and each submixture by name."""
    from datasets import get_dataset_config_names, load_dataset

    out, cache = str(export(tiny, "hf", "--validation", "20%")), str(tmp_path / "cache")
    whole = load_dataset(out, cache_dir=cache)
    rows = examples_of(tiny)

    assert get_dataset_config_names(out) == ["default", "letters", "sums"]
    assert whole["train"].column_names == list(EXAMPLE_COLUMNS)
    held = {row["row"] for row in whole["validation"]}
    kept = {(row["task_id"], row["draw"]) for row in whole["train"]}
    assert held
    assert not held & {shown for row in whole["train"] for shown in row["exemplar_rows"]}
    assert whole["train"].to_list() == [r for r in rows if (r["task_id"], r["draw"]) in kept]
    assert whole["validation"].to_list() == [row for row in rows if row["row"] in held]
    for part in ("sums", "letters"):
        alone = load_dataset(out, part, cache_dir=cache)
        for split in ("train", "validation"):
            assert alone[split].to_list() == [
                row for row in whole[split].to_list() if row["submixture"] == part
            ]


def test_a_missing_file_is_noticed_by_datasets(tiny: Path, export: Export, tmp_path: Path):
    """The head says how many examples there are, so that a lost file is not overlooked."""
    from datasets import load_dataset
    from datasets.utils.info_utils import NonMatchingSplitsSizesError

    out = export(tiny, "hf")
    (out / "data" / "train-00001-of-00003.parquet").unlink()

    with pytest.raises(NonMatchingSplitsSizesError):
        load_dataset(str(out), cache_dir=str(tmp_path / "cache"))


def test_submixtures_can_be_left_out(tiny: Path, export: Export):
    """`configs=default` stores every example once."""
    out = export(tiny, "hf", "--set", "configs=default")

    assert not (out / "submixtures").exists()
    assert config_name("sums") == "sums"
    assert config_name("default") == "default-submixture"


def test_trl_gets_pairs_and_messages_apart(tiny: Path, export: Export, tmp_path: Path):
    """Never both in one config; the separator begins the completion; provenance comes along."""
    from datasets import load_dataset

    out, cache = str(export(tiny, "trl", "--separator", "\n")), str(tmp_path / "cache")
    pairs = load_dataset(out, split="train", cache_dir=cache).to_list()
    chats = load_dataset(out, "messages", split="train", cache_dir=cache).to_list()

    for row, pair, talk in zip(examples_of(tiny), pairs, chats, strict=True):
        shared = {k: v for k, v in row.items() if k not in {"inputs", "targets"}}
        assert pair == {
            "prompt": row["inputs"],
            "completion": "\n" + row["targets"],
            **shared,
        }
        assert talk == {"messages": chat(row), **shared}


def test_columns_are_never_of_the_type_null(tiny: Path, export: Export):
    """Every Parquet column has a type and holds no null, in every file of a config alike."""
    out = export(tiny, "trl", "--validation", "20%")
    for config in ("prompt_completion", "messages"):
        schemas = {str(pq.read_schema(f)) for f in (out / config).iterdir()}
        assert len(schemas) == 1
        assert "null\n" not in schemas.pop().replace("not null", "")


def test_axolotl_gets_its_files_and_the_yaml_that_names_them(tiny: Path, export: Export):
    """The paths of both configs lead to files whose keys are those that the config names."""
    out = export(tiny, "axolotl", "--validation", "20%")
    rows = by_key(tiny)
    for name in ("messages", "prompt_completion"):
        config = yaml.safe_load((out / f"{name}.yaml").read_text("utf-8"))
        for entry in (*config["datasets"], *config["test_datasets"]):
            assert (entry["ds_type"], entry["split"]) == ("json", "train")
            for found in lines_of(out / entry["path"]):
                row = rows[found["task_id"], found["draw"]]
                if name == "messages":
                    assert entry["type"] == "chat_template"
                    assert found.pop(entry["field_messages"]) == chat(row)
                else:
                    assert found.pop(entry["type"]["field_instruction"]) == row["inputs"]
                    assert found.pop(entry["type"]["field_output"]) == " " + row["targets"]
                    assert entry["type"]["format"] == "{instruction}"
                assert found == without_lists(row)
        assert config["train_on_inputs"] is False


def test_axolotl_without_validation_has_no_test_datasets(tiny: Path, export: Export):
    """A config names only files that there are."""
    out = export(tiny, "axolotl", "--set", "only=messages")

    assert "test_datasets" not in yaml.safe_load((out / "messages.yaml").read_text("utf-8"))
    assert not (out / "prompt_completion.yaml").exists()
    assert not (out / "prompt_completion").exists()


def test_llama_factory_gets_both_shapes(tiny: Path, export: Export):
    """`dataset_info.json` leads to files whose columns and tags are those that it names."""
    out = export(tiny, "llama-factory", "--validation", "20%")
    info = json.loads((out / "dataset_info.json").read_text("utf-8"))
    rows = by_key(tiny)

    assert sorted(info) == [
        "tiny_alpaca",
        "tiny_alpaca_validation",
        "tiny_sharegpt",
        "tiny_sharegpt_validation",
    ]
    for entry in info.values():
        for found in lines_of(out / entry["file_name"]):
            columns, row = entry["columns"], rows[found["task_id"], found["draw"]]
            if entry["formatting"] == "alpaca":
                assert found.pop(columns["prompt"]) == row["inputs"]
                assert found.pop(columns["response"]) == row["targets"]
            else:
                tags = entry["tags"]
                human, answer = found.pop(columns["messages"])
                assert human[tags["content_tag"]] == row["inputs"]
                assert answer[tags["content_tag"]] == row["targets"]
                assert [human[tags["role_tag"]], answer[tags["role_tag"]]] == [
                    tags["user_tag"],
                    tags["assistant_tag"],
                ]
            assert found == without_lists(row)


def test_torchtune_gets_its_files_and_the_yaml_that_names_them(tiny: Path, export: Export):
    """Both datasets of the YAML lead to files with the columns it names."""
    out = export(tiny, "torchtune", "--validation", "20%")
    rows = by_key(tiny)
    for name in ("instruct", "chat"):
        config = yaml.safe_load((out / f"{name}.yaml").read_text("utf-8"))
        for key in ("dataset", "dataset_val"):
            entry = config[key]
            assert entry["_component_"] == f"torchtune.datasets.{name}_dataset"
            assert (entry["source"], entry["split"]) == ("json", "train")
            for found in lines_of(out / entry["data_files"]):
                row = rows[found["task_id"], found["draw"]]
                if name == "instruct":
                    assert found.pop(entry["column_map"]["input"]) == row["inputs"]
                    assert found.pop(entry["column_map"]["output"]) == " " + row["targets"]
                else:
                    assert entry["conversation_style"] == "openai"
                    assert found.pop(entry["conversation_column"]) == chat(row)
                assert found == without_lists(row)


def test_nemo_gets_texts_as_they_are_and_the_separator_in_its_template(tiny: Path, export: Export):
    """NeMo joins by a template: the texts hold no separator, the README shows the template."""
    out = export(tiny, "nemo", "--validation", "20%", "--separator", "\n")
    found = [*lines_of(out / "training.jsonl"), *lines_of(out / "validation.jsonl")]

    rows = by_key(tiny)
    assert found
    for line in found:
        row = rows[line["task_id"], line["draw"]]
        assert line.pop("input") == row["inputs"]
        assert line.pop("output") == row["targets"]
        assert line == {k: v for k, v in row.items() if k not in {"inputs", "targets"}}
    assert '"prompt_template": "{input}\\\\n{output}"' in (out / "README.md").read_text("utf-8")


@pytest.mark.parametrize("separator", [" ", "", "\n\n", 'a "b" \\', "→"])
def test_the_template_of_nemo_gives_the_separator_back(separator: str):
    """NeMo undoes escapes in the template: what is left is the separator, whatever it holds."""
    undone = prompt_template(separator).encode("utf-8").decode("unicode_escape")

    assert undone == f"{{input}}{separator}{{output}}"


def test_megatron_texts_can_be_taken_apart_again(tiny: Path, export: Export):
    """`target_start` counts characters, also where these take several bytes."""
    out = export(tiny, "megatron-jsonl", "--separator", " => ")
    texts, talks = (
        lines_of(out / "text" / "train.jsonl"),
        lines_of(out / "messages" / "train.jsonl"),
    )

    for row, found, talk in zip(examples_of(tiny), texts, talks, strict=True):
        text, start = found.pop("text"), found.pop("target_start")
        assert (text[:start], text[start:]) == (row["inputs"], " => " + row["targets"])
        assert found == without_lists(row)
        assert talk == {"messages": chat(row), **without_lists(row)}


def test_openai_gets_messages_and_nothing_else(tiny: Path, export: Export):
    """Services refuse further keys, so there are none; the last turn is the assistant's."""
    found = lines_of(export(tiny, "openai") / "training.jsonl")

    assert found == [{"messages": chat(row)} for row in examples_of(tiny)]


def test_openai_says_when_a_file_is_too_small(tiny: Path, export: Export):
    """A validation file of fewer than ten lines is written, and the README warns of it."""
    out = export(tiny, "openai", "--validation", "3%")

    assert 0 < len(lines_of(out / "validation.jsonl")) < 10
    assert "`validation.jsonl` has fewer than 10 lines" in (out / "README.md").read_text("utf-8")


def test_readers_are_told_where_the_files_come_from(tiny: Path, export: Export):
    """The README of an export names the mixture's content digest and its files."""
    digest = json.loads((tiny / "manifest.json").read_text("utf-8"))["content_digest"]
    text = (export(tiny, "nemo") / "README.md").read_text("utf-8")

    assert digest in text
    assert "| `training.jsonl` | train | 120 |" in text


def test_a_json_summary_says_what_was_written(tiny: Path, tmp_path: Path):
    """`--json` gives the files, counts and what was asked for."""
    done = run("export", tiny, "--for", "openai", "--out", tmp_path / "x", "--workers", 0, "--json")
    summary = json.loads(done.stdout)

    assert summary["examples"] == {"train": 120}
    assert summary["target"] == "openai"
    assert [f["file"] for f in summary["files"]] == ["training.jsonl", "README.md"]
