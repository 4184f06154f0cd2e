"""`export --for mosaicml`: shards and an index for each split."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.export.conftest import Export
from tests.export.helpers import examples_of
from tests.io.test_mds import read_shard


def read_split(folder: Path) -> list[dict[str, Any]]:
    """The samples of a split, found through its index and checked against it."""
    index = json.loads((folder / "index.json").read_text("utf-8"))
    rows = []
    for shard in index["shards"]:
        data = (folder / shard["raw_data"]["basename"]).read_bytes()
        assert shard["raw_data"]["bytes"] == len(data)
        assert shard["raw_data"]["hashes"] == {"sha256": hashlib.sha256(data).hexdigest()}
        found = read_shard(data, shard)
        assert shard["samples"] == len(found)
        rows += found
    return rows


def test_the_index_leads_to_every_example(tiny: Path, export: Export):
    """Prompt and response come first in meaning; the other columns follow as they are."""
    out = export(tiny, "mosaicml")
    renamed = [
        {"prompt": row.pop("inputs"), "response": row.pop("targets"), **row}
        for row in examples_of(tiny)
    ]

    assert read_split(out / "train") == [dict(sorted(row.items())) for row in renamed]
    assert [f.name for f in sorted((out / "train").iterdir())] == [
        "index.json",
        *(f"shard.0000{n}.mds" for n in range(3)),
    ]


def test_each_split_is_a_folder_with_an_index(tiny: Path, export: Export):
    """A reader is given one folder and finds only that split in it."""
    out = export(tiny, "mosaicml", "--validation", "30%")
    rows = {
        split: {row["row"] for row in read_split(out / split)} for split in ("train", "validation")
    }

    assert rows["train"]
    assert rows["validation"]
    assert not rows["train"] & rows["validation"]
