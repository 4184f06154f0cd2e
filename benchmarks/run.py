"""Measures how fast builds are, side by side with other programs that make the same examples.

    python -m benchmarks.run                 everything but memory; takes half an hour or so
    python -m benchmarks.run --quick         20,000 examples, one round: to see that it works
    python -m benchmarks.run --memory        also measures the memory of large builds
    python -m benchmarks.run --only floor workers

Every program runs as a process of its own, inputs in the page cache, in turn with the others;
medians of the rounds count. The time in which a program makes a handful of examples is its
start-up; ratios are given with it and without it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.measure import Measured, ProgramFailedError, measure
from benchmarks.plot import size_plot
from benchmarks.programs import (
    FEW_EXAMPLES,
    SEQIO,
    Bench,
    environment,
    python,
    ratio_of,
    say,
    seqio_python,
)
from benchmarks.report import Result, machine, report, seconds, times
from benchmarks.workload import CUTS, ROOT, NotReadyError

EXAMPLES, QUICK_EXAMPLES = 200_000, 20_000
MANY_EXAMPLES = 1_000_000
"""Where our own runs are short, so that start-up does not stand for the whole."""

BEAM = 2
"""Times as many examples for Beam: it holds them in memory, 5 to 10 GB then."""

LONG = {"zero_shot": 4, "five_shot": 1}
"""Times as many examples for floor and workers: both builds take a quarter of a minute then."""

SIZES = (10_000, 100_000, 1_000_000)
ROUNDS = 3
GROUPS = tuple(
    "hf beam seqio floor workers tasks audit kinds sizes plan access help memory".split()
)

RANDOM_RECORDS = 5_000
"""Single records that are read at random, in each of the rounds.

