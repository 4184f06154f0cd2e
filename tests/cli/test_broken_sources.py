"""Sources as they break in the world: each costs its own task or record, and nothing else."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import Workspace, run

LINES = [json.dumps({"question": f"What is {i} and {i}?", "answer": str(2 * i)}) for i in range(40)]
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"


@pytest.fixture
def broken(workspace: Workspace) -> Workspace:
    """One sound task beside five whose sources are broken in five ways."""
    data = workspace.cards / "tiny" / "data"
    workspace.task("missing", None)
    for name, content in {
        "truncated": gzip.compress("\n".join(LINES).encode() * 50)[:-200],
        "pointer": POINTER.encode(),
        "column": ("\n".join(LINES) + "\n").encode(),
        "bytes": ("\n".join(LINES) + "\n").encode().replace(b"What is 7", b"Wh\xff\xfe is 7"),
    }.items():
        changes: dict[str, Any] = {}
        if name == "column":
            changes["fields"] = {"question": "qestion", "answer": "answer"}
        workspace.task(name, None, **changes)
        (data / f"{name}.jsonl").write_bytes(content)
    return workspace


def build(broken: Workspace, *further: object) -> Any:
    out = ["--out", broken.out, "--workers", 0]
    return run("build", broken.recipe, *broken.options, *out, *further)


def quarantined(out: Path, task: str) -> list[dict[str, str]]:
    lines = (out / "quarantine" / f"{task}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_the_others_are_built_and_what_is_lost_has_place_and_reason(broken: Workspace) -> None:
    """Exit code 3; four tasks are named with their reasons, a bad record lies in quarantine."""
    done = build(broken)
    manifest = json.loads((broken.out / "manifest.json").read_text(encoding="utf-8"))

    assert done.exit_code == 3, done.output
    assert sorted(manifest["tasks"]) == ["tiny/bytes", "tiny/sums"]
    assert sorted(manifest["left_out"]) == [
        "tiny/column",
        "tiny/missing",
        "tiny/pointer",
        "tiny/truncated",
    ]
    assert manifest["realised"] == 20
    for task, words in {
        "tiny/missing": "found no readable file",
        "tiny/truncated": "the middle of compressed data",
        "tiny/pointer": "Git LFS",
        "tiny/column": "qestion",
    }.items():
        assert words in manifest["left_out"][task], manifest["left_out"][task]
        assert task in done.stderr
        assert str(broken.cards) not in manifest["left_out"][task]
        first = quarantined(broken.out, task)[0]
        assert first["reason"] == "left_out"
        assert words in first["detail"]

    [bad] = quarantined(broken.out, "tiny/bytes")
    assert (bad["place"], bad["reason"]) == ("data/bytes.jsonl#L8", "bad_encoding")
    assert manifest["tasks"]["tiny/bytes"]["rows"] == 39
    assert len(quarantined(broken.out, "tiny/column")) == 41


def test_strict_builds_nothing(broken: Workspace) -> None:
    """With --strict the first broken source is an error, and the folder stays empty."""
    done = build(broken, "--strict")

    assert done.exit_code == 1
    assert not broken.out.exists()


def test_strict_allows_no_record_in_quarantine(workspace: Workspace) -> None:
    """A single bad record is a failure too, once a user asks for none."""
    data = workspace.cards / "tiny" / "data" / "sums.jsonl"
    data.write_bytes(data.read_bytes() + b"\xff\xfe\n")
    done = build(workspace, "--strict")

    assert done.exit_code == 1
    assert "1 records are in quarantine" in done.stderr
    assert "tiny/sums (1)" in done.stderr
    assert not workspace.out.exists()
