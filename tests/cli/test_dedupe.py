"""`dedupe`: equal and nearly equal rows, and which of them stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from mixture_builder.audit.rows.duplicates import fields_of
from mixture_builder.audit.rows.signatures import BANDS, ROWS_PER_BAND, shingles, signatures
from mixture_builder.audit.rows.words import words_of
from tests.cli.helpers import PLAIN, Workspace, run
from tests.cli.test_contamination import sentence

ROWS = [{"question": sentence(n, 12 + n % 20), "answer": sentence(900 + n, 3)} for n in range(120)]


def say(text: str) -> str:
    """The same in other words' clothes: case, spacing, punctuation."""
    return text.title().replace(" ", ", ", 3) + "?"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Cards of a test's own."""
    made = Workspace(tmp_path)
    made.template_file("tiny/questions", [PLAIN])
    made.write_recipe(size={"examples": 100})
    return made


def report(workspace: Workspace, *options: object) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    run("ingest", workspace.recipe, *workspace.options, "--workers", 0)
    clusters = workspace.folder / "clusters.jsonl"
    done = run(
        "dedupe",
        workspace.recipe,
        *workspace.options,
        "--json",
        "--clusters",
        clusters,
        "--out",
        workspace.folder / "list.jsonl",
        *options,
    )
    assert done.exit_code == 0, done.output
    lines = clusters.read_text(encoding="utf-8").splitlines()
    return json.loads(done.stdout), list(map(json.loads, lines))


def test_planted_copies_go_and_one_of_each_stays(workspace: Workspace) -> None:
    """All copies of other case and spacing, and all that differ in punctuation, are found."""
    workspace.task("a", ROWS)
    equal = [{**row, "question": row["question"].upper().replace(" ", "  ")} for row in ROWS[:40]]
    near = [{**row, "question": say(row["question"])} for row in ROWS[40:80]]
    workspace.task("b", equal + near)

    found, clusters = report(workspace)

    assert found["kinds"] == {
        "duplicate": {"clusters": 40, "rows": 40},
        "near_duplicate": {"clusters": 40, "rows": 40},
    }
    assert found["tasks"] == {"tiny/b": {"duplicate": 40, "near_duplicate": 40}}
    assert {c["kept"]["task"] for c in clusters} == {"tiny/a"}


def test_different_rows_are_no_duplicates(workspace: Workspace) -> None:
    """Nothing is found where every row asks something else."""
    workspace.task("a", ROWS)

    found, clusters = report(workspace)

    assert found["going"] == 0
    assert clusters == []


def test_the_same_passage_with_another_question_stays(workspace: Workspace) -> None:
    """Rows are compared field by field: a long common passage makes no duplicate."""
    passage = sentence(1, 200)
    fields = {"passage": "passage", "question": "question", "answer": "answer"}
    rows = [
        {**row, "passage": passage + f" {sentence(n, 5)}", "answer": "x"}
        for n, row in enumerate(ROWS[:60])
    ]
    workspace.task("a", rows, fields=fields, sample=rows[:2])

    assert report(workspace)[0]["going"] == 0


def test_other_numbers_are_other_rows(workspace: Workspace) -> None:
    """Sums that differ in a number are not near, even with equal answers."""
    text = sentence(3, 30)
    workspace.task(
        "a", [{"question": f"{text} {n} and {n + 20}?", "answer": "9"} for n in range(9)]
    )

    assert report(workspace)[0]["going"] == 0


def test_equal_inputs_with_other_targets_stay(workspace: Workspace) -> None:
    """They are listed as such, and no list names them."""
    workspace.task("a", ROWS)
    workspace.task("b", [{**row, "answer": "something else " + row["answer"]} for row in ROWS[:5]])

    found, clusters = report(workspace)

    assert found["kinds"] == {"other_target": {"clusters": 5, "rows": 5}}
    assert found["going"] == 0
    assert '"rows": 0' in (workspace.folder / "list.jsonl").read_text(encoding="utf-8")
    assert {c["others"][0]["task"] for c in clusters} == {"tiny/b"}


def test_a_label_under_another_definition_is_another_answer(workspace: Workspace) -> None:
    """Equal texts with equal labels are no duplicates where the tasks ask something else."""
    fields = {"question": "question", "definition": "definition", "answer": "answer"}
    for name, definition in (("a", "Is it rude?"), ("b", "Is it long?")):
        rows = [{**row, "definition": definition, "answer": "No"} for row in ROWS[:20]]
        workspace.task(name, rows, fields=fields, sample=rows[:2])

    found, _ = report(workspace)

    assert found["going"] == 0


