"""Lists of excluded rows: what a recipe names is left out exactly, counted, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import Result

from mixture_builder.blocks import BLOCK_ROWS
from mixture_builder.io.excluded_rows import ExcludedRow, write_excluded_rows
from mixture_builder.io.stored_rows import StoredRows
from mixture_builder.jobs import sieve
from mixture_builder.render.batch import TooMuchTextError
from mixture_builder.render.text_arrays import one_batch
from tests.cli.helpers import PLAIN, QUESTIONS, Workspace, run

HEADER = '{"excluded_rows": 1, "rows": 1, "digest": ""}\n'

MANY = [{"question": f"What is {n} and 1?", "answer": f"{n + 1}"} for n in range(600)]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two tasks; a recipe of both with one shard."""
    made = Workspace(tmp_path)
    made.template_file("tiny/questions", [PLAIN])
    made.task("sums", MANY)
    made.task("more", QUESTIONS)
    made.write_recipe(size={"examples": 700})
    return made


def ids_of(workspace: Workspace, task: str) -> dict[str, int]:
    """Question and identity of each stored row, before anything is left out."""
    recipe = workspace.recipe.with_name("plain.yaml")
    Workspace.write(
        recipe,
        {
            "name": "plain",
            "size": {"examples": 1},
            "submixtures": {"a": {"rate": 1, "tasks": [task]}},
        },
    )
    run("ingest", recipe, *workspace.options)
    [meta] = [
        m
        for m in (workspace.store / task).glob("*/meta.json")
        if not json.loads(m.read_text(encoding="utf-8"))["excluded"]
    ]
    rows = StoredRows(
        meta.parent, expected_rows=json.loads(meta.read_text(encoding="utf-8"))["rows"]
    )
    every = np.arange(rows.count)
    return dict(
        zip(rows.columns(["question"], every)["question"], rows.ids(every).tolist(), strict=True)
    )


def exclude(workspace: Workspace, rows: list[ExcludedRow], **changes: Any) -> None:
    """A list beside the recipe, and the recipe that names it."""
    write_excluded_rows(str(workspace.folder / "out.jsonl"), rows)
    workspace.write_recipe(size={"examples": 700}, filters={"rows": ["out.jsonl"]}, **changes)


def build(workspace: Workspace, out: str, *options: object) -> Result:
    return run(
        "build",
        workspace.recipe,
        *workspace.options,
        "--workers",
        0,
        "--format",
        "jsonl",
        "--out",
        workspace.folder / out,
        *options,
    )


def rows_asked(workspace: Workspace, out: str) -> set[int]:
    """Identities of all rows that a mixture asks about or shows."""
    [shard] = (workspace.folder / out / "data").glob("*.jsonl")
    seen: set[int] = set()
    for record in map(json.loads, shard.read_text(encoding="utf-8").splitlines()):
        seen |= {record["row"], *record["exemplar_rows"]}
    return seen


def test_rows_of_a_list_are_left_out_and_no_others(workspace: Workspace) -> None:
    """Every row is asked about but those of the list, which are not shown as exemplars either."""
    ids = ids_of(workspace, "tiny/sums")
    gone = {ids[f"What is {n} and 1?"] for n in range(0, 600, 3)}
    exclude(workspace, [ExcludedRow(task="tiny/sums", row=r, reason="duplicate") for r in gone])

    done = build(workspace, "out")
    others = set(ids_of(workspace, "tiny/more").values())

    assert done.exit_code == 0, done.output
    assert rows_asked(workspace, "out") == (set(ids.values()) - gone) | others
    assert build(workspace, "out").exit_code == 0


def test_what_is_left_out_is_counted_by_reason(workspace: Workspace) -> None:
    """`ingest`, the plan, the lock, the manifest and quarantine say how many rows are left out."""
    ids = sorted(ids_of(workspace, "tiny/sums").values())
    exclude(
        workspace,
        [ExcludedRow(task="tiny/sums", row=r, reason="duplicate") for r in ids[:5]]
        + [
            ExcludedRow(task="tiny/sums", row=r, reason="held_out", evidence={"set": "x"})
            for r in ids[3:7]
        ],
    )

    plan = json.loads(run("plan", workspace.recipe, *workspace.options, "--json").stdout)
    report = json.loads(
        run("ingest", workspace.recipe, *workspace.options, "--workers", 0, "--json").stdout
    )
    assert build(workspace, "out").exit_code == 0
    manifest = json.loads((workspace.folder / "out" / "manifest.json").read_text(encoding="utf-8"))
    lock = (workspace.folder / "out" / "recipe.lock.yaml").read_text(encoding="utf-8")
    entries = (workspace.folder / "out" / "quarantine" / "tiny" / "sums.jsonl").read_text(
        encoding="utf-8"
    )

    expected = {"duplicate": 5, "held_out": 2}
    assert plan["tasks"]["tiny/sums"]["rows"] == 593
    assert report["tasks"]["tiny/sums"]["excluded"] == report["excluded"] == expected
    assert manifest["tasks"]["tiny/sums"]["source"]["excluded"] == expected
    assert manifest["tasks"]["tiny/more"]["source"]["excluded"] == {}
    assert "excluded:" in lock
    assert "held_out: 2" in lock
    assert entries.count('"excluded_duplicate"') == 5
    assert entries.count('"excluded_held_out"') == 2


