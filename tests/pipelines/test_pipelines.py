"""The runnable pipelines, as a user starts them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mixture_builder.errors import UsageError
from pipelines import build, ingest

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a module as a command at the root of the checkout."""
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_ingest_then_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Rows that `ingest` stored are used by `build`, which leaves a finished mixture."""
    store = f"--store={tmp_path}/store"

    assert ingest.main(["quickstart", store]) == 0
    assert "stored: quickstart/sums: " in capsys.readouterr().err

    assert build.main(["quickstart", store, f"--out={tmp_path}/out", "--shards=2"]) == 0
    said = capsys.readouterr().err
    assert "was there: quickstart/sums: " in said
    assert "built: data/train-00001-of-00002.parquet: 3,000 examples" in said
    assert "quickstart: 6,000 of 6,000 examples" in said
    assert (tmp_path / "out" / "manifest.json").exists()

    assert build.main(["quickstart", store, f"--out={tmp_path}/out", "--shards=2"]) == 0
    assert "built: " not in capsys.readouterr().err


def test_options_of_beam_reach_beam(tmp_path: Path):
    """What the pipelines do not know goes to Beam, which says what it does not know."""
    with pytest.raises(UsageError, match=r"Did you mean '--direct_num_workers'\?"):
        build.main(["quickstart", f"--out={tmp_path}", "--direct_num_workerz=2"])


@pytest.mark.slow
def test_direct_runner_is_refused_with_the_reason(tmp_path: Path):
    """The command ends with exit code 2 and one line, not with a traceback or a hang."""
    done = run("pipelines.build", "quickstart", f"--out={tmp_path}/out", "--runner=DirectRunner")

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("found the runner DirectRunner, which may wait for a download")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", ["ingest", "build"])
def test_help_shows_examples(pipeline: str):
    """`--help` shows whole commands, for this machine and for a cluster."""
    done = run(f"pipelines.{pipeline}", "--help")

    assert done.returncode == 0
    assert done.stderr == ""
    assert f"python -m pipelines.{pipeline} quickstart" in done.stdout
    assert "--direct_running_mode=multi_processing" in done.stdout
    assert ("--runner=DataflowRunner" in done.stdout) == (pipeline == "build")


def test_pipelines_stay_short():
    """A pipeline is read in one go: under 100 lines a file."""
    for file in (ROOT / "pipelines").glob("*.py"):
        assert len(file.read_text(encoding="utf-8").splitlines()) < 100, file.name