def test_tasks_come_in_the_recipes_order_unless_told(workspace: Workspace) -> None:
    """The first part's rows stay; --priority says otherwise."""
    workspace.task("a", ROWS[:10])
    workspace.task(
        "b",
        ROWS[:10],
        source={
            "kind": "files",
            "files": ["data/b.jsonl"],
            "format": "jsonl",
            "split": "train",
            "revision": "2",
        },
    )
    parts = {"second": {"rate": 1, "tasks": ["tiny/b"]}, "first": {"rate": 1, "tasks": ["tiny/a"]}}
    workspace.write_recipe(submixtures=parts)

    by_recipe, _ = report(workspace)
    told, _ = report(workspace, "--priority", "tiny/a")

    assert by_recipe["tasks"] == {"tiny/a": {"duplicate": 10}}
    assert told["tasks"] == {"tiny/b": {"duplicate": 10}}


def test_twins_share_their_rows_by_design(workspace: Workspace) -> None:
    """Tasks over one source are not compared unless it is asked for."""
    card = workspace.task("a", ROWS[:10])
    workspace.task("b", None, source=card["source"])

    apart, _ = report(workspace)
    together, _ = report(workspace, "--twins")

    assert apart["going"] == 0
    assert together["going"] == 10


@settings(max_examples=3, deadline=None)
@given(order=st.permutations(range(30)))
def test_what_stays_does_not_depend_on_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    """The order of records changes nothing, and of each cluster exactly one row stays."""
    made = Workspace(tmp_path_factory.mktemp("order"))
    made.template_file("tiny/questions", [PLAIN])
    made.write_recipe()
    rows = [*ROWS[:20], *({**row, "question": say(row["question"])} for row in ROWS[:10])]
    made.task("a", [rows[place] for place in order])
    made.task("b", rows[5:15])

    _, clusters = report(made)

    plain = [
        (c["kind"], c["kept"]["row"], [(o["task"], o["row"]) for o in c["others"]])
        for c in clusters
    ]
    gone = [tuple(other) for _, _, others in plain for other in others]
    assert len(gone) == len(set(gone)) == 20
    assert not {row for kind, row, _ in plain if kind == "near_duplicate"} & {
        r for _, r in gone if ("tiny/a", r) in gone
    }
    assert plain == EXPECTED.setdefault("clusters", plain)


def test_workers_change_nothing(workspace: Workspace) -> None:
    """One process and two give the same clusters."""
    workspace.task("a", ROWS[:40])
    workspace.task("b", ROWS[20:60])

    assert report(workspace)[1] == report(workspace, "--workers", 2)[1]


EXPECTED: dict[str, Any] = {}
"""What the first order gave."""


def test_a_list_makes_a_mixture_without_duplicates(workspace: Workspace) -> None:
    """What the list names is left out; the next look finds nothing that is not left out."""
    workspace.task("a", ROWS)
    workspace.task("b", [*ROWS[:40], {"question": sentence(5_000, 20), "answer": "other"}])
    report(workspace)
    workspace.write_recipe(filters={"rows": ["list.jsonl"]})

    ingested = json.loads(
        run("ingest", workspace.recipe, *workspace.options, "--workers", 0, "--json").stdout
    )

    assert ingested["excluded"] == {"duplicate": 40}
    assert ingested["rows"] == 121
    again, _ = report(workspace)
    assert again["going"] == again["already_excluded"] == 40


def test_signatures_are_those_of_datasketch() -> None:
    """Place by place, a signature is what the package gives for the same shingles."""
    texts = [sentence(n, 5 + 40 * n) for n in range(8)] + ["one", ""]
    words = words_of(texts)
    hashes, owners = shingles(words)
    made = signatures(words)

    for number in range(len(texts)):
        theirs = MinHash(
            num_perm=BANDS * ROWS_PER_BAND, seed=1, scheme="affine32", hashfunc=lambda value: value
        )
        theirs.update_batch([int(h) for h in hashes[owners == number]])
        assert np.array_equal(made[number], theirs.hashvalues)


def test_what_the_direct_target_reads_is_the_target() -> None:
    """Answers stand for the fields they come from; options are input."""
    assert fields_of(["q", "answers"], frozenset(["answer"])) == (("q",), ("answers",))
    assert fields_of(["text", "summary"], frozenset(["summary"])) == (("text",), ("summary",))
