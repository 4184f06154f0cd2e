"""A clean mixture that is audited, and ways to plant faults in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.document import document
from mixture_builder.audit.shard import merged, observed
from mixture_builder.audit.subject import built_mixture
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA
from mixture_builder.jobs.inspect.records import read_batches
from tests.cli.helpers import run

Record = dict[str, Any]


class Clean:
    """A built mixture without faults.

    Attributes:
      out: its folder.
      store: the row store.
      context: of an audit of it.
      records: of each shard.
    """

    def __init__(self, out: Path, store: Path) -> None:
        self.out = out
        self.store = store
        # Without the rows: with them, `content/not_as_rendered` finds every fault besides.
        self.context: AuditContext = replace(built_mixture(str(out), store=store), store="")
        self.records: list[list[Record]] = []
        for shard in self.context.manifest["shards"]:
            url = f"{out}/{shard['file']}"
            batches = list(read_batches(url, format=self.context.manifest["format"]))
            self.records.append(pa.Table.from_batches(batches).to_pylist())

    def is_inverted(self, record: Record) -> bool:
        """Whether a record goes from an answer back to its question."""
        task = self.context.tasks[record["task_id"]]
        place = task.template_places[record["template_id"]]
        return task.templates[place].direction == "inverted"

    def shards(self) -> list[list[Record]]:
        """Records of each shard, to be changed."""
        return [[dict(record) for record in shard] for shard in self.records]

    def audit(self, shards: Sequence[Sequence[Record]] | None = None) -> dict[str, Any]:
        """The document of an audit of these records, or of the clean ones."""
        parts = [
            observed(
                [pa.Table.from_pylist(list(records), schema=EXAMPLE_SCHEMA)],
                self.context,
                file=self.context.shard_file(number),
            )
            for number, records in enumerate(self.records if shards is None else shards)
        ]
        # What comes out of an audit is plain data.
        told: dict[str, Any] = json.loads(json.dumps(document(merged(parts), self.context)))
        return told

    def with_fault(
        self, where: Callable[[Record], bool], change: Callable[[Record], Record], *, times: int = 1
    ) -> dict[str, Any]:
        """The document of an audit after the first records of some sort were changed."""
        shards = self.shards()
        left = times
        for records in shards:
            for place, record in enumerate(records):
                if left and where(record):
                    records[place] = change(dict(record))
                    left -= 1
        assert not left, "the mixture has no such record"
        return self.audit(shards)


def checks_of(told: dict[str, Any]) -> set[str]:
    """The checks that found something; that the quickstart cites nothing is so from the start."""
    return {finding["check"] for finding in told["findings"]} - {"licences/no_citation"}


def findings_of(told: dict[str, Any], check: str) -> list[dict[str, Any]]:
    """The findings of a check."""
    return [finding for finding in told["findings"] if finding["check"] == check]


@pytest.fixture(scope="session")
def quickstart_folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The mixture of the shipped recipe, and its row store."""
    folder = tmp_path_factory.mktemp("audited")
    out, store = folder / "out", folder / "store"
    result = run("quickstart", "--out", out, "--store", store, "--workers", 0)
    assert result.exit_code == 0, result.output
    return out, store


@pytest.fixture(scope="session")
def clean(quickstart_folders: tuple[Path, Path]) -> Clean:
    """The mixture of the shipped recipe."""
    return Clean(*quickstart_folders)
