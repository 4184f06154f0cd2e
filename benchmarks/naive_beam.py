"""Baseline: Apache Beam with one element for each record, on the local runner.

python -m benchmarks.naive_beam WORKLOAD OUT --mode in_memory|multi_processing
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from benchmarks.rendering import renderer

PROCESSES = 2
SHARDS = 8
"""As many files as ours; left to itself, Beam would write one for each bundle."""

SCHEMA = pa.schema(
    [
        ("inputs", pa.string()),
        ("targets", pa.string()),
        ("task", pa.string()),
        ("template", pa.int32()),
        ("shows_options", pa.bool_()),
    ]
)


def render(row: dict[str, Any], folder: str) -> dict[str, Any]:
    """One finished record."""
    shown, target = renderer(folder).render(row)
    return {
        "inputs": shown,
        "targets": target,
        "task": row["task"],
        "template": row["template"],
        "shows_options": row["shows_options"],
    }


def main() -> None:
    """Renders the records of a workload."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--mode", choices=("in_memory", "multi_processing"), default="in_memory")
    arguments = parser.parse_args()
    processes = PROCESSES if arguments.mode == "multi_processing" else 1
    options = PipelineOptions([], direct_running_mode=arguments.mode, direct_num_workers=processes)
    records, folder = arguments.workload / "records" / "*.parquet", str(arguments.workload)
    writing = beam.io.WriteToParquet(  # type: ignore[no-untyped-call]
        str(arguments.out / "rendered"),
        SCHEMA,
        codec="zstd",
        num_shards=SHARDS,
        file_name_suffix=".parquet",
    )
    with beam.Pipeline(runner=FnApiRunner(), options=options) as pipeline:
        _ = (
            pipeline
            | beam.io.ReadFromParquet(str(records))  # type: ignore[no-untyped-call]
            | beam.Map(render, folder=folder)  # type: ignore[no-untyped-call]
            # Beam's way to mix what was read task by task.
            | beam.Reshuffle()  # type: ignore[no-untyped-call]
            | writing
        )


if __name__ == "__main__":
    main()
