"""Stored rows: what their schema tells, for task after task, and that they can be let go."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mixture_builder.blocks import BLOCK_ROWS
from mixture_builder.io.stored_rows import _columns_of, _known_columns
from tests.jobs.test_ingest import card_of, rows_of, stored_of, write

KINDS = {"text": pa.string(), "list": pa.list_(pa.string()), "number": pa.int64()}


def schema_of(first: str, second: str) -> pa.Schema:
    """Two fields of some kinds between columns that are no fields."""
    fields = [("#id", pa.int64()), ("a", KINDS[first]), ("#key a", pa.uint64())]
    return pa.schema([*fields, ("b", KINDS[second])])


def test_columns_are_those_of_the_schema_whatever_was_met_before() -> None:
    """Schemas that differ in kinds alone, more of them than are remembered, and each once more."""
    schemas = [(first, second) for first in KINDS for second in KINDS]
    assert len(schemas) > (_known_columns.maxlen or 0)
    for first, second in [*schemas, *reversed(schemas)]:
        found = _columns_of(schema_of(first, second))

        assert found.fields == ("a", "b")
        assert found.places == {"#id": 0, "a": 1, "#key a": 2, "b": 3}
        kinds = {"a": first, "b": second}
        assert found.text_fields == {name for name in kinds if kinds[name] == "text"}
        assert found.list_fields == {name for name in kinds if kinds[name] == "list"}


def test_equal_schemas_share_what_they_tell() -> None:
    """Tasks of a family are met one after the other: nothing is worked out anew."""
    assert _columns_of(schema_of("text", "list")) is _columns_of(schema_of("text", "list"))


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel which pages are in memory")
def test_rows_that_are_forgotten_take_no_memory_and_can_be_read_again(tmp_path: Path) -> None:
    """A build goes over many tasks; of those it is done with, no page stays in the process."""
    write(tmp_path, {"data.jsonl": [{"q": f"{n} " * 500} for n in range(2 * BLOCK_ROWS)]})
    card = card_of(tmp_path, fields={"question": "q"}, keep="")
    rows = rows_of(stored_of(card, tmp_path / "store"), tmp_path / "store")
    indices = np.arange(rows.count)
    read = rows.columns(["question"], indices)
    assert resident(rows._path) > len(rows._mapped) // 2

    rows.forget()
    assert resident(rows._path) == 0
    assert rows.columns(["question"], indices) == read


def resident(file: Path) -> int:
    """Bytes of a mapped file that are in this process's memory."""
    mine = 0
    counts = False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        if not line.split()[0].endswith(":"):
            counts = line.endswith(str(file))
        elif counts and line.startswith("Rss:"):
            mine += int(line.split()[1]) * 1024
    return mine
