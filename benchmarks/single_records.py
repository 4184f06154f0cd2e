"""How long single records of a mixture take, in a process of their own.

    python -m benchmarks.single_records DIR STORE               the first record, imports included
    python -m benchmarks.single_records DIR STORE --count 5000  records at random, after the first

Prints one JSON object; times are in seconds, of the clock and of the processor.
"""

from __future__ import annotations

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402  (what is imported from here on counts)
import gc  # noqa: E402
import json  # noqa: E402
import random  # noqa: E402

from mixture_builder.access.mixture import Mixture  # noqa: E402


def main() -> None:
    """Opens the mixture, reads records, prints what each step took."""
    imported = time.perf_counter()
    parser = argparse.ArgumentParser(description="Times single records of a mixture.")
    parser.add_argument("folder")
    parser.add_argument("store")
    parser.add_argument("--count", type=int, default=0, help="records at random after the first")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    mixture = Mixture.open(given.folder, store=given.store)
    opened = time.perf_counter()
    chosen = random.Random(given.seed)
    mixture[chosen.randrange(len(mixture))]
    first, first_cpu = time.perf_counter(), time.process_time()
    # As docs/howto/random-access.md advises.
    gc.freeze()
    taken, worked = [], []
    for _ in range(given.count):
        number = chosen.randrange(len(mixture))
        began, began_cpu = time.perf_counter(), time.process_time()
        mixture[number]
        taken.append(time.perf_counter() - began)
        worked.append(time.process_time() - began_cpu)
    found = {
        "records": len(mixture),
        "tasks": len(mixture.lock.plan.tasks),
        "import": imported - STARTED,
        "open": opened - imported,
        "record": first - opened,
        "first": first - STARTED,
        "first_cpu": first_cpu,
        "random": sorted(taken),
        "random_cpu": sorted(worked),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
