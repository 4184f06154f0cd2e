"""A release's folder is read by those who read datasets, and says what the manifest says."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.helpers import run
from tests.release.conftest import change_licence, manifest_of

datasets = pytest.importorskip("datasets")


def prepare(mixture: Path, *options: object) -> Result:
    """Puts a release together without sending it."""
    return run("release", mixture, "--repo", "org/quick", "--dry-run", *options)


@pytest.fixture
def folder(mixture: Path) -> Path:
    """The folder of a release."""
    done = prepare(mixture)
    assert done.exit_code == 0, done.output
    return mixture.with_name("quickstart-release")


def head_of(folder: Path) -> dict[str, Any]:
    """The head of a card, as the Hub's own client reads it."""
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(folder / "README.md")
    plain: dict[str, Any] = card.data.to_dict()
    return plain


def test_every_config_loads_by_its_name(folder: Path, tmp_path: Path) -> None:
    """The default is the whole mixture, and each submixture a config with its examples alone."""
    manifest = manifest_of(folder)
    head = head_of(folder)
    names = [config["config_name"] for config in head["configs"]]
    parts = {task["submixture"] for task in manifest["tasks"].values()}
    assert names[0] == "default"
    assert set(names[1:]) == parts

    for info in head["dataset_info"]:
        loaded = datasets.load_dataset(
            str(folder), info["config_name"], split="train", cache_dir=str(tmp_path / "cache")
        )
        assert loaded.num_rows == info["splits"][0]["num_examples"]
        assert loaded.features._to_yaml_list() == info["features"]
        if info["config_name"] != "default":
            assert set(loaded.unique("submixture")) == {info["config_name"]}
    assert sum(i["splits"][0]["num_examples"] for i in head["dataset_info"][1:]) == 6_000


def test_the_head_has_the_words_of_the_hub(mixture: Path, folder: Path) -> None:
    """Licences, languages, sizes and categories are those that the Hub lists datasets by."""
    head = head_of(folder)

    assert head["license"] == "cc0-1.0"
    assert "en" in head["language"]
    assert head["size_categories"] == ["1K<n<10K"]
    assert head["task_categories"][0] == "text-generation"
    assert "translation" in head["task_categories"]
    assert "license_name" not in head

    change_licence(mixture, "quickstart/sums", "custom")
    assert prepare(mixture).exit_code == 0
    head = head_of(folder)
    assert head["license"] == ["cc0-1.0", "other"]
    assert head["license_link"] == "LICENSES.md"
    assert "| `quickstart/sums` |" in (folder / "LICENSES.md").read_text(encoding="utf-8")


