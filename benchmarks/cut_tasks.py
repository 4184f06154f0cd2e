"""The same rows as many small tasks or as a few large ones.

The rows are those of all tasks of Natural Instructions that are at hand; they have the same
fields, and one template file says them all. Cut into two thousand tasks or into ten, they make
mixtures of the same texts, so what one costs more than the other is the number of tasks.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

ADDRESS = "https://example.org/cut/"
"""Where the cards say that the files stand; a mirror names the copies."""

TEMPLATES = "niv2/niv2"


def cut(rows: pa.Table, folder: Path, *, tasks: int) -> dict[str, str]:
    """Writes cards and source files of so many tasks; gives the sources of a mirror.

    Args:
      rows: of all tasks together, with the fields that the templates read.
      folder: gets `cards` and `sources`.
      tasks: how many; their rows differ by one at most.
    """
    (folder / "sources").mkdir()
    (folder / "cards" / "cut").mkdir(parents=True)
    names = [f"part{number:04d}" for number in range(tasks)]
    for number, name in enumerate(names):
        first, last = (len(rows) * n // tasks for n in (number, number + 1))
        pq.write_table(rows.slice(first, last - first), folder / "sources" / f"{name}.parquet")
    with (folder / "cards" / "cut" / "members.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["name"], *([name] for name in names)])
    card = yaml.safe_dump(_family(rows), sort_keys=False, allow_unicode=True)
    (folder / "cards" / "cut" / "family.yaml").write_text(card, encoding="utf-8")
    return {ADDRESS: f"{folder / 'sources'}/"}


def _family(rows: pa.Table) -> dict[str, object]:
    return {
        "family": "cut",
        "members": "members.csv",
        "card": {
            "id": "cut/${name}",
            "title": "Rows of Natural Instructions",
            "description": "Some rows of Natural Instructions, whatever task they belong to.",
            "category": "benchmark",
            "kind": "generation",
            "languages": ["mul"],
            "source": {
                "kind": "files",
                "files": [f"{ADDRESS}${{name}}.parquet"],
                "format": "parquet",
                "split": "train",
                "revision": "none",
            },
            "fields": {
                name: {"value": name, "optional": True}
                if name.startswith(("example_", "second_"))
                else name
                for name in rows.column_names
            },
            "templates": TEMPLATES,
            "licence": {"id": "unknown"},
            "citation": "None: rows for a benchmark.",
            "size": {"rows": 1, "from": "benchmark"},
            "sample": rows.slice(0, 3).to_pylist(),
        },
    }
