"""Baseline: seqio caching its tasks, one for each source task, on Beam's local runner.

What a user of seqio would write: rows are read and rendered in Python, `seqio_cache_tasks`
shuffles each task and writes it as TFRecord. Runs in an environment of its own, which
`scripts/interop.sh seqio build/seqio` makes.

python -m benchmarks.seqio_cache WORKLOAD OUT
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import seqio
import tensorflow as tf

from benchmarks.rendering import renderer

PROCESSES = 2
WORKLOAD = "MIXTURE_BUILDER_WORKLOAD"
"""Tells the processes that Beam starts which tasks there are."""


def rendered(file: Path, folder: str) -> Iterator[dict[str, str]]:
    """The finished records of one task."""
    render = renderer(folder).render
    for batch in pq.ParquetFile(file).iter_batches():
        for row in batch.to_pylist():
            shown, target = render(row)
            yield {"inputs": shown, "targets": target}


def add_tasks(folder: str) -> None:
    """Registers a task for each file of records."""
    kinds = {name: tf.TensorSpec([], tf.string) for name in ("inputs", "targets")}

    def source(file: Path) -> Callable[..., Any]:
        def dataset(split: str, shuffle_files: bool, seed: int | None = None) -> Any:  # noqa: ARG001, FBT001  (as seqio calls it)
            return tf.data.Dataset.from_generator(
                lambda: rendered(file, folder), output_signature=kinds
            )

        return dataset

    text = seqio.Feature(seqio.PassThroughVocabulary(1), add_eos=False, dtype=tf.string, rank=0)
    for file in sorted((Path(folder) / "records").glob("*.parquet")):
        seqio.TaskRegistry.add(
            f"task_{file.stem}",
            source=seqio.FunctionDataSource(source(file), splits=["train"]),
            preprocessors=[seqio.CacheDatasetPlaceholder()],
            output_features={"inputs": text, "targets": text},
        )


def main() -> None:
    """Caches the tasks of a workload."""
    from absl import app
    from seqio.scripts import cache_tasks_main

    os.environ[WORKLOAD], out = sys.argv[1:]
    running = f"--direct_running_mode=multi_processing,--direct_num_workers={PROCESSES}"
    flags = [
        f"--output_cache_dir={out}",
        "--module_import=benchmarks.seqio_cache",
        f"--pipeline_options=--runner=DirectRunner,{running}",
        "--min_shards=1",
    ]
    app.run(cache_tasks_main.main, argv=[sys.argv[0], *flags])


if __name__ == "__main__":
    main()
elif WORKLOAD in os.environ:
    add_tasks(os.environ[WORKLOAD])
