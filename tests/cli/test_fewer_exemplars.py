"""Few-shot prompts with fewer exemplars than they ask for are counted, and told of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import PLAIN, QUESTIONS, Workspace, run

FEW_SHOT = {"variants": {"fs_noopt": 1}}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    made.template_file("tiny/questions", [PLAIN])
    made.task("sums", QUESTIONS)
    return made


def built(workspace: Workspace, **recipe: Any) -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
    """What a build of 20 few-shot prompts says, its manifest and its records."""
    workspace.write_recipe(**FEW_SHOT, **recipe)
    done = run(
        "build", workspace.recipe, *workspace.options, "--out", workspace.out, "--workers", 0,
        "--format", "jsonl",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    manifest = json.loads((workspace.out / "manifest.json").read_text(encoding="utf-8"))
    lines = (workspace.out / manifest["shards"][0]["file"]).read_text(encoding="utf-8")
    return done.stdout, manifest, [json.loads(line) for line in lines.splitlines()]


def test_a_pool_with_too_few_rows_shortens_every_prompt(workspace: Workspace):
    """Of eight rows seven can stand beside a query: prompts that ask for ten lack three each."""
    said, manifest, records = built(workspace, shots={"counts": {10: 1}})

    assert {record["num_exemplars"] for record in records} == {7}
    fewer = {"prompts": 20, "exemplars": 60}
    assert manifest["tasks"]["tiny/sums"]["fewer_exemplars"] == fewer
    assert manifest["shards"][0]["fewer_exemplars"] == {"tiny/sums": fewer}
    assert "20 prompts by 60 exemplars" in said


def test_a_budget_that_is_too_small_is_counted_by_prompt(workspace: Workspace):
    """What is counted is what the records lack of the three exemplars that each asks for."""
    _, manifest, records = built(workspace, shots={"counts": {3: 1}}, limits={"input_chars": 90})

    lacking = [3 - record["num_exemplars"] for record in records]
    assert 0 < sum(n > 0 for n in lacking) < len(records)
    assert manifest["tasks"]["tiny/sums"]["fewer_exemplars"] == {
        "prompts": sum(n > 0 for n in lacking),
        "exemplars": sum(lacking),
    }


def test_where_nothing_is_missing_nothing_is_said(workspace: Workspace):
    """A mixture all of whose prompts are whole has no such count."""
    said, manifest, _ = built(workspace, shots={"counts": {3: 1}})

    assert "fewer_exemplars" not in manifest["tasks"]["tiny/sums"]
    assert "shortened" not in said


def test_verify_explain_and_plan_tell_of_it(workspace: Workspace):
    """`verify` gives the sums, `explain` the numbers of a record, `plan` small pools."""
    built(workspace, shots={"counts": {10: 1}})

    verified = run("verify", workspace.out)
    explained = run("explain", workspace.out, "--row", "0:0", "--store", workspace.store)
    planned = run("plan", workspace.recipe, *workspace.options)
    as_json = run("plan", workspace.recipe, *workspace.options, "--json")

    assert "20 few-shot prompts of 1 task show fewer exemplars" in verified.stdout
    assert "7 of the 10 it asks for" in explained.stdout
    assert "Few to show: 1 task" in planned.stdout
    task = json.loads(as_json.stdout)["tasks"]["tiny/sums"]
    assert (task["pool"], task["most_exemplars"]) == (8, 10)
