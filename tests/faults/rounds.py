"""Many disturbed builds, one after another: what `make faults` runs.

    python -m tests.faults.rounds --rounds 50 --seed 0

Each round takes a fresh folder, disturbs a build of the quickstart tasks one to three times,
lets the same command finish it, and compares every byte of store, mixture and export with those
of a build that nobody disturbed. Rounds are numbered by seed, so one can be run again alone.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.harness import (
    Disturbance,
    Job,
    Trial,
    Undisturbed,
    random_error,
    random_kill,
    undisturbed,
    write_recipe,
)

NOT_HIT = "ended before it"

KINDS = ("kill", "error", "memory", "file_size")


def jobs(recipe: Path) -> list[Job]:
    """Shards built in rounds, one by one, and with an export beside them."""
    return [
        Job(recipe=recipe, shards=24),
        Job(recipe=recipe, shards=1),
        Job(recipe=recipe, shards=6, target="trl"),
    ]


def disturbances(kind: str, random_: random.Random, expected: Undisturbed) -> list[Disturbance]:
    """What goes wrong in one round."""
    if kind == "kill":
        return [random_kill(random_, expected) for _ in range(random_.choice([1, 1, 2, 3]))]
    if kind == "error":
        return [random_error(random_, expected)]
    if kind == "memory":
        return [Disturbance(action=kind, limit=random_.randint(340, 700) << 20)]
    return [Disturbance(action=kind, limit=random_.randint(1, 400) << 10)]


def main() -> int:
    """Runs the rounds; 1 if in any of them something was lost, doubled or left over."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=50, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the first round")
    parser.add_argument("--kind", choices=KINDS, default="kill")
    parser.add_argument("--keep", action="store_true", help="keep folders of rounds that failed")
    arguments = parser.parse_args()
    start = time.monotonic()
    failed = hits = unsaid = 0
    codes: Counter[object] = Counter()
    with tempfile.TemporaryDirectory(prefix="mixture-builder-rounds-") as temporary:
        base = Path(temporary)
        recipe = write_recipe(base)
        expected = [
            undisturbed(job, base / f"undisturbed-{n}") for n, job in enumerate(jobs(recipe))
        ]
        for seed in range(arguments.seed, arguments.seed + arguments.rounds):
            random_ = random.Random(f"{arguments.kind} {seed}")
            chosen = random_.choice(expected)
            folder = base / f"round-{seed}"
            folder.mkdir()
            trial = Trial(chosen, folder)
            what = disturbances(arguments.kind, random_, chosen)
            for disturbance in what:
                ended = trial.disturb(disturbance)
                codes[ended.code if ended.hit else NOT_HIT] += 1
            hits += trial.hits
            unsaid += trial.unsaid
            trial.finish()
            problems = trial.problems()
            failed += bool(problems)
            shards = chosen.job.shards
            sys.stdout.write(
                f"seed {seed}: {shards} shards; {', '.join(map(str, what))}: "
                f"{'; '.join(problems) if problems else 'the same bytes'}\n"
            )
            sys.stdout.flush()
            if problems and arguments.keep:
                kept = Path(tempfile.gettempdir()) / f"mixture-builder-failed-{seed}"
                shutil.copytree(folder, kept, dirs_exist_ok=True)
            shutil.rmtree(folder)
    by_code = ", ".join(f"{code}: {count}" for code, count in codes.most_common())
    sys.stdout.write(
        f"{arguments.rounds - failed} of {arguments.rounds} rounds ended with the same bytes; "
        f"{hits} disturbances, {unsaid} of them deaths of workers that nothing was said of; "
        f"{time.monotonic() - start:.0f} s; disturbed runs by exit code: {by_code}\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
