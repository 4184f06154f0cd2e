"""`diff`: what somebody changed is listed, what follows from it is told apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import PLAIN, Workspace, run

SHORT = {"id": "short", "input": "Answer briefly: {{ question }}", "target": "{{ answer }}"}
MORE = [{"question": f"How much is {n} plus 2?", "answer": f"{n + 2}"} for n in range(12)]


def difference(workspace: Workspace, a: object, b: object, *options: object) -> dict[str, Any]:
    """The difference as plain data; the exit code must say whether there is any."""
    done = run("diff", a, b, *workspace.options, "--json", *options)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == (0 if found["equal"] else 1), done.output
    return found


def second(workspace: Workspace, **changes: Any) -> Path:
    """A second recipe beside the workspace's own."""
    own, workspace.recipe = workspace.recipe, workspace.folder / "second.yaml"
    workspace.write_recipe(**changes)
    made, workspace.recipe = workspace.recipe, own
    return made


def ingest(workspace: Workspace) -> None:
    done = run("ingest", workspace.recipe, *workspace.options, "--workers", 0)
    assert done.exit_code == 0, done.output


def build(workspace: Workspace, out: Path) -> Path:
    done = run("build", workspace.recipe, *workspace.options, "--out", out, "--workers", 0)
    assert done.exit_code == 0, done.output
    return out


def test_a_mixture_is_equal_to_its_recipe(workspace: Workspace):
    """A recipe, the lock and the folder built of it say the same; the exit code is 0."""
    out = build(workspace, workspace.out)

    for a in (workspace.recipe, out, out / "recipe.lock.yaml"):
        assert difference(workspace, a, out)["equal"]
    done = run("diff", workspace.recipe, out, *workspace.options)
    assert done.exit_code == 0
    assert "no difference" in done.stdout


def test_one_task_more_is_all_that_is_listed(workspace: Workspace):
    """Only the new task is an input that changed; that others get fewer examples is a shift."""
    workspace.task("more", MORE)
    without = second(
        workspace, submixtures={"all": {"rate": 1, "tasks": ["tiny/*"], "exclude": ["tiny/more"]}}
    )
    ingest(workspace)
    found = difference(workspace, without, workspace.recipe)

    assert list(found["added"]) == ["tiny/more"]
    assert found["added"]["tiny/more"]["rows"] == 12
    assert (found["removed"], found["changed"]) == ({}, {})
    assert found["shifted"] == {"tiny/sums": [20, 8]}
    assert difference(workspace, workspace.recipe, without)["removed"].keys() == {"tiny/more"}


def test_rows_that_came_are_a_change_of_their_task_only(workspace: Workspace):
    """More rows of one task: its number of rows, its rate and its quota; no other task."""
    workspace.task("more", MORE)
    out = build(workspace, workspace.out)
    data = workspace.cards / "tiny" / "data" / "more.jsonl"
    data.write_text(
        data.read_text(encoding="utf-8") + '{"question": "Why?", "answer": "So."}\n',
        encoding="utf-8",
    )
    ingest(workspace)
    found = difference(workspace, out, workspace.recipe)

    assert found["changed"] == {
        "tiny/more": {"rate": ["12", "13"], "rows": [12, 13], "query_rows": [12, 13],
                      "pool": [12, 13], "quota": [12, 12]}
    }  # fmt: skip
    assert found["shifted"] == {}


def test_templates_are_named_and_shown(workspace: Workspace):
    """Templates that came, went and changed are named; `--rendered` shows what becomes of texts."""
    out = build(workspace, workspace.out)
    changed = {**PLAIN, "input": "Question: {{ question }}"}
    workspace.template_file("tiny/questions", [changed, {**SHORT, "id": "brief"}])
    found = difference(workspace, out, workspace.recipe, "--rendered", 2)

    assert found["changed"]["tiny/sums"]["templates"] == {
        "added": ["brief"],
        "removed": ["short"],
        "changed": ["plain"],
    }
    assert len(found["rendered"]) == 2
    for entry in found["rendered"]:
        before, after = entry["before"], entry["after"]
        assert (before["draw"], before["row"]) == (after["draw"], after["row"])
        assert before != after
    done = run("diff", out, workspace.recipe, *workspace.options, "--rendered", 1)
    assert "templates +brief -short ~plain" in done.stdout
    assert "+  Question: " in done.stdout


def test_records_of_tasks_that_came_and_went(workspace: Workspace):
    """Of a task that only one side has, the records of that side are shown."""
    workspace.task("more", MORE)
    without = second(
        workspace, submixtures={"all": {"rate": 1, "tasks": ["tiny/*"], "exclude": ["tiny/more"]}}
    )
    ingest(workspace)
    [came] = difference(workspace, without, workspace.recipe, "--rendered", 1)["rendered"]
    [went] = difference(workspace, workspace.recipe, without, "--rendered", 1)["rendered"]

    assert came["before"] is None
    assert came["after"]["task_id"] == "tiny/more"
    assert (went["before"], went["after"]) == (came["after"], None)


