"""What tests of releases share: a mixture with an audit, and a Hub to publish it on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import call, run
from tests.hub_for_writing import TOKEN, Hub, writable_hub

NO_ERRORS = {"findings": [{"severity": "warning", "check": "few_rows", "message": "few rows"}]}


@pytest.fixture(scope="session")
def built(quickstart: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart mixture."""
    out = tmp_path_factory.mktemp("built") / "quickstart"
    done = run("build", "quickstart", "--store", quickstart.store, "--out", out, "--workers", 0)
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture
def mixture(built: Path, tmp_path: Path) -> Path:
    """A copy of it, with an audit that has one warning."""
    out = Path(shutil.copytree(built, tmp_path / "quickstart"))
    audit = {**NO_ERRORS, "mixture": {"content_digest": manifest_of(out)["content_digest"]}}
    (out / "audit").mkdir()
    (out / "audit" / "audit.json").write_text(json.dumps(audit), encoding="utf-8")
    return out


def manifest_of(out: Path) -> dict[str, Any]:
    """The manifest of a mixture or release."""
    plain: dict[str, Any] = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    return plain


def change_licence(out: Path, task: str, licence: str) -> None:
    """As if the card of a task had named another licence."""
    manifest = manifest_of(out)
    manifest["tasks"][task]["card"]["licence"]["id"] = licence
    (out / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """An empty Hub, and an environment in which commands find it."""
    with writable_hub() as running:
        for name, value in {
            "HF_ENDPOINT": running.url,
            "HF_TOKEN": TOKEN,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(tmp_path / "hf"),
        }.items():
            monkeypatch.setenv(name, value)
        yield running


def release(mixture: Path, *options: object, timeout: float = 120) -> Any:
    """Publishes a mixture as `org/quick`; the client reads its address once, so in a process."""
    return call("release", mixture, "--repo", "org/quick", *options, timeout=timeout)


def released(folder: Path) -> dict[str, bytes]:
    """What a release's folder holds, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