def test_papers_are_cited_by_keys_that_the_bibliography_has(mixture: Path, folder: Path) -> None:
    """Two papers of one key have two keys, in the list of licences as in CITATIONS.bib."""
    assert not (folder / "CITATIONS.bib").exists()
    assert "CITATIONS.bib" not in (folder / "README.md").read_text(encoding="utf-8")

    manifest = manifest_of(mixture)
    first, second = list(manifest["tasks"])[:2]
    for number, task in enumerate((first, second)):
        manifest["tasks"][task]["card"]["citation"] = str(number)
        manifest["citations"][str(number)] = f"@misc{{doe,\n title={{{number}}}\n}}"
    (mixture / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert prepare(mixture).exit_code == 0

    written = (folder / "CITATIONS.bib").read_text(encoding="utf-8")
    assert "@misc{doe," in written
    assert "@misc{doe_1," in written
    listed = (folder / "LICENSES.md").read_text(encoding="utf-8").splitlines()
    for task, key in ((first, "doe"), (second, "doe_1")):
        assert any(f"`{task}`" in line and line.endswith(f"| `{key}` |") for line in listed)
    assert "CITATIONS.bib" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_card_says_where_everything_comes_from(folder: Path) -> None:
    """Composition, licences, digests, ways to load, limits and what the audit warns of."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    manifest = manifest_of(folder)

    for heading in (
        "Composition",
        "How to read it",
        "Sources and licences",
        "How it was made",
        "Known limits",
    ):
        assert f"## {heading}\n" in text
    assert manifest["fingerprint"] in text
    assert 'load_dataset("org/quick", split="train")' in text
    assert "mixture-builder verify hf://datasets/org/quick" in text
    assert "The audit warns: few rows" in text
    for name, task in manifest["tasks"].items():
        assert f"| `{name}` | {task['rows']:,} | {task['quota']:,} | {task['realised']:,} |" in text


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the libraries it stands on
def test_croissant_is_valid_and_its_records_are_those_of_the_mixture(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """`mlcroissant` has no error and no warning, and reads every config through the description."""
    croissant = pytest.importorskip("mlcroissant")
    epath = pytest.importorskip("etils.epath")

    with caplog.at_level(logging.WARNING):
        described = croissant.Dataset(
            jsonld=str(folder / "croissant.json"), mapping={"repository": epath.Path(folder)}
        )
    issues = described.metadata.ctx.issues
    assert not issues.errors
    assert not issues.warnings
    assert "not standard" not in caplog.text
    assert described.metadata.license == ["https://spdx.org/licenses/CC0-1.0.html"]

    whole = datasets.load_dataset(
        "parquet", data_files=str(folder / "data" / "*.parquet"), split="train"
    )
    records = list(described.records("default"))
    assert len(records) == whole.num_rows == 6_000
    ours = {(row["task_id"], row["draw"]): row for row in whole}
    for record in records[:200]:
        row = ours[record["default/task_id"].decode(), record["default/draw"]]
        assert record["default/inputs"].decode() == row["inputs"]
        assert list(record["default/exemplar_rows"]) == row["exemplar_rows"]
    assert sum(1 for _ in described.records("reasoning")) == 2_000


def test_the_description_names_every_shard_with_its_hash(folder: Path) -> None:
    """Whoever fetches a shard by the description can check it."""
    described = json.loads((folder / "croissant.json").read_text(encoding="utf-8"))
    shards = {
        entry["contentUrl"]: entry["sha256"]
        for entry in described["distribution"]
        if entry["@id"].startswith("data/")
    }

    assert shards == {s["file"]: s["sha256"] for s in manifest_of(folder)["shards"]}


def test_a_folder_of_a_release_is_a_mixture(folder: Path) -> None:
    """What will be published verifies where it stands, and nothing in it can be changed unseen."""
    assert run("verify", folder).exit_code == 0

    path = folder / "submixtures" / "reasoning" / "train-00000-of-00004.parquet"
    changed = bytearray(path.read_bytes())
    changed[100] ^= 1
    path.write_bytes(changed)
    done = run("verify", folder)
    assert done.exit_code == 1
    assert "submixtures/reasoning/train-00000-of-00004.parquet" in done.output


def test_the_same_mixture_gives_the_same_release(mixture: Path, folder: Path) -> None:
    """Put together again, every file is as it was: what is published need not be sent again."""
    before = (folder / "release.json").read_bytes()

    assert prepare(mixture).exit_code == 0
    assert (folder / "release.json").read_bytes() == before


def test_one_submixture_is_no_config_of_its_own(mixture: Path) -> None:
    """Where it is not wanted, nothing is stored twice."""
    assert prepare(mixture, "--configs", "default").exit_code == 0
    folder = mixture.with_name("quickstart-release")

    assert [c["config_name"] for c in head_of(folder)["configs"]] == ["default"]
    assert not (folder / "submixtures").exists()


def test_a_folder_of_other_things_is_left_alone(mixture: Path, tmp_path: Path) -> None:
    """A release is not put together among files of others."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work", encoding="utf-8")

    done = prepare(mixture, "--out", tmp_path / "mine")
    assert done.exit_code == 2
    assert "thesis.tex" in done.output
