"""Whether cost per example and memory stay flat while a mixture grows.

    python -m benchmarks.scale --examples 100000 1000000 10000000 --folder build/scale

Generated rows of one task, zero-shot, shards of about 50,000 examples, one worker. Each size is
a process of its own; seconds are of the processor, so that a busy machine changes them little.
Outputs are deleted after each size.
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
from pathlib import Path

from mixture_builder.cli.output import table
from tests.cli.helpers import PLAIN, Workspace

ROWS = 200_000
SHARD_EXAMPLES = 50_000
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


def main() -> int:
    """Prints a line for each size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--examples", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--folder", type=Path, default=Path("build/scale"))
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    made = prepare(arguments.folder)
    measure(made, 1_000)  # brings the rows into the store
    rows = []
    for examples in arguments.examples:
        rows.append(measure(made, examples))
        print(json.dumps(dict(zip(HEADER, rows[-1], strict=True))), flush=True)
    print(table(HEADER, rows, right=HEADER))
    shutil.rmtree(arguments.folder)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parents[1]))
    sys.exit(main())
