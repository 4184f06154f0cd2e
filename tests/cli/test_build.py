"""`build` and `quickstart`: the same content whatever runs it."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import Workspace, call, command, environment, run


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a mixture, by their path in it."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def built(out: Path, store: Path, *options: object) -> dict[str, Any]:
    """The summary of a quickstart build."""
    done = run("build", "quickstart", "--store", store, "--out", out, "--json", *options)
    assert done.exit_code == 0, done.output
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


@pytest.mark.slow
def test_one_worker_and_two_give_the_same_bytes(store: Path, mixture: Path, tmp_path: Path) -> None:
    """The number of workers changes no byte of any file, this process alone included."""
    for workers in (1, 2):
        out = tmp_path / str(workers)
        done = call("build", "quickstart", "--store", store, "--out", out, "--workers", workers)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert contents(out) == contents(mixture)


@pytest.mark.slow
def test_beam_gives_the_same_bytes(store: Path, mixture: Path, tmp_path: Path) -> None:
    """Beam's own runner, with options after `--`, builds what the pool builds."""
    done = call(
        *["build", "quickstart", "--store", store, "--out", tmp_path / "beam"],
        *["--runner", "FnApiRunner", "--", "--direct_num_workers=1"],
    )

    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "beam") == contents(mixture)


def test_all_formats_hold_the_same_records(store: Path, mixture: Path, tmp_path: Path) -> None:
    """The content digest speaks of records: it does not depend on the format."""
    parquet = json.loads((mixture / "manifest.json").read_text(encoding="utf-8"))

    for form in ("tfrecord", "jsonl"):
        summary = built(tmp_path / form, store, "--format", form, "--workers", 0)
        assert summary["content_digest"] == parquet["content_digest"]
        assert len(list((tmp_path / form / "data").glob(f"*.{form}"))) == 4


def test_another_seed_gives_other_records(store: Path, mixture: Path, tmp_path: Path) -> None:
    """A seed decides the records; quotas stay as they are."""
    before = json.loads((mixture / "manifest.json").read_text(encoding="utf-8"))

    summary = built(tmp_path / "other", store, "--seed", 1, "--workers", 0)

    after = json.loads((tmp_path / "other" / "manifest.json").read_text(encoding="utf-8"))
    assert summary["content_digest"] != before["content_digest"]
    assert {t: facts["quota"] for t, facts in after["tasks"].items()} == {
        t: facts["quota"] for t, facts in before["tasks"].items()
    }


def test_a_finished_mixture_is_left_alone(store: Path, mixture: Path) -> None:
    """The same command again changes nothing and reports the same."""
    before = contents(mixture)

    summary = built(mixture, store, "--workers", 0)

    assert summary["examples"] == 6000
    assert contents(mixture) == before


def test_the_number_of_shards_can_be_set(workspace: Workspace) -> None:
    """--shards wins over the recipe; the set of examples does not depend on it."""
    summaries = []
    for shards in (1, 3):
        out = workspace.folder / f"in_{shards}"
        done = run(
            *["build", workspace.recipe, *workspace.options, "--out", out],
            *["--workers", 0, "--shards", shards, "--json"],
        )
        summaries.append(json.loads(done.stdout))
        assert len(list((out / "data").iterdir())) == shards

    assert [s["examples"] for s in summaries] == [20, 20]


def test_the_log_names_every_shard(workspace: Workspace) -> None:
    """A batch log tells of each shard with its examples, and of the whole."""
    done = run(
        *["build", workspace.recipe, *workspace.options, "--out", workspace.out],
        *["--workers", 0, "--shards", 2, "--log-json"],
    )

    events = [json.loads(line) for line in done.stderr.splitlines()]
    shards = [e for e in events if e["event"] == "shard"]
    assert [e["shard"] for e in shards] == [0, 1]
    assert sum(e["examples"] for e in shards) == events[-1]["examples"] == 20
    assert events[-1]["event"] == "built"


def test_quickstart_shows_records_and_where_they_are(
    store: Path, mixture: Path, tmp_path: Path
) -> None:
    """One command gives a whole mixture, some of its records, and what to do next."""
    out = tmp_path / "first"

    done = run("quickstart", "--out", out, "--store", store, "--workers", 0)

    assert done.exit_code == 0, done.output
    assert done.stdout.count("--- record 0:") == 3
    assert f"folder    {out}" in done.stdout
    assert f"mixture-builder verify {out}" in done.stdout
    assert contents(out) == contents(mixture)


def test_records_of_quickstart_as_json(store: Path, mixture: Path) -> None:
    """--json gives the summary with whole records."""
    done = run("quickstart", "--out", mixture, "--store", store, "--workers", 0, "--json")

    summary = json.loads(done.stdout)
    assert summary["examples"] == 6000
    assert len({record["submixture"] for record in summary["records"]}) == 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="terminals are POSIX here")
def test_a_terminal_shows_bars_with_rates(workspace: Workspace) -> None:
    """On a terminal, people see how far ingest and build are, how fast, and how long still."""
    import pty
    from fcntl import ioctl
    from termios import TIOCSWINSZ

    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    build = ["build", workspace.recipe, *workspace.options, "--out", workspace.out, "--workers", 0]
    done = subprocess.run(
        command(*build), env=environment(), stdout=subprocess.PIPE, stderr=theirs, check=True
    )
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode("utf-8")
    os.close(ours)

    assert "tasks/s" in shown
    assert "rows/s" in shown
    assert "20/20" in shown
    assert "examples/s" in shown
    assert done.stdout.startswith(b"tiny: built")
