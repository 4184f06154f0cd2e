"""The README of a mixture says what its manifest says, in a form that others read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mixture_builder.dataset_card.card import dataset_card
from mixture_builder.drivers.local import LocalRunner
from mixture_builder.jobs.building import build_mixture
from tests.jobs.test_build import lock_of

datasets = pytest.importorskip("datasets")


@pytest.fixture(scope="module")
def built(quickstart: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("card") / "mixture"
    lock = lock_of(quickstart, shards=2, examples=200)
    manifest = build_mixture(
        lock, store=quickstart.store, out=str(out), runner=LocalRunner(workers=0)
    )
    return out, manifest


def test_a_built_folder_loads_by_its_name_alone(
    built: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """The card's head names the data files, so the manifest beside them is not taken for data."""
    out, manifest = built
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path))

    assert list(loaded) == ["train"]
    assert loaded["train"].num_rows == manifest["realised"] == 200
    assert loaded["train"].column_names == list(manifest["columns"])


def test_the_card_gives_the_figures_of_the_manifest(
    built: tuple[Path, dict[str, Any]],
) -> None:
    """Each task stands there with what it asked for and what it got."""
    out, manifest = built
    text = (out / "README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(text.split("---")[1])

    assert head["configs"][0]["data_files"][0]["path"] == "data/train-*.parquet"
    assert manifest["content_digest"] in text
    for name, task in manifest["tasks"].items():
        assert f"| `{name}` | {task['rows']:,} | {task['quota']} | {task['realised']} |" in text


def test_what_was_left_out_is_named(built: tuple[Path, dict[str, Any]]) -> None:
    """A reader of the card must not think that a missing task was never asked for."""
    _, manifest = built
    text = dataset_card({**manifest, "left_out": {"demo/gone": "no file"}}, description="")

    assert "## Left out" in text
    assert "`demo/gone`" in text


def test_tfrecord_claims_no_loader_that_cannot_read_it(
    built: tuple[Path, dict[str, Any]],
) -> None:
    """`datasets` does not read TFRecord, so the head names no data files."""
    _, manifest = built
    text = dataset_card({**manifest, "format": "tfrecord"}, description="")

    assert "configs" not in text.split("---")[1]
    assert "tf.train.Example" in text
