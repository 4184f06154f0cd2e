"""Loaders read a `Mixture` as they read any map-style data: every record once, in any order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.access.test_mixture import built  # noqa: F401  (a fixture)
from tests.readers.conftest import Read
from tests.readers.test_readers import by_identity

pytestmark = [pytest.mark.readers, pytest.mark.slow]

COLUMNS = ("task_id", "draw", "inputs", "targets")


def chosen(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The columns that the script asks for."""
    return [{name: record[name] for name in COLUMNS} for record in records]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_torch_data_loader_reads_it(quickstart, built: Any, load: Read, workers: int):  # noqa: F811
    """In this process or with workers: in order the written records, shuffled the same ones."""
    folder, records = built
    found = load("with_mixture.py", "torch", folder, quickstart.store, workers)

    assert chosen([row for row in found if not row["shuffled"]]) == chosen(records)
    shuffled = chosen([row for row in found if row["shuffled"]])
    assert shuffled != chosen(records)
    assert by_identity(shuffled) == by_identity(chosen(records))


def test_a_grain_dataset_reads_it(quickstart, built: tuple[Path, Any], load: Read):  # noqa: F811
    """As a random access source of Grain, shuffled: every record once."""
    folder, records = built
    found = load("with_mixture.py", "grain", folder, quickstart.store)

    assert found != chosen(records)
    assert by_identity(found) == by_identity(chosen(records))
