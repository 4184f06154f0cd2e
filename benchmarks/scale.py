"""Whether cost and memory stay flat while a mixture grows: in examples, in tasks, in shards.

    python -m benchmarks.scale --examples 100000 1000000 10000000
    python -m benchmarks.scale --tasks 1836 20000
    python -m benchmarks.scale --shards 1 64 4096

Examples and shards: generated rows of one task, zero-shot; for examples, shards of about 50,000
and one worker; for shards, the same number of examples in each, and two workers.
Tasks: copies of the shipped ones, eight grown rows and ten examples each, two workers; `plan`,
`ingest` into an empty store, and `build`.

Each run is a process of its own; seconds are of the processor, so that a busy machine changes
them little. Outputs are deleted after each size.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.generated_tasks import GeneratedTasks, generate
from benchmarks.measure import OFTEN
from benchmarks.measure import measure as measure_program
from mixture_builder.cli.output import table
from tests.cli.helpers import PLAIN, Workspace, environment

ROWS = 200_000
SHARD_EXAMPLES = 50_000
SHARDED_EXAMPLES = 204_800
TASK_ROWS = 8
TASK_EXAMPLES = 10
HEADER = ["examples", "shards", "processor s", "µs an example", "wall s", "largest process MB"]


def prepare(folder: Path) -> Workspace:
    """A task of generated rows, in a store."""
    made = Workspace(folder)
    records = [
        {
            "question": f"Question {n}: what is {n * 7919 % 10007} times {n * 104729 % 10009}? "
            + "Think of how numbers of four digits are multiplied before you answer. " * (n % 5),
            "answer": f"{(n * 7919 % 10007) * (n * 104729 % 10009)}",
        }
        for n in range(ROWS)
    ]
    made.task("sums", records)
    made.template_file("tiny/questions", [PLAIN])
    return made


def measure(made: Workspace, examples: int) -> list[str]:
    """Builds so many examples; gives a row of the table."""
    shards = max(1, examples // SHARD_EXAMPLES)
    made.write_recipe(
        size={"examples": examples},
        output={"shards": shards},
        variants={"zs_opt": 1, "zs_noopt": 1},
    )
    words = ["build", made.recipe, *made.options, "--out", made.out, "--workers", 0, "--json"]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "mixture_builder", *map(str, words)]
    script = (
        "import resource, subprocess, sys, json\n"
        "done = subprocess.run(sys.argv[1:], capture_output=True, check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        "print(json.loads(done.stdout)['examples'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    largest, built = map(int, done.stdout.split())
    shutil.rmtree(made.out)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [
        f"{built:,}",
        f"{shards:,}",
        f"{seconds:.1f}",
        f"{seconds / built * 1e6:.1f}",
        f"{time.monotonic() - start:.1f}",
        f"{largest / 1024:.0f}",
    ]


def measure_shards(made: Workspace, shards: int) -> dict[str, str]:
    """Builds `SHARDED_EXAMPLES` examples in so many shards; gives a row of the table."""
    made.write_recipe(
        size={"examples": SHARDED_EXAMPLES},
        output={"shards": shards},
        variants={"zs_opt": 1, "zs_noopt": 1},
    )
    line = {"shards": f"{shards:,}", "examples": f"{SHARDED_EXAMPLES:,}"}
    for name, further in (("plan", []), ("build", ["--out", made.out, "--workers", 2])):
        words = [name, made.recipe, *made.options, *further]
        line |= _measured(name, words, made.folder, each=shards, unit="shard")
    line["files"] = f"{len(list(made.out.glob('data/*'))):,}"
    shutil.rmtree(made.out)
    return line


def measure_tasks(folder: Path, tasks: int) -> dict[str, str]:
    """Plans, ingests and builds so many tasks; gives a row of the table."""
    made: GeneratedTasks = generate(folder / f"tasks-{tasks}", tasks=tasks, rows=TASK_ROWS)
    examples = made.tasks * TASK_EXAMPLES
    made.write_recipe(examples=examples, shards=max(1, examples // 10_000))
    sources = ["--mirror", made.folder / "mirror.yaml", "--offline", "--workers", 2]
    out = made.folder / "mixture"
    line = {"tasks": f"{made.tasks:,}", "examples": f"{examples:,}"}
    for name, further in (
        ("ingest", sources),
        # Only now, as row counts are known; and files were read once, as they mostly were.
        ("plan", []),
        ("build", [*sources, "--out", out]),
    ):
        words = [name, made.recipe, *made.options, *further]
        line |= _measured(name, words, made.folder, each=made.tasks, unit="task")
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    line["built"] = f"{len(manifest['tasks']):,}"
    shutil.rmtree(made.folder)
    return line


def _measured(name: str, words: list[Any], folder: Path, *, each: int, unit: str) -> dict[str, str]:
    # Tasks whose upstream gives no samples that fit are left out, which is status 3.
    took = measure_program(
        [sys.executable, "-m", "mixture_builder", *map(str, words)],
        env=environment(),
        log=folder / f"{name}.log",
        accepted=(0, 3),
        samples=OFTEN,
    )
    return {
        f"{name} s": f"{took.cpu_seconds:.1f}",
        f"ms a {unit} ({name})": f"{took.cpu_seconds / each * 1e3:.2f}",
        f"{name} MB": f"{took.peak_bytes / 1e6:.0f}",
    }


def show(sizes: list[int], run: Callable[[int], Mapping[str, str]]) -> None:
    """Runs each size and prints a line for each, then all as a table."""
    rows = []
    for size in sizes:
        rows.append(run(size))
        print(json.dumps(rows[-1]), flush=True)
    if rows:
        header = list(rows[0])
        print(table(header, [list(row.values()) for row in rows], right=header), flush=True)


def main() -> int:
    """Prints a table for each kind of size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--examples", type=int, nargs="+", default=[])
    parser.add_argument("--tasks", type=int, nargs="+", default=[])
    parser.add_argument("--shards", type=int, nargs="+", default=[])
    parser.add_argument("--folder", type=Path, default=Path("build/scale"))
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    if not arguments.tasks and not arguments.shards and not arguments.examples:
        arguments.examples = [100_000, 1_000_000]
    shutil.rmtree(folder, ignore_errors=True)
    if arguments.examples or arguments.shards:
        made = prepare(folder / "one-task")
        measure(made, 1_000)  # brings the rows into the store
        show(arguments.examples, lambda n: dict(zip(HEADER, measure(made, n), strict=True)))
        show(arguments.shards, lambda n: measure_shards(made, n))
    show(arguments.tasks, lambda n: measure_tasks(folder, n))
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parents[1]))
    sys.exit(main())