Half of the tasks are met for the first time among them, so that what is compiled and opened for
a task counts."""


def compare_with_datasets(bench: Bench, examples: int, rounds: int) -> list[Result]:
    """Against `datasets.map`: a record at a time, as most would write it, and in batches."""
    results = []
    for name, target in (("zero_shot", 8), ("five_shot", 15)):
        for way, times_made in (("datasets.map", 1), ("datasets.map batched", rounds)):
            ratio = bench.compare(way, "ours", name, examples=examples, rounds=times_made)
            results.append(times(f"{name}: {way} + to_parquet / build", ratio, at_least=target))
    return results


def compare_with_beam(bench: Bench, many: int) -> list[Result]:
    """Against one Beam element for each record, in this process or in two."""
    results = []
    for way in ("Beam in memory", "Beam 2 processes"):
        ratio = bench.compare(way, "ours", "zero_shot", examples=BEAM * many, rounds=1)
        name = f"zero_shot: one-element-per-record {way} / build"
        results.append(times(name, ratio, at_least=25))
    return results


def compare_with_seqio(bench: Bench, examples: int) -> list[Result]:
    """Against seqio caching its tasks; there is no target."""
    ratio = bench.compare(SEQIO, "ours", "zero_shot", examples=examples, rounds=1)
    return [times(f"zero_shot: {SEQIO} / build", ratio)]


def compare_with_floor(bench: Bench, many: int, rounds: int) -> list[Result]:
    """Against pyarrow writing the finished table."""
    results = []
    for name, target in (("zero_shot", 1.6), ("five_shot", 2.5)):
        size = many * LONG[name]
        ratio = bench.compare("ours", "floor", name, examples=size, rounds=rounds)
        results.append(times(f"{name}: build / writing alone", ratio, at_most=target))
    return results


def compare_workers(bench: Bench, many: int, rounds: int) -> list[Result]:
    """Two workers against one."""
    results = []
    for name in ("zero_shot", "five_shot"):
        size = many * LONG[name]
        ratio = bench.compare("ours, 1 worker", "ours", name, examples=size, rounds=rounds)
        results.append(times(f"{name}: 1 worker / 2 workers", ratio, at_least=1.7))
    return results


def compare_tasks(bench: Bench, many: int, rounds: int) -> list[Result]:
    """The same rows as thousands of small tasks against ten large ones."""
    sizes = {size: [bench.workload(name, size) for name in CUTS] for size in (many, FEW_EXAMPLES)}
    taken: dict[int, list[list[Measured]]] = {size: [[], []] for size in sizes}
    for _ in range(rounds):
        for size, workloads in sizes.items():
            for place, workload in enumerate(workloads):
                taken[size][place].append(bench.run("ours", workload))
    small, large = sizes[many]
    measured = f"zero-shot: {small.tasks:,} small tasks / the same rows in {large.tasks}"
    return [times(measured, ratio_of(taken[many], taken[FEW_EXAMPLES]), at_most=1.5)]


def compare_audit(bench: Bench, many: int, rounds: int) -> list[Result]:
    """Looking at every example of a mixture against building it."""
    results = []
    for name in ("zero_shot", "five_shot"):
        ratio = bench.compare("audit", "ours", name, examples=many, rounds=rounds)
        results.append(times(f"{name}: audit / build", ratio, at_most=1))
    return results


def show_kinds(bench: Bench, examples: int) -> list[Result]:
    """Chain of thought, and prompts that all list options: figures without targets."""
    for name in ("chain_of_thought", "options"):
        for program in ("ours", "floor"):
            bench.run(program, bench.workload(name, examples))
    return []


def compare_sizes(bench: Bench, rounds: int) -> list[Result]:
    """Processor time an example, from ten thousand to a million; start-up taken off."""
    results = []
    for name in ("zero_shot", "five_shot"):
        start = [
            bench.run("ours", bench.workload(name, FEW_EXAMPLES)).cpu_seconds for _ in range(rounds)
        ]
        each = {}
        for size in SIZES:
            taken = [bench.run("ours", bench.workload(name, size)) for _ in range(rounds)]
            bench.sizes.setdefault(name, {})[size] = statistics.median(
                run.wall_seconds for run in taken
            )
            whole = statistics.median(run.cpu_seconds for run in taken)
            each[size] = (whole - statistics.median(start)) / size * 1e6
        # At ten thousand what is left beside start-up is mostly noise.
        ratio = each[SIZES[-1]] / each[SIZES[-2]]
        shown = ", ".join(f"{each[size]:.1f}" for size in SIZES)
        results.append(
            Result(
                measure=f"{name}: CPU us an example at 10k, 100k, 1M",
                target="flat: 1M <= 1.2x 100k",
                value=shown,
                cpu=f"{ratio:.2f}x",
                reached=ratio <= 1.2,
            )
        )
    return results


def compare_memory(bench: Bench) -> list[Result]:
    """A million examples against a hundred thousand."""
    results = []
    for name in ("zero_shot", "five_shot"):
        peaks = [bench.peak("ours", bench.workload(name, size)) for size in (100_000, 1_000_000)]
        growth = peaks[1] / peaks[0] - 1
        results.append(
            Result(
                measure=f"{name}: peak memory, 1M against 100k examples",
                target="within 20 %, below 1.5 GB",
                value=f"{growth:+.0%}, {peaks[1] / 1e9:.2f} GB",
                reached=abs(growth) <= 0.2 and peaks[1] < 1.5e9,
            )
        )
    return results


def time_plan(bench: Bench, rounds: int) -> list[Result]:
    """`plan` for all tasks there are."""
    shipped = ROOT / "pipelines" / "recipes" / "flan2022.yaml"
    recipe = shipped if shipped.exists() else _recipe_of_everything(bench.folder)
    store = str(bench.folder / "no-store")
    command = python("mixture_builder", "plan", str(recipe), "--store", store, "--json")
    log = bench.folder / "last.log"
    env = environment()
    taken = [measure(command, env=env, log=log).wall_seconds for _ in range(rounds + 2)]
    text = log.read_text(encoding="utf-8")
    tasks = len(json.loads(text[text.index("{\n") :])["tasks"])
    bench.facts["plan"] = {"recipe": recipe.name, "tasks": tasks, "wall_seconds": taken}
    return [seconds(f"plan {recipe.stem}, {tasks:,} tasks, process", taken, at_most=1.0)]


def time_access(bench: Bench, rounds: int) -> list[Result]:
    """`Mixture`: the first record in a fresh process, and records at random, of all tasks."""
    rehearsal = ROOT / "build" / "rehearsal"
    folder, store = rehearsal / "mixture", rehearsal / "store"
    if not (folder / "manifest.json").exists():
        raise NotReadyError(f"found no mixture in {folder}. Run `make rehearsal` first.")
    log = bench.folder / "last.log"

    def once(env: Mapping[str, str], *more: str) -> dict[str, Any]:
        command = python("benchmarks.single_records", str(folder), str(store), *more)
        measure(command, env=env, log=log)
        found: dict[str, Any] = json.loads(log.read_text(encoding="utf-8"))
        return found

    env = environment()
    once(env)
    known = [once(env) for _ in range(rounds)]
    unknown = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=bench.folder, prefix="out-") as cache:
            unknown.append(once({**env, "XDG_CACHE_HOME": cache}))
    many = [once(env, "--count", str(RANDOM_RECORDS), "--seed", str(n)) for n in range(rounds)]
    tasks = many[0]["tasks"]
    wall, cpu = (_percentiles(many, name) for name in ("random", "random_cpu"))
    bench.facts["access"] = {
        "tasks": tasks,
        "records": many[0]["records"],
        "first_known": [found["first"] for found in known],
        "first_unknown": [found["first"] for found in unknown],
        "random_milliseconds": wall,
        "random_cpu_milliseconds": cpu,
    }
    firsts = (
        (f"Mixture: first record of {tasks:,} tasks, process", known),
        ("Mixture: the same, its lock not read before", unknown),
    )
    results = [
        replace(
            seconds(name, [found["first"] for found in times_], at_most=1.0),
            cpu=f"{statistics.median(found['first_cpu'] for found in times_):.2f} s",
        )
        for name, times_ in firsts
    ]
    results.append(
        Result(
            measure="Mixture: a record at random, ms: median, 99 %, 99.9 %, slowest",
            target="99 %: <= 10",
            value=", ".join(f"{value:.1f}" for value in wall.values()),
            cpu=", ".join(f"{value:.1f}" for value in cpu.values()),
            reached=wall["99"] <= 10,
        )
    )
    return results


def _percentiles(runs: Sequence[Mapping[str, Any]], name: str) -> dict[str, float]:
    """Milliseconds below which so many per cent of the records of all runs took."""
    taken = sorted(second for found in runs for second in found[name])
    return {
        f"{share:g}": taken[min(len(taken) - 1, int(share / 100 * len(taken)))] * 1000
        for share in (50, 99, 99.9, 100)
    }


def _recipe_of_everything(folder: Path) -> Path:
    recipe = folder / "everything.yaml"
    parts = [p.name for p in sorted((ROOT / "task_cards").iterdir()) if p.name != "quickstart"]
    lines = "".join(f"  {p}: {{rate: 1, tasks: ['{p}/*']}}\n" for p in parts)
    recipe.write_text(
        f"name: everything\nsize: {{examples: 1000000}}\nsubmixtures:\n{lines}", encoding="utf-8"
    )
    return recipe


def time_help(bench: Bench, rounds: int) -> list[Result]:
    """`--help`, the measure of a quick command."""
    command = python("mixture_builder", "--help")
    log = bench.folder / "last.log"
    env = environment()
    taken = [measure(command, env=env, log=log).wall_seconds for _ in range(2 * rounds + 3)]
    bench.facts["help"] = {"wall_seconds": taken}
    return [seconds("--help", taken, at_most=0.3)]


def main() -> int:
    """Runs what was asked for, prints the tables, writes the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--examples", type=int, default=EXAMPLES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help="20,000 examples, one round")
    parser.add_argument("--memory", action="store_true", help="also the memory of large builds")
    parser.add_argument(
        "--only", nargs="+", choices=GROUPS, metavar="GROUP", help=", ".join(GROUPS)
    )
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "bench")
    arguments = parser.parse_args()
    examples = QUICK_EXAMPLES if arguments.quick else arguments.examples
    many = QUICK_EXAMPLES if arguments.quick else max(examples, MANY_EXAMPLES)
    rounds = 1 if arguments.quick else arguments.rounds
    long = {"memory": arguments.memory, "sizes": not arguments.quick}
    groups = arguments.only or [g for g in GROUPS if long.get(g, True)]
    if "seqio" in groups:
        try:
            seqio_python()
        except NotReadyError as missing:
            if arguments.only:
                parser.error(f"seqio: {missing}")
            say(f"seqio: left out: {missing}")
            groups.remove("seqio")
    folder: Path = arguments.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    # What an earlier run was stopped in.
    for left in folder.glob("out-*"):
        shutil.rmtree(left)
    bench = Bench(folder)
    where = machine()
    work: dict[str, Callable[[], list[Result]]] = {
        "hf": lambda: compare_with_datasets(bench, examples, rounds),
        "beam": lambda: compare_with_beam(bench, many),
        "seqio": lambda: compare_with_seqio(bench, examples),
        "floor": lambda: compare_with_floor(bench, many, rounds),
        "workers": lambda: compare_workers(bench, many, rounds),
        "tasks": lambda: compare_tasks(bench, many, rounds),
        "audit": lambda: compare_audit(bench, many, rounds),
        "kinds": lambda: show_kinds(bench, examples),
        "sizes": lambda: compare_sizes(bench, rounds),
        "plan": lambda: time_plan(bench, rounds),
        "access": lambda: time_access(bench, rounds),
        "help": lambda: time_help(bench, rounds),
        "memory": lambda: compare_memory(bench),
    }
    results: list[Result] = []
    failed = False
    for group in groups:
        try:
            results += work[group]()
        except (NotReadyError, ProgramFailedError) as problem:
            say(f"{group}: {problem}")
            failed = True
    print("\n".join(f"{name}: {value}" for name, value in where.items()) + "\n")
    print(report(results, bench))
    if bench.sizes:
        plot = folder / "time-against-size.svg"
        plot.write_text(size_plot(bench.sizes), encoding="utf-8")
        print(f"{plot}")
    figures = {
        "machine": where,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "examples": examples,
        "rounds": rounds,
        "results": [asdict(r) for r in results],
        "runs": [
            {"program": program, "workload": name, "examples": size, **asdict(run)}
            for (program, name, size), runs in bench.runs.items()
            for run in runs
        ],
        "facts": bench.facts,
    }
    target = folder / f"figures-{time.strftime('%Y%m%d-%H%M%S')}.json"
    target.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    print(f"{target}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
