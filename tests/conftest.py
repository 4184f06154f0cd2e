"""What tests of several modules share: the quickstart mixture, and real upstream files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from mixture_builder.drivers.local import LocalRunner
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.stored_task import StoredTask
from mixture_builder.jobs.loading import LoadedRecipe, load_mixture
from mixture_builder.jobs.storing import ingest_mixture
from mixture_builder.shipped import find_recipe

# How long an example takes says nothing about a rule, and machines differ.
settings.register_profile("rules", deadline=None)
settings.load_profile("rules")


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """A mixture whose rows are in a store."""

    mixture: LoadedRecipe
    store: Path
    stored: Mapping[str, StoredTask]


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    """The quickstart mixture, ingested once into a store of its own."""
    mixture = load_mixture(find_recipe("quickstart"), shown_as="quickstart")
    store = tmp_path_factory.mktemp("store")
    stored, broken = ingest_mixture(
        mixture, store=store, mirror=Mirror.empty(), runner=LocalRunner(workers=0)
    )
    assert not broken
    return Ingested(mixture=mixture, store=store, stored=stored)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real upstream files, which is kept outside the repository."""
    named = os.environ.get("MIXTURE_BUILDER_SHARED")
    folder = Path(named) if named else Path(__file__).parent.parent.parent / "shared"
    if not (folder / "data" / "SOURCES.csv").is_file():
        pytest.skip(
            f"{folder} holds no data/SOURCES.csv; set MIXTURE_BUILDER_SHARED to the folder of "
            "real upstream files"
        )
    return folder
