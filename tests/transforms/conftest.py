"""A small mixture: one task of three files, one of a second choice of source, one that fails."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from mixture_builder.drivers.local import LocalRunner
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.stored_task import StoredTask
from mixture_builder.jobs.building import build_mixture
from mixture_builder.jobs.ingest import planning
from mixture_builder.jobs.loading import LoadedRecipe, load_mixture
from mixture_builder.jobs.locking import lock_mixture
from mixture_builder.jobs.runner import Runner
from mixture_builder.jobs.storing import ingest_mixture
from mixture_builder.lock import Lock
from mixture_builder.shipped import cards_folder, templates_folder

ADDRESS = "https://example.org/entailment/"

RECIPE = {
    "name": "small",
    "seed": 7,
    "size": {"examples": 600},
    "submixtures": {
        "shipped": {"rate": 1, "tasks": ["quickstart/*"]},
        "own": {"rate": 2, "tasks": ["own/*"]},
    },
    "shots": {"counts": {2: 1}},
    "output": {"shards": 5},
}


@dataclass(frozen=True, kw_only=True)
class Small:
    """The mixture's files, and how it is ingested and built."""

    recipe: Path
    cards: Path
    mirror: Mirror

    def load(self) -> LoadedRecipe:
        return load_mixture(
            self.recipe, shown_as="small.yaml", cards=self.cards, templates=templates_folder()
        )

    def ingest(
        self, runner: Runner, *, store: Path
    ) -> tuple[dict[str, StoredTask], dict[str, str]]:
        return ingest_mixture(self.load(), store=store, mirror=self.mirror, runner=runner)

    def lock(self, *, store: Path, shards: int = 0) -> Lock:
        """The lock of rows that are in the store already."""
        stored, broken = self.ingest(LocalRunner(workers=0), store=store)
        return lock_mixture(self.load(), stored=stored, broken=broken, shards=shards)

    def build(self, runner: Runner, *, folder: Path) -> dict[str, Any]:
        """Ingests and builds from nothing, all on one runner; gives the manifest."""
        stored, broken = self.ingest(runner, store=folder / "store")
        lock = lock_mixture(self.load(), stored=stored, broken=broken)
        return build_mixture(lock, store=folder / "store", out=str(folder / "out"), runner=runner)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The mixture's files, written once."""
    folder = tmp_path_factory.mktemp("small")
    shipped = cards_folder() / "quickstart"
    cards, copies = folder / "cards", folder / "copies"
    (cards / "quickstart").mkdir(parents=True)
    (cards / "own").mkdir()
    copies.mkdir()
    for name in ("sums", "science_choice"):
        shutil.copy(shipped / f"{name}.yaml", cards / "quickstart")
    shutil.copytree(shipped / "data", cards / "quickstart" / "data")
    _split(shipped / "data" / "entailment.jsonl", copies)
    card = yaml.safe_load((shipped / "entailment.yaml").read_text(encoding="utf-8"))
    for name, alternatives in (
        ("three_files", [[f"{ADDRESS}{letter}.jsonl" for letter in "abc"]]),
        ("second_choice", [["none.jsonl"], [f"{ADDRESS}a.jsonl"]]),
        ("unreadable", [["bad.jsonl"]]),
    ):
        sources = [{**card["source"], "files": files} for files in alternatives]
        own = {**card, "id": f"own/{name}", "source": sources}
        (cards / "own" / f"{name}.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    (cards / "own" / "bad.jsonl").write_text('{"premise": 1}\n', encoding="utf-8")
    recipe = folder / "small.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    return Small(recipe=recipe, cards=cards, mirror=Mirror(sources={ADDRESS: f"{copies}/"}))


def _split(source: Path, to: Path) -> None:
    """Three files of one; the first row stands in two of them, so there is a copy to drop."""
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    for letter, part in (("a", lines[:40]), ("b", [lines[0], *lines[40:50]]), ("c", lines[50:])):
        (to / f"{letter}.jsonl").write_text("".join(part), encoding="utf-8")


@pytest.fixture(autouse=True)
def _a_part_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file of a task is a part of its own."""
    monkeypatch.setattr(planning, "PART_BYTES", 1)


@pytest.fixture(scope="session")
def stored(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A row store with the mixture's rows; not to be written to."""
    store = tmp_path_factory.mktemp("stored") / "store"
    small.ingest(LocalRunner(workers=0), store=store)
    return store


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a build left: its manifest, its files, and what the store says of each task."""

    manifest: dict[str, Any]
    files: dict[str, bytes]
    tasks: dict[str, Any]


def read_built(folder: Path, manifest: dict[str, Any]) -> Built:
    """Everything that a build in a folder has left."""
    out, store = folder / "out", folder / "store"
    return Built(
        manifest=manifest,
        files={
            str(f.relative_to(out)): f.read_bytes() for f in sorted(out.rglob("*")) if f.is_file()
        },
        tasks={
            str(f.relative_to(store)): json.loads(f.read_text(encoding="utf-8"))
            for f in sorted(store.rglob("meta.json"))
        },
    )


@pytest.fixture(scope="session")
def built_locally(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The mixture as the pool of worker processes builds it."""
    folder = tmp_path_factory.mktemp("local")
    return read_built(folder, small.build(LocalRunner(workers=2), folder=folder))
