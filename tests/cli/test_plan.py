"""`plan`: rates, quotas and passes, without touching a source."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

from tests.cli.helpers import QUESTIONS, Workspace, run


def test_rows_are_counted_in_the_store(store: Path) -> None:
    """For tasks in the store, a plan is that of the build, to the last example."""
    done = run("plan", "quickstart", "--store", store, "--json")

    plan = json.loads(done.stdout)
    assert done.exit_code == 0
    assert plan["estimated"] == 0
    assert plan["tasks"]["quickstart/summaries"]["rows"] == 60
    assert sum(task["quota"] for task in plan["tasks"].values()) == plan["examples"] == 6000
    assert sum(Fraction(task["share"]) for task in plan["tasks"].values()) == 1
    for task in plan["tasks"].values():
        assert sum(task["variants"].values()) == task["quota"]
        assert task["passes"] == round(task["quota"] / task["query_rows"], 3)


def test_the_plan_is_what_the_build_realises(store: Path, mixture: Path) -> None:
    """What `plan` promises stands in the manifest as asked for."""
    plan = json.loads(run("plan", "quickstart", "--store", store, "--json").stdout)
    manifest = json.loads((mixture / "manifest.json").read_text(encoding="utf-8"))

    for task, planned in plan["tasks"].items():
        assert manifest["tasks"][task]["quota"] == planned["quota"]
        variants = manifest["tasks"][task]["variants"]
        assert {name: v["quota"] for name, v in variants.items()} == planned["variants"]


def test_parts_hold_the_parts_in_them(store: Path) -> None:
    """A nested part counts for the part around it; the outermost parts make the whole."""
    parts = json.loads(run("plan", "quickstart", "--store", store, "--json").stdout)["submixtures"]

    inner = [facts for path, facts in parts.items() if path.startswith("text.")]
    assert sum(facts["quota"] for facts in inner) == parts["text"]["quota"] == 1500
    assert [parts[p]["share"] for p in ("closed", "reasoning", "text")] == ["5/12", "1/3", "1/4"]


def test_without_a_store_rows_are_estimates_and_marked(workspace: Workspace) -> None:
    """No source is touched: a plan works before any file is there, from what cards state."""
    workspace.task("sums", None)
    (workspace.cards / "tiny" / "data" / "sums.jsonl").unlink()

    done = run("plan", workspace.recipe, *workspace.options, "--tasks")
    plan = json.loads(run("plan", workspace.recipe, *workspace.options, "--json").stdout)

    assert done.exit_code == 0
    assert "~8" in done.stdout
    assert "the cards state" in done.stdout
    assert plan["tasks"]["tiny/sums"]["estimated"] is True
    assert not workspace.store.exists()


def test_tasks_whose_rows_repeat_are_pointed_out(workspace: Workspace) -> None:
    """20 examples of 8 rows are 2.5 passes, and the plan says so."""
    done = run("plan", workspace.recipe, *workspace.options, "--tasks")

    assert "2.50 !" in done.stdout
    assert "1 task with fewer rows than examples" in done.stdout


def test_a_task_of_unknown_size_is_left_out_and_named(workspace: Workspace) -> None:
    """Neither store nor card knows the rows: there is nothing to plan with."""
    workspace.task("vague", QUESTIONS, size={"rows": None, "from": "nobody says"})

    done = run("plan", workspace.recipe, *workspace.options)
    strict = run("plan", workspace.recipe, *workspace.options, "--strict")

    assert (done.exit_code, strict.exit_code) == (0, 1)
    assert "left out: tiny/vague" in done.stderr
    assert "Run ingest" in done.stderr


def test_seed_and_shards_can_be_set(workspace: Workspace) -> None:
    """Options of the command line win over the recipe."""
    done = run("plan", workspace.recipe, *workspace.options, "--seed", 9, "--shards", 3, "--json")

    plan = json.loads(done.stdout)
    assert (plan["seed"], plan["shards"]) == (9, 3)


def test_a_recipe_of_all_natural_instructions_can_be_planned(tmp_path: Path) -> None:
    """Sixteen hundred tasks are planned at once, and their quotas come to the size asked for."""
    plan = json.loads(run("plan", "real_files", "--store", tmp_path, "--json").stdout)

    assert plan["submixtures"]["niv2"]["tasks"] == 1554
    assert sum(task["quota"] for task in plan["tasks"].values()) == plan["examples"] == 200_000
