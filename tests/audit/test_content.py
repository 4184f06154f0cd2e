"""Records held against what their rows give, in mixtures that are too large to compare whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from mixture_builder.audit.content import SAMPLE, WHOLE, observe
from mixture_builder.audit.shard import audit_shard
from mixture_builder.audit.subject import built_mixture
from mixture_builder.audit.view import ShardView
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA
from mixture_builder.io.parquet import write_parquet
from mixture_builder.jobs.inspect.records import read_batches
from tests.audit.conftest import checks_of, findings_of
from tests.cli.helpers import run

TASKS = ("quickstart/reviews", "quickstart/sums")
SHARDS = 3


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A mixture of more than `WHOLE` examples of two tasks, in three shards, and its row store."""
    folder = tmp_path_factory.mktemp("sampled")
    recipe = {
        "name": "sampled",
        "seed": 1,
        "size": {"examples": WHOLE + 200},
        "submixtures": {"all": {"rate": 1, "tasks": list(TASKS)}},
        "variants": {"zs_opt": 1, "zs_noopt": 1},
        "output": {"shards": SHARDS},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    out, store = folder / "out", folder / "store"
    built = run("build", folder / "recipe.yaml", "--out", out, "--store", store, "--workers", 0)
    assert built.exit_code == 0, built.output
    return out, store


def compared_by_shard(out: Path, store: Path) -> list[int]:
    context = built_mixture(str(out), store=store)
    return [audit_shard(context, shard).states["content"].compared for shard in range(SHARDS)]


def test_of_a_large_mixture_some_records_of_every_task_are_compared(large: tuple[Path, Path]):
    """Each task is compared in one shard, and there as many of its records as the check says."""
    out, store = large
    context = built_mixture(str(out), store=store)
    compared = compared_by_shard(out, store)

    # Shards of 3,400 records are looked at in one stretch.
    assert sum(compared) == SAMPLE * len(TASKS)
    assert all(count % SAMPLE == 0 for count in compared)
    assert compared == compared_by_shard(out, store)
    assert context.locked.plan.examples > WHOLE


def test_a_record_of_the_sample_that_is_wrong_is_found(large: tuple[Path, Path], tmp_path: Path):
    """Every record that is compared is compared whole: another answer is an error of its task."""
    clean, store = large
    context = built_mixture(str(clean), store=store)
    for task in TASKS:
        shard, place = next(
            (shard, place)
            for shard in range(SHARDS)
            for place in compared_places(clean, store, shard, task)
        )
        file = context.shard_file(shard)
        records = records_of(clean / file)
        records[place]["targets"] += " "
        out = tmp_path / task.replace("/", "-")
        shutil.copytree(clean, out)
        write_parquet(pa.Table.from_pylist(records, schema=EXAMPLE_SCHEMA), f"{out}/{file}")

        told = audited(out, store, tmp_path)

        [finding] = findings_of(told, "content/not_as_rendered")
        assert (finding["task"], finding["count"]) == (task, 1)
        assert (finding["evidence"][0]["shard"], finding["evidence"][0]["row"]) == (file, place)


def test_nothing_is_found_in_a_large_mixture_that_is_as_its_rows_give_it(
    large: tuple[Path, Path], tmp_path: Path
):
    """The sample of a sound mixture is what its rows give."""
    told = audited(*large, tmp_path)

    assert told["content"] == {"compared": SAMPLE * len(TASKS)}
    assert "content/not_as_rendered" not in checks_of(told)


def records_of(file: Path) -> list[dict[str, Any]]:
    batches = list(read_batches(str(file), format="parquet"))
    records: list[dict[str, Any]] = pa.Table.from_batches(batches).to_pylist()
    return records


def compared_places(out: Path, store: Path, shard: int, task: str) -> list[int]:
    """Which records of a task are compared in a shard: the first of it, if any are."""
    context = built_mixture(str(out), store=store)
    file = context.shard_file(shard)
    records = records_of(out / file)
    places = [place for place, record in enumerate(records) if record["task_id"] == task]
    table = pa.Table.from_pylist([records[p] for p in places], schema=EXAMPLE_SCHEMA)
    view = ShardView(table, context, file=file, first_row=0)
    return places[: observe(view).compared]


def audited(out: Path, store: Path, folder: Path) -> dict[str, Any]:
    file = folder / "told.json"
    run("audit", out, "--store", store, "--workers", 0, "--json", file)
    told: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return told
