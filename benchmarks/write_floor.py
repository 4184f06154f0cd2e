"""Baseline: pyarrow writing the finished table, and nothing else: what no build can go below.

The table is our own output in Arrow IPC, read by memory map; one Parquet file for each of its
files, with the codec and options of our writer, on so many processes.

python -m benchmarks.write_floor WORKLOAD OUT --workers N
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def write(source: Path, *, out: Path, options: dict[str, Any]) -> None:
    """Writes one file."""
    table = pa.ipc.open_file(pa.memory_map(str(source))).read_all()
    target = out / f"{source.stem}.parquet"
    rows = options["row_group_rows"]
    with pq.ParquetWriter(target, table.schema, **options["writer"]) as writer:
        writer.write_table(table, row_group_size=rows)


def main() -> None:
    """Writes the finished table of a workload."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    folder: Path = arguments.workload / "rendered"
    options = json.loads((folder / "options.json").read_text(encoding="utf-8"))
    job = partial(write, out=arguments.out, options=options)
    files = sorted(folder.glob("*.arrow"))
    if arguments.workers == 1:
        for file in files:
            job(file)
        return
    # Forked, which starts workers at no cost; nothing has started a thread yet.
    with multiprocessing.get_context("fork").Pool(arguments.workers) as pool:
        for _ in pool.imap_unordered(job, files):
            pass


if __name__ == "__main__":
    main()