def test_a_sieved_mixture_is_explained_and_rebuilt(workspace: Workspace) -> None:
    """`verify --rebuild` and `explain` work on what was left, also from a store made anew."""
    ids = sorted(ids_of(workspace, "tiny/sums").values())
    exclude(workspace, [ExcludedRow(task="tiny/sums", row=r, reason="duplicate") for r in ids[::2]])
    assert build(workspace, "out").exit_code == 0
    again = workspace.folder / "again"
    run("ingest", workspace.recipe, *workspace.folders, "--store", again)

    for store in (workspace.store, again):
        out = workspace.folder / "out"
        rebuilt = run("verify", out, "--rebuild", 0, "--store", store)
        explained = run("explain", out, "--row", "0:3", "--store", store)
        assert rebuilt.exit_code == 0, rebuilt.output
        assert explained.exit_code == 0, explained.output


def test_a_changed_list_reads_no_source(workspace: Workspace) -> None:
    """Another list makes another copy of the stored rows; sources may be gone by then."""
    ids = sorted(ids_of(workspace, "tiny/sums").values())
    run("ingest", workspace.recipe, *workspace.options, "--workers", 0)
    before = {p: p.stat().st_mtime_ns for p in workspace.store.glob("tiny/*/*/*")}
    for count in (3, 4):
        exclude(workspace, [ExcludedRow(task="tiny/sums", row=r, reason="a") for r in ids[:count]])
        report = json.loads(
            run("ingest", workspace.recipe, *workspace.options, "--workers", 0, "--json").stdout
        )
        assert report["already_stored"] == 2
        assert report["tasks"]["tiny/sums"]["rows"] == 600 - count

    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_rows_that_are_not_there_are_said(workspace: Workspace) -> None:
    """A list of rows that the store does not hold is named, and strict refuses it."""
    exclude(workspace, [ExcludedRow(task="tiny/sums", row=12, reason="duplicate")])

    done = run("ingest", workspace.recipe, *workspace.options, "--workers", 0)
    strict = run("ingest", workspace.recipe, *workspace.options, "--strict")

    assert done.exit_code == 0
    assert "1 row of 1 task that the store does not hold, the first of tiny/sums" in done.stderr
    assert strict.exit_code == 1


def test_a_task_without_rows_left_is_left_out(workspace: Workspace) -> None:
    """A list that takes all rows of a task takes the task; the others are built."""
    ids = ids_of(workspace, "tiny/more").values()
    exclude(workspace, [ExcludedRow(task="tiny/more", row=r, reason="duplicate") for r in ids])

    done = build(workspace, "out")

    assert done.exit_code == 3
    assert "lists of excluded rows leave no row of it (8 duplicate)" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "found an empty file"),
        ("[1]\n", "found no header"),
        ('{"excluded_rows": 9, "rows": 0, "digest": ""}\n', "found version 9; expected 1"),
        ('{"excluded_rows": 1, "rows": 3, "digest": ""}\n', "found 0 rows that are not those"),
        (
            HEADER + '{"task": "a", "row": true, "reason": "x", "evidence": {}}\n',
            "line 2  expected a whole number",
        ),
    ],
)
def test_a_damaged_list_ends_the_work(workspace: Workspace, content: str, message: str) -> None:
    """A list that was cut or is no list is named before any source is read."""
    workspace.write_recipe(filters={"rows": ["out.jsonl"]})
    (workspace.folder / "out.jsonl").write_text(content, encoding="utf-8")

    done = run("ingest", workspace.recipe, *workspace.options, "--workers", 0)

    assert done.exit_code == 1
    assert message in done.stderr
    assert not workspace.store.exists()


@pytest.mark.parametrize("name", ["../out.jsonl", "/etc/passwd", "missing.jsonl", "a\0b.jsonl"])
def test_a_recipe_names_files_of_its_folder_only(workspace: Workspace, name: str) -> None:
    """A stranger's recipe cannot have other files read."""
    workspace.write_recipe(filters={"rows": [name]})

    done = run("plan", workspace.recipe, *workspace.options)

    assert done.exit_code == 1
    assert "folder of the recipe" in done.stderr or "cannot be read: No such file" in done.stderr


def test_rows_that_are_joined_again_are_those_of_one_block(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that stay are put together a block at a time.

    More texts than one array may hold are an error only where a block of them has so many.
    """
    first, *_ = ids_of(workspace, "tiny/sums").values()
    exclude(workspace, [ExcludedRow(task="tiny/sums", row=first, reason="duplicate")])
    joined: list[int] = []

    def of_one_block(pieces: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
        joined.append(sum(piece.num_rows for piece in pieces))
        if len(joined) > 3:
            raise TooMuchTextError
        return one_batch(pieces)

    monkeypatch.setattr(sieve, "one_batch", of_one_block)

    assert build(workspace, "out").exit_code == 0
    assert joined == [BLOCK_ROWS, BLOCK_ROWS, 599 - 2 * BLOCK_ROWS]

    exclude(workspace, [ExcludedRow(task="tiny/sums", row=first, reason="held_out")])
    refused = build(workspace, "refused")

    assert refused.exit_code == 1
    assert "tiny/sums: 256 rows that stand together once the excluded ones" in refused.stderr
    assert "with `keep` in the card, or exclude them too." in refused.stderr


def test_a_loop_of_links_is_a_list_that_cannot_be_read(workspace: Workspace) -> None:
    """A stranger's folder may hold links that lead nowhere."""
    (workspace.folder / "loop").symlink_to("loop")
    workspace.write_recipe(filters={"rows": ["loop"]})

    done = run("plan", workspace.recipe, *workspace.options)

    assert done.exit_code == 1
    assert "cannot be read: Too many levels of symbolic links. Name a list" in done.stderr


def test_equal_lists_are_equal_files(tmp_path: Path) -> None:
    """Order and repetition of rows change no byte of a list."""
    rows = [ExcludedRow(task=t, row=r, reason="a") for t in "ba" for r in (3, 1)]

    first = write_excluded_rows(str(tmp_path / "1"), rows)
    second = write_excluded_rows(str(tmp_path / "2"), [*rows[::-1], rows[0]])

    assert first == second
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
