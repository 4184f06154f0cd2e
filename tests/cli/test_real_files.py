"""A large mixture over real upstream files, as a user with local copies builds it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from mixture_builder.card_files import load_cards
from mixture_builder.shipped import cards_folder
from tests.cli.helpers import call, run
from tests.shared_mirror import write_mirror

pytestmark = pytest.mark.shared

EXAMPLES = 200_000
NIV2_TASKS = 320


@pytest.fixture(scope="module")
def built(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A mixture of all chain-of-thought and Muffin tasks at hand and 320 of NIV2."""
    folder = tmp_path_factory.mktemp("real")
    mirror = folder / "mirror.yaml"
    write_mirror(shared, mirror)
    copies = yaml.load(mirror.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["sources"]
    cards, findings = load_cards(cards_folder())
    assert not findings
    there = [
        task
        for task, card in cards.items()
        if any(
            s.source.files and all(_is_copied(f, copies) for f in s.source.files)
            for s in card.sources
        )
    ]
    of = {
        part: [t for t in there if t.startswith(f"{part}/")] for part in ("cot", "muffin", "niv2")
    }
    assert len(of["cot"]) >= 7
    assert len(of["muffin"]) >= 10
    assert len(of["niv2"]) >= NIV2_TASKS
    recipe = {
        "name": "real",
        "size": {"examples": EXAMPLES},
        "submixtures": {
            "cot": {"rate": 3, "cap": 100_000, "tasks": of["cot"], "inversion_rate": 0.3},
            "muffin": {"rate": 46, "cap": 30_000, "tasks": of["muffin"]},
            "niv2": {"rate": 24, "cap": 5_000, "tasks": of["niv2"][:NIV2_TASKS]},
        },
        "limits": {"input_chars": 8192, "target_chars": 2048},
    }
    (folder / "real.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    done = call(
        *("build", folder / "real.yaml", "--mirror", mirror, "--store", folder / "store"),
        *("--out", folder / "out", "--workers", 2, "--offline"),
    )
    assert done.returncode == 0, done.stderr
    manifest = json.loads((folder / "out" / "manifest.json").read_text(encoding="utf-8"))
    return folder, manifest


def _is_copied(name: str, copies: dict[str, str]) -> bool:
    return name in copies or any(c.endswith("/") and name.startswith(c) for c in copies)


def test_every_quota_is_met_or_what_is_missing_is_counted(
    built: tuple[Path, dict[str, Any]],
) -> None:
    """Asked, realised and dropped add up for each task and each of its variants."""
    _, manifest = built
    dropped = 0
    for name, task in manifest["tasks"].items():
        lost = sum(task["dropped"].values())
        assert task["realised"] + lost == task["quota"], name
        assert sum(v["realised"] for v in task["variants"].values()) == task["realised"]
        dropped += lost
    assert sum(task["quota"] for task in manifest["tasks"].values()) == EXAMPLES
    assert manifest["realised"] == EXAMPLES - dropped
    assert dropped < 100
    assert not manifest["left_out"]


def test_the_built_mixture_verifies(built: tuple[Path, dict[str, Any]]) -> None:
    """Every byte is what the manifest says, and a shard built alone is the same one."""
    folder, _ = built
    done = run("verify", folder / "out", "--rebuild", 1, "--store", folder / "store")

    assert done.exit_code == 0, done.output
    assert "built anew, the same bytes" in done.output


def test_no_prompt_is_unrendered_and_no_query_among_its_exemplars(
    built: tuple[Path, dict[str, Any]],
) -> None:
    """What real rows hold does not break prompts: no Jinja left over, no empty text, no self."""
    folder, manifest = built
    used: Counter[tuple[str, str, str]] = Counter()
    for shard in manifest["shards"]:
        table = pq.read_table(folder / "out" / shard["file"])
        for row in table.to_pylist():
            assert row["inputs"].strip() == row["inputs"] != ""
            assert row["targets"].strip() == row["targets"] != ""
            assert row["row"] not in row["exemplar_rows"]
            assert len(set(row["exemplar_rows"])) == row["num_exemplars"]
            assert (row["num_exemplars"] > 0) == row["variant"].startswith("fs_")
            used[row["task_id"], row["variant"], row["template_id"]] += 1
    assert sum(used.values()) == manifest["realised"]