def test_records_need_rows(workspace: Workspace):
    """Before anything is ingested a recipe can be compared; records are said to be missing."""
    other = second(workspace, limits={"input_chars": 500})
    found = difference(workspace, workspace.recipe, other, "--rendered", 1)

    assert found["a"]["estimated"] == 1
    assert found["changed"]["tiny/sums"]["settings"] == {"input_chars": [0, 500]}
    assert found["rendered"] == [
        {"task": "tiny/sums", "note": "not rendered: its rows are not in the store"}
    ]


@pytest.mark.parametrize(
    ("changes", "where", "what"),
    [
        ({"seed": 4}, "whole", {"seed": [0, 4]}),
        ({"size": {"examples": 30}}, "whole", {"examples": [20, 30]}),
        ({"output": {"shards": 2}}, "whole", {"shards": [1, 2]}),
        ({"output": {"shards": 1, "format": "jsonl"}}, "whole", {"format": ["parquet", "jsonl"]}),
        (
            {"submixtures": {"all": {"rate": 3, "tasks": ["tiny/*"], "cap": 5}}},
            "submixtures",
            {"all": {"rate": ["1", "3"], "cap": [None, 5]}},
        ),
    ],
)
def test_what_concerns_the_whole(workspace: Workspace, changes: Any, where: str, what: Any):
    """Seed, size, layout and the rates of parts are said once, not for each task."""
    ingest(workspace)
    found = difference(workspace, workspace.recipe, second(workspace, **changes))

    assert found[where] == what


def test_a_style_that_came(workspace: Workspace):
    """Pools of styles belong to the whole mixture: the ids are named."""
    ingest(workspace)
    out = build(workspace, workspace.out)
    styles = workspace.templates / "styles" / "exemplars.yaml"
    styles.write_text(
        styles.read_text(encoding="utf-8").replace("id: blank_line", "id: an_empty_line"),
        encoding="utf-8",
    )
    found = difference(workspace, out, workspace.recipe)

    assert found["styles"] == {
        "exemplars.separators": {"added": ["an_empty_line"], "removed": ["blank_line"]}
    }


def test_tokens_of_built_mixtures(workspace: Workspace, tmp_path: Path):
    """Tokens are counted in what was built, task by task; a recipe has no texts to count."""
    from tests.export.helpers import write_byte_tokenizer

    tokenizer = write_byte_tokenizer(tmp_path / "tokenizer.json")
    first = build(workspace, workspace.out)
    workspace.template_file("tiny/questions", [{**PLAIN, "input": "{{ question }}!"}])
    other = build(workspace, tmp_path / "other")
    found = difference(workspace, first, other, "--tokenizer", tokenizer)

    assert found["same_content"] is False
    counts = found["tokens"]["tiny/sums"]
    assert counts["targets"][0] == counts["targets"][1] > 0
    assert counts["inputs"][0] != counts["inputs"][1]
    refused = run("diff", first, workspace.recipe, *workspace.options, "--tokenizer", tokenizer)
    assert refused.exit_code == 2
    assert "which has no texts; expected two built mixtures" in refused.output


def test_what_is_no_mixture_is_refused(workspace: Workspace):
    """A name that is neither is wrong usage, exit code 2."""
    done = run("diff", workspace.recipe, "nowhere", *workspace.options)

    assert done.exit_code == 2
    assert "nowhere: found no recipe of that name" in done.output


def test_rates_beside_each_other_are_told_together(workspace: Workspace):
    """Of numbers of exemplars the whole of both sides is said: a single one would say nothing."""
    other = second(workspace, shots={"counts": {1: 1}})
    found = difference(workspace, workspace.recipe, other)
    done = run("diff", workspace.recipe, other, *workspace.options)

    assert found["changed"]["tiny/sums"]["settings"] == {
        "shots.counts": [{"2": "1", "3": "1", "5": "1"}, {"1": "1"}]
    }
    assert "shots.counts {2: 1, 3: 1, 5: 1} -> {1: 1}" in done.stdout


def test_long_stretches_that_are_alike_are_folded(workspace: Workspace):
    """Of what both sides have the ends are shown, and how many lines stand between them."""
    many = "\n".join(f"line {number}" for number in range(40))
    workspace.template_file("tiny/questions", [{**PLAIN, "input": f"{many}\n{{{{ question }}}}"}])
    ingest(workspace)
    out = build(workspace, workspace.out)
    changed = {**PLAIN, "input": f"{many}\nSo: {{{{ question }}}}"}
    workspace.template_file("tiny/questions", [changed])
    done = run("diff", out, workspace.recipe, *workspace.options, "--rendered", 1)

    assert "lines alike]" in done.stdout
    assert "line 39" in done.stdout
    assert "line 20" not in done.stdout
    assert "+  So: " in done.stdout
