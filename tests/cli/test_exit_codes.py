"""What commands return, and what a user sees when something is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mixture_builder.cli import steps
from tests.cli.helpers import QUESTIONS, Workspace, call, command, environment, run


def test_done_is_0(workspace: Workspace) -> None:
    """A build that leaves nothing out returns 0 and says where the mixture is."""
    done = run(
        "build", workspace.recipe, *workspace.options, "--out", workspace.out, "--workers", 0
    )

    assert done.exit_code == 0
    assert str(workspace.out) in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bild"], "Did you mean 'build'?"),
        (["plan", "quikstart"], "Did you mean 'quickstart'?"),
        (["plan", "nowhere.yaml"], "found no such file"),
        (["build", "quickstart"], "--out"),
        (["build", "quickstart", "--out", "x", "extra"], "found 'extra' after the recipe"),
        (["build", "quickstart", "--out", "x", "--runner", "DirectRunner"], "for ever"),
        (["build", "quickstart", "--out", "x", "--runner", "R", "--workers", "2"], "--workers"),
        (["build", "quickstart", "--out", "x", "--runner", "R", "--", "a"], "found 'a'"),
        (["ingest", "quickstart", "--workers", "-1"], "--workers"),
        (["explain", "x", "--row", "3"], "SHARD:ROW"),
        (["verify", "no_such_folder"], "found no such folder"),
        (["cards", "show", "quickstart/sum"], "Did you mean 'quickstart/sums'?"),
        (["templates", "show", "quickstart/sum"], "Did you mean 'quickstart/sums'?"),
        (["templates", "show", "quickstart/sums", "--id", "x"], "has no such template"),
    ],
)
def test_wrong_usage_is_2_and_says_the_way_out(arguments: list[str], said: str) -> None:
    """A wrong command line returns 2, changes nothing, and names what was expected."""
    done = run(*arguments)

    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["plan", "build", "dedupe"])
@pytest.mark.parametrize("suffix", ["", ".yaml"])
def test_a_name_that_no_file_may_have_is_said_with_the_way_out(command: str, suffix: str) -> None:
    """A name longer than the file system allows is the user's mistake, not an internal error."""
    name = "a" * 300 + suffix

    done = run(command, name, *(["--out", "x"] if command == "build" else []))

    assert done.exit_code == 1
    assert done.stderr.startswith(f"{name}: File name too long. Give it a shorter name, and run")


def test_a_recipe_with_errors_is_1_and_shows_all_of_them(workspace: Workspace) -> None:
    """All mistakes of a file are shown at once, each with its place."""
    workspace.write_recipe(sedd=3, size={"examples": "many"})

    done = run("plan", workspace.recipe, *workspace.options)

    assert done.exit_code == 1
    assert "sedd" in done.stderr
    assert "seed" in done.stderr
    assert "size.examples" in done.stderr


def test_a_task_that_is_left_out_is_3_and_named_with_its_reason(workspace: Workspace) -> None:
    """One task that cannot be read does not end a build: the others are built without it."""
    workspace.task("lost", None)

    done = run(
        "build", workspace.recipe, *workspace.options, "--out", workspace.out, "--workers", 0
    )

    assert done.exit_code == 3, done.output
    assert "left out: tiny/lost" in done.stderr
    assert "data/lost.jsonl" in done.stderr
    manifest = json.loads((workspace.out / "manifest.json").read_text(encoding="utf-8"))
    assert list(manifest["tasks"]) == ["tiny/sums"]
    assert manifest["realised"] == 20
    assert list(manifest["left_out"]) == ["tiny/lost"]


def test_a_task_that_the_recipe_filters_is_0_and_listed(workspace: Workspace) -> None:
    """Filters are the recipe's own wish: with --strict too, nothing is read and nothing failed."""
    workspace.task("lost", None, held_out=["a benchmark"])
    workspace.write_recipe(filters={"held_out": "exclude"})
    build = [*workspace.options, "--out", workspace.out, "--workers", 0, "--strict"]

    done = run("build", workspace.recipe, *build)

    assert done.exit_code == 0, done.output
    assert "filtered" in done.stdout
    manifest = json.loads((workspace.out / "manifest.json").read_text(encoding="utf-8"))
    assert list(manifest["tasks"]) == ["tiny/sums"]
    assert manifest["left_out"] == {
        "tiny/lost": "filtered: it overlaps with held-out data (a benchmark)"
    }
    assert not (workspace.out / "quarantine").exists()
    card = (workspace.out / "README.md").read_text(encoding="utf-8")
    assert "filters took out 1 of the tasks" in card
    assert "could not be built" not in card


