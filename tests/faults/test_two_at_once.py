"""Two processes in one folder: the second one is refused, a dead one is not waited for."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from mixture_builder.io.atomic import temporary_name
from mixture_builder.jobs.resume import alone_in_mixture, alone_in_store
from tests.cli.helpers import QUESTIONS, Workspace, command, environment, run


def test_a_second_build_into_a_folder_is_refused(workspace: Workspace) -> None:
    """While one process builds, another one changes nothing and says whom to wait for."""
    build = ["build", workspace.recipe, *workspace.options, "--out", workspace.out, "--workers", 0]
    with alone_in_mixture(str(workspace.out)):
        refused = run(*build)
        assert list(workspace.out.rglob("*.parquet")) == []

    assert refused.exit_code == 1
    assert f"{workspace.out}: process {os.getpid()} on" in refused.stderr
    assert "builds here since" in refused.stderr
    assert "choose another --out" in refused.stderr
    assert run(*build).exit_code == 0
    assert not (workspace.out / ".work").exists()


def test_a_second_ingest_into_a_store_is_refused(workspace: Workspace) -> None:
    """Rows are brought into a store by one process at a time."""
    ingest = ["ingest", workspace.recipe, *workspace.options, "--workers", 0]
    with alone_in_store(workspace.store):
        refused = run(*ingest)

    assert refused.exit_code == 1
    assert "brings rows into the store here since" in refused.stderr
    assert "choose another --store" in refused.stderr
    assert run(*ingest).exit_code == 0
    assert not (workspace.store / ".lock").exists()


def test_a_store_that_holds_all_rows_is_shared(workspace: Workspace) -> None:
    """A build that only reads rows does not wait for one that brings others."""
    assert run("ingest", workspace.recipe, *workspace.options, "--workers", 0).exit_code == 0
    with alone_in_store(workspace.store):
        build = ["build", workspace.recipe, *workspace.options, "--out", workspace.out]
        done = run(*build, "--workers", 0)

    assert done.exit_code == 0, done.output


def test_a_finished_mixture_is_looked_at_by_anyone(workspace: Workspace) -> None:
    """Where nothing is to be built, nobody is kept out, and nothing is written."""
    build = ["build", workspace.recipe, *workspace.options, "--out", workspace.out, "--workers", 0]
    assert run(*build).exit_code == 0
    before = sorted(workspace.out.rglob("*"))
    with alone_in_mixture(str(workspace.out)):
        done = run(*build)

    assert done.exit_code == 0, done.output
    assert sorted(workspace.out.rglob("*")) == before


def test_of_two_builds_at_once_one_is_done_and_one_is_refused(workspace: Workspace) -> None:
    """Two processes that begin in the same moment do not mix; the folder is that of one build."""
    workspace.write_recipe(size={"examples": 60_000}, output={"shards": 60})
    build = ["build", workspace.recipe, *workspace.options, "--out", workspace.out, "--json"]
    assert run("ingest", workspace.recipe, *workspace.options, "--workers", 0).exit_code == 0
    processes = [
        subprocess.Popen(
            command(*build, "--workers", 1),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    results = [process.communicate() for process in processes]

    codes = sorted(process.returncode for process in processes)
    # The later one may come when all is done: then it finds a finished mixture.
    assert codes in ([0, 0], [0, 1])
    if codes == [0, 1]:
        assert any("builds here since" in stderr for _, stderr in results)
    assert run("verify", workspace.out).exit_code == 0


def test_what_another_number_of_shards_left_is_removed(workspace: Workspace) -> None:
    """Shards of an unfinished build of other shards would be read beside those of this one."""
    build = ["build", workspace.recipe, *workspace.options, "--out", workspace.out, "--workers", 0]
    data = workspace.out / "data"
    data.mkdir(parents=True)
    for name in ("train-00001-of-00007.parquet", "train-00000-of-00001.jsonl", "notes.txt"):
        (data / name).write_text("left")

    assert run(*build).exit_code == 0

    assert sorted(p.name for p in data.iterdir()) == ["notes.txt", "train-00000-of-00001.parquet"]


def test_spilled_rows_of_a_dead_ingest_are_removed(workspace: Workspace) -> None:
    """What a killed ingest has spilled or half written is gone after the next one."""
    spill = workspace.store / ".spill" / "tiny--sums-0123" / "part-00000-run-00000.arrow"
    spill.parent.mkdir(parents=True)
    spill.write_bytes(b"rows")
    lock = workspace.store / ".lock"
    lock.write_text(json.dumps({"host": "gone", "pid": 1, "beat": time.time() - 1_000}))

    assert run("ingest", workspace.recipe, *workspace.options, "--workers", 0).exit_code == 0

    assert not spill.parent.parent.exists()
    assert not lock.exists()


def test_two_exports_into_a_folder_refuse_each_other(workspace: Workspace, tmp_path: Path) -> None:
    """An export is written by one process at a time too."""
    build = ["build", workspace.recipe, *workspace.options, "--out", workspace.out, "--workers", 0]
    assert run(*build).exit_code == 0
    out = tmp_path / "export"
    export = ["export", workspace.out, "--for", "trl", "--out", out]
    with alone_in_mixture(str(out)):
        refused = run(*export)

    assert refused.exit_code == 1
    assert "choose another --out" in refused.stderr
    assert run(*export).exit_code == 0
    assert not (out / ".work").exists()


def test_a_lock_left_when_all_was_done_is_removed(workspace: Workspace) -> None:
    """A stale lock goes too where no row is missing."""
    ingest = ["ingest", workspace.recipe, *workspace.options, "--workers", 0]
    assert run(*ingest).exit_code == 0
    (workspace.store / ".lock").write_text("{}")

    assert run(*ingest).exit_code == 0
    assert not (workspace.store / ".lock").exists()


def test_what_a_killed_worker_left_of_a_stored_task_goes_with_the_next_ingest(
    workspace: Workspace,
) -> None:
    """A task may be stored by the second worker, and the ingest end before it is cleaned up."""
    ingest = ["ingest", workspace.recipe, *workspace.options, "--workers", 0]
    assert run(*ingest).exit_code == 0
    dead = subprocess.Popen(["true"])
    dead.wait()
    (rows,) = workspace.store.glob("tiny/sums/*/rows.arrow")
    left = rows.with_name(temporary_name("rows.arrow").replace(f"-{os.getpid()}-", f"-{dead.pid}-"))
    left.write_bytes(b"half")
    workspace.task("more", QUESTIONS)

    assert run(*ingest).exit_code == 0
    assert not left.exists()
