"""`audit --held-out` and `audit --duplicates`: what is planted is found, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mixture_builder.audit.checks import CHECKS
from tests.cli.helpers import PLAIN, Workspace, run
from tests.cli.test_contamination import items, sentence

ROWS = [{"question": sentence(n, 14 + n % 30), "answer": sentence(900 + n, 3)} for n in range(60)]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """One task of 60 rows, built to 60 examples."""
    made = Workspace(tmp_path)
    made.template_file("tiny/questions", [PLAIN])
    made.task("sums", ROWS)
    made.write_recipe(size={"examples": 60})
    return made


def told(made: Workspace, *options: object) -> tuple[int, dict[str, Any]]:
    """The exit code and the document of an audit of the built mixture."""
    out = made.folder / "out"
    if not out.exists():
        built = run("build", made.recipe, *made.options, "--out", out, "--workers", 0)
        assert built.exit_code == 0, built.output
    workers = () if "--runner" in options else ("--workers", 0)
    done = run("audit", out, "--store", made.store, *workers, "--json", "-", *options)
    return done.exit_code, json.loads(done.stdout)


def checks(document: dict[str, Any], group: str) -> list[str]:
    return [f["check"] for f in document["findings"] if f["check"].startswith(f"{group}/")]


def test_a_held_out_item_is_an_error_with_its_place(workspace: Workspace) -> None:
    """A row that is held out is found in every record that shows it, to the character."""
    code, document = told(
        workspace, "--held-out", items(workspace, [ROWS[3]["question"], ROWS[9]["question"]])
    )
    [finding] = [f for f in document["findings"] if f["check"] == "held_out/item"]

    assert code == 1
    assert finding["task"] == "tiny/sums"
    assert document["held_out"]["held.jsonl"]["items"] == 2
    assert document["held_out"]["held.jsonl"]["records"]["ngram"] == finding["count"] >= 2
    assert "inputs[" in finding["evidence"][0]["text"]


def test_a_near_copy_is_a_warning(workspace: Workspace) -> None:
    """Of a held-out item with every tenth word changed the records are told, as near copies."""
    words = ROWS[5]["question"].split()
    words[6::10] = ["sorrel"] * len(words[6::10])
    _, document = told(workspace, "--held-out", items(workspace, [" ".join(words)]))

    assert set(checks(document, "held_out")) <= {"held_out/near_copy", "held_out/item"}
    assert checks(document, "held_out")


def test_other_items_and_different_rows_are_not_found(workspace: Workspace) -> None:
    """A clean mixture has no finding of either kind."""
    other = items(workspace, [sentence(n, 20) for n in range(10_000, 10_100)])
    code, document = told(workspace, "--held-out", other, "--duplicates")

    assert code == 0
    assert not checks(document, "held_out") + checks(document, "duplicates")
    assert document["duplicates"]["kinds"]["duplicate"] == {"clusters": 0, "rows": 0}


def test_rows_that_say_the_same_are_found_across_tasks(workspace: Workspace) -> None:
    """Equal and nearly equal rows of another task are told with both places."""
    equal = [{**row, "question": row["question"].upper()} for row in ROWS[:5]]
    near = [{**row, "question": row["question"].replace(" ", ", ", 3) + "?"} for row in ROWS[5:9]]
    workspace.task("more", equal + near)
    _, document = told(workspace, "--duplicates")
    found = {f["check"]: f for f in document["findings"] if f["check"].startswith("duplicates/")}

    assert {check: f["count"] for check, f in found.items()} == {
        "duplicates/rows": 5,
        "duplicates/near": 4,
    }
    assert "sums.jsonl#L" in found["duplicates/rows"]["message"]
    assert document["counts"]["warning"] >= 1
    assert "duplicates/rows" in document["tasks"][found["duplicates/rows"]["task"]]["findings"]
    assert len(document["duplicates"]["clusters"]) == 9


def test_without_the_rows_duplicates_are_a_wrong_question(workspace: Workspace) -> None:
    """Where the store does not hold the rows, the command says how to come by them."""
    told(workspace)
    done = run(
        *("audit", workspace.folder / "out", "--store", workspace.folder / "none", "--duplicates"),
        *("--workers", 0),
    )

    assert done.exit_code != 0
    assert "--store" in done.stderr


def test_a_recipe_is_looked_at_as_well(workspace: Workspace) -> None:
    """Held-out items are found in what a recipe would be built to."""
    held = items(workspace, [ROWS[3]["question"]])
    done = run(
        *("audit", workspace.recipe, *workspace.options, "--workers", 0, "--json", "-"),
        *("--held-out", held),
    )

    assert done.exit_code == 1
    assert checks(json.loads(done.stdout), "held_out") == ["held_out/item"]


def test_checks_say_which_option_they_need() -> None:
    """Checks that are not always made name the option that asks for them."""
    for check in CHECKS.values():
        group = check.id.split("/")[0]
        if group in {"held_out", "duplicates"}:
            assert f"`--{group.replace('_', '-')}`" in check.decides


def test_held_out_items_are_found_by_beam_as_they_are_here(workspace: Workspace) -> None:
    """With FnApiRunner the document is the same, byte for byte; held-out items count in both."""
    held = items(workspace, [ROWS[3]["question"], ROWS[9]["question"]])
    code, here = told(workspace, "--held-out", held)
    beam_code, beam = told(workspace, "--held-out", held, "--runner", "FnApiRunner")

    assert checks(beam, "held_out") == ["held_out/item"]
    assert beam["content"] == {"compared": 60}
    assert (beam_code, json.dumps(beam)) == (code, json.dumps(here))


def test_held_out_items_need_workers_that_see_them(workspace: Workspace) -> None:
    """The index lies on this machine: a runner with workers elsewhere is wrong usage."""
    out = workspace.folder / "out"
    held = items(workspace, [ROWS[3]["question"]])
    done = run("audit", out, "--held-out", held, "--runner", "DataflowRunner")

    assert done.exit_code == 2
    assert "DataflowRunner" in done.output
    assert "FnApiRunner" in done.output