def test_a_card_file_that_is_broken_is_left_out_too(workspace: Workspace) -> None:
    """A file that holds no sound card costs its own task, not the mixture."""
    workspace.task("odd", QUESTIONS, kind="guessing")

    done = run("ingest", workspace.recipe, *workspace.options, "--workers", 0, "--json")

    assert done.exit_code == 3, done.output
    summary = json.loads(done.stdout)
    assert list(summary["tasks"]) == ["tiny/sums"]
    assert "guessing" in summary["left_out"]["cards/tiny/odd.yaml"]


def test_strict_turns_3_into_1_before_anything_is_built(workspace: Workspace) -> None:
    """With --strict a mixture has all of its tasks or is not built."""
    workspace.task("lost", None)

    done = run(
        "build",
        workspace.recipe,
        *workspace.options,
        "--out",
        workspace.out,
        "--workers",
        0,
        "--strict",
    )

    assert done.exit_code == 1
    assert "left out: tiny/lost" in done.stderr
    assert not workspace.out.exists()


def test_a_mixture_of_which_nothing_is_left_is_1(workspace: Workspace) -> None:
    """Where no task can be read there is no mixture, and so an error."""
    (workspace.cards / "tiny" / "data" / "sums.jsonl").unlink()

    built = run(
        "build", workspace.recipe, *workspace.options, "--out", workspace.out, "--workers", 0
    )
    ingested = run("ingest", workspace.recipe, *workspace.options, "--workers", 0)

    assert (built.exit_code, ingested.exit_code) == (1, 1)
    assert "none of its 1 tasks can be built" in built.stderr
    assert not workspace.out.exists()


def test_another_mixture_is_never_overwritten(workspace: Workspace) -> None:
    """A folder that holds a finished mixture of another seed is refused, not mixed up."""
    build = ["build", workspace.recipe, *workspace.options, "--out", workspace.out, "--workers", 0]
    assert run(*build).exit_code == 0
    before = (workspace.out / "manifest.json").read_bytes()

    done = run(*build, "--seed", 1)

    assert done.exit_code == 1
    assert "Choose another --out" in done.stderr
    assert (workspace.out / "manifest.json").read_bytes() == before


def test_an_unexpected_exception_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is one line with a request to report it; --debug adds where it was."""

    def fail(*_: object, **__: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(steps, "load", fail)

    plain = run("plan", "quickstart")
    debug = run("plan", "quickstart", "--debug")

    assert (plain.exit_code, debug.exit_code) == (1, 1)
    assert plain.stderr.startswith("internal error: KeyError: 'surprise'; please report it")
    assert len(plain.stderr.splitlines()) == 1
    assert "Traceback" in debug.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
def test_ctrl_c_says_that_finished_shards_are_kept(workspace: Workspace) -> None:
    """An interrupted build ends with 130 and one line, whatever its workers were doing."""
    workspace.write_recipe(size={"examples": 400_000}, output={"shards": 2_000})
    build = [*workspace.options, "--out", workspace.out, "--workers", 2]
    with subprocess.Popen(
        command("build", workspace.recipe, *build, "--log-json"),
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if json.loads(line)["event"] == "shard":
                break
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read()

    assert process.returncode == 130
    last = json.loads(rest.splitlines()[-1])
    assert last["event"] == "error"
    assert "finished shards are kept" in last["message"]
    assert "Traceback" not in rest
    assert not (workspace.out / "manifest.json").exists()
    assert list(workspace.out.glob("data/*.parquet"))


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    """Whoever reads only the first lines of a list causes no message."""
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        command("cards", "list", "--submixture", "quickstart", "--json"),
        env=environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)

    assert process.stderr == ""


def test_text_that_the_terminal_cannot_show_is_escaped() -> None:
    """A Japanese prompt on a terminal without Japanese is no crash."""
    shown = call("preview", "quickstart", "--task", "quickstart/japanese_topics", "-n", 1)
    plain = subprocess.run(
        command("preview", "quickstart", "--task", "quickstart/japanese_topics", "-n", 1),
        env={**environment(), "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (shown.returncode, plain.returncode) == (0, 0)
    assert "\\u" in plain.stdout
