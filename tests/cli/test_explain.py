"""`explain`: a record names its row, template, style and exemplars, and is made again from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mixture_builder.jobs.inspect.explain import explain
from mixture_builder.jobs.inspect.records import load_manifest, read_record
from tests.cli.helpers import run


def test_twenty_records_are_made_again_letter_for_letter(mixture: Path, store: Path) -> None:
    """Lock and store give every record again, whatever its task, variant and shard."""
    seen: set[str] = set()
    for number in range(20):
        shard, position = number % 4, 37 * number
        found = explain(str(mixture), store=store, shard=shard, position=position)
        assert found.differences == ()
        assert len(found.exemplars) == found.record["num_exemplars"]
        seen |= {found.record["task_id"], found.record["variant"]}

    assert {"zs_opt", "zs_noopt", "fs_opt", "fs_noopt"} <= seen
    assert len(seen) > 10


def test_everything_about_a_record_is_shown(mixture: Path, store: Path) -> None:
    """People see row, place, template, exemplars, prompt and target, each under its name."""
    manifest = load_manifest(str(mixture))
    position = next(
        n
        for n in range(1000)
        if read_record(str(mixture), manifest, shard=1, row=n)["variant"] == "fs_opt"
    )
    record = read_record(str(mixture), manifest, shard=1, row=position)

    done = run("explain", mixture, "--row", f"1:{position}", "--store", store)

    assert done.exit_code == 0, done.output
    for shown in (
        record["task_id"],
        record["template_id"],
        record["style"],
        f"id    {record['row']}",
        "template, input",
        f"row of exemplar 1 of {record['num_exemplars']}",
        "prompt, query",
        "the same, byte for byte",
    ):
        assert shown in done.stdout
    assert all(f"id    {row}" in done.stdout for row in record["exemplar_rows"])


def test_the_upstream_place_of_a_row_is_named(mixture: Path, store: Path) -> None:
    """As JSON, a record comes with its row's fields and the file and place they are from."""
    done = run("explain", mixture, "--row", "0:0", "--store", store, "--json")

    found = json.loads(done.stdout)
    assert found["same"] is True
    assert found["row"]["place"].startswith("data/")
    assert found["row"]["row"] == found["record"]["row"]
    assert found["sources"][0]["sha256"]


def test_a_record_that_comes_out_otherwise_is_1(damaged: Path, store: Path) -> None:
    """Where the lock was changed, the record is not the same, and the difference is shown."""
    record = read_record(str(damaged), load_manifest(str(damaged)), shard=0, row=0)
    lock = damaged / "recipe.lock.yaml"
    text = lock.read_text(encoding="utf-8")
    lock.write_text(text.replace("\nseed: 0\n", "\nseed: 1\n"), encoding="utf-8")

    done = run("explain", damaged, "--row", "0:0", "--store", store)

    assert done.exit_code == 1
    assert "it is NOT the same" in done.stdout
    assert f"row: found {record['row']} in the shard" in done.stdout


@pytest.mark.parametrize("place", ["4:0", "0:5000"])
def test_a_place_beyond_the_end_is_wrong_usage(mixture: Path, store: Path, place: str) -> None:
    """A record that is not there is the command line's mistake."""
    done = run("explain", mixture, "--row", place, "--store", store)

    assert done.exit_code == 2
    assert "expected 0 to" in done.stderr


def test_without_its_rows_a_record_cannot_be_explained(mixture: Path, tmp_path: Path) -> None:
    """Another store is refused with the way out."""
    done = run("explain", mixture, "--row", "0:0", "--store", tmp_path)

    assert done.exit_code == 1
    assert "found no rows of quickstart/" in done.stderr
    assert "--store" in done.stderr
