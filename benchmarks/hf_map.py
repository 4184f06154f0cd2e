"""Baseline: Hugging Face `datasets`: tasks concatenated and shuffled, one `map`, `to_parquet`.

python -m benchmarks.hf_map WORKLOAD OUT [--batched]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import datasets

from benchmarks.rendering import DRAWN, renderer

PROCESSES = 2
SEED = 0


def render_one(row: dict[str, Any], folder: str) -> dict[str, Any]:
    """For `map` with one record at a time."""
    shown, target = renderer(folder).render(row)
    return {"inputs": shown, "targets": target}


def render_batch(batch: dict[str, list[Any]], folder: str) -> dict[str, list[Any]]:
    """For `map` with batches."""
    names = list(batch)
    render = renderer(folder).render
    pairs = [
        render(dict(zip(names, values, strict=True)))
        for values in zip(*batch.values(), strict=True)
    ]
    return {"inputs": [shown for shown, _ in pairs], "targets": [target for _, target in pairs]}


def main() -> None:
    """Renders the records of a workload."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--batched", action="store_true")
    arguments = parser.parse_args()
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory(dir=arguments.out) as cache:
        files = sorted((arguments.workload / "records").glob("*.parquet"))
        records = datasets.concatenate_datasets(
            [datasets.Dataset.from_parquet(str(file), cache_dir=cache) for file in files]
        )
        rendered = records.shuffle(seed=SEED).map(
            render_batch if arguments.batched else render_one,
            batched=arguments.batched,
            fn_kwargs={"folder": str(arguments.workload)},
            remove_columns=[name for name in records.column_names if name not in DRAWN],
            num_proc=PROCESSES,
            load_from_cache_file=False,
        )
        # Codec and options are its own choice; it takes no others.
        rendered.to_parquet(str(arguments.out / "rendered.parquet"))


if __name__ == "__main__":
    main()
