"""A dress rehearsal: the recipe `flan2022` over all its 1,836 tasks, without a network.

    python -m benchmarks.rehearsal                       200,000 examples; takes minutes
    python -m benchmarks.rehearsal --examples 20000      smaller

Tasks whose upstream files are kept (see `tests.shared_mirror`) are built from them. For the others,
and for those of which a handful of rows is kept, records are grown from the card's samples or
from the kept rows, and written as upstream would have published them; a mirror says that they
stand for the addresses in the cards. So cards, readers, templates and recipe are the shipped ones.
Of the recipe two things are changed: its size, and the rates of tasks, which follow the rows that
upstream has instead of those at hand, and give every task some examples.

Writes `tasks.csv` and `report.json`. Exits with 1 if a task is left out or has no example.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks.grown_sources import grow_sources
from benchmarks.measure import OFTEN, Measured, ProgramFailedError, measure
from benchmarks.workload import ROOT, shared_data
from mixture_builder.card_files import load_cards
from mixture_builder.cards import TaskCard
from mixture_builder.io.mirror import Mirror
from mixture_builder.shipped import cards_folder, find_recipe
from tests.shared_mirror import write_mirror

TASKS = 1836
PARTS = ("muffin", "t0_sf", "cot", "niv2")

GROWN_ROWS = 48
"""Rows of a task whose rows are grown."""

FEWEST_ROWS = 8
"""Of a task with fewer kept rows, five exemplars could not be drawn: it gets grown ones as well."""

LEAST_EXAMPLES = 8
"""About so many examples even the smallest task gets, where the size allows it."""

LEFT_OUT = 3
"""Status of a command that has left tasks out."""


@dataclass(kw_only=True, slots=True)
class Rehearsal:
    """One rehearsal and its files.

    Attributes:
      folder: for all that it writes.
      examples: size of the mixture.
      workers: processes of ingest and build.
      grown: tasks for which records were grown; those that read the same files get them too.
    """

    folder: Path
    examples: int
    workers: int
    cards: Mapping[str, TaskCard]
    grown: Mapping[str, int] = field(default_factory=dict)

    @property
    def mirror(self) -> Path:
        """What stands for upstream."""
        return self.folder / "mirror.yaml"

    @property
    def recipe(self) -> Path:
        """The recipe that is built."""
        return self.folder / "flan2022.yaml"

    @property
    def out(self) -> Path:
        """The mixture."""
        return self.folder / "mixture"

    def command(self, name: str, *more: object) -> list[str]:
        """A command of the tool on recipe, mirror and store."""
        options = ["--store", self.folder / "store", "--mirror", self.mirror, "--offline"]
        options += ["--workers", self.workers, "--json", *more]
        return [sys.executable, "-m", "mixture_builder", name, str(self.recipe), *map(str, options)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the rehearsal and prints its report; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--examples", type=int, default=200_000, help="size of the mixture")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "rehearsal")
    given = parser.parse_args(arguments)
    shutil.rmtree(given.folder, ignore_errors=True)
    given.folder.mkdir(parents=True)
    rehearsal = Rehearsal(
        folder=given.folder.resolve(),
        examples=given.examples,
        workers=given.workers,
        cards=flan_cards(),
    )
    write_recipe(rehearsal)
    kept = ingest_kept(rehearsal)
    grow_missing(rehearsal, kept)
    try:
        took = measure(
            rehearsal.command("build", "--out", rehearsal.out),
            env=environment(),
            log=rehearsal.folder / "build.log",
            accepted=(0, LEFT_OUT),
            samples=OFTEN,
        )
    except ProgramFailedError as problem:
        print(problem)
        return 1
    return report(rehearsal, kept, took)


def environment() -> dict[str, str]:
    """Lets commands find the package in this tree."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def flan_cards() -> dict[str, TaskCard]:
    """The shipped cards of all parts."""
    cards, findings = load_cards(cards_folder(), wanted=lambda path: path.split("/")[0] in PARTS)
    assert not findings, findings
    return cards


def write_recipe(rehearsal: Rehearsal) -> None:
    """The recipe `flan2022` with another size, and rates for the rows that upstream has."""
    recipe = yaml.safe_load(find_recipe("flan2022").read_text(encoding="utf-8"))
    recipe["size"] = {"examples": rehearsal.examples}
    del recipe["output"]
    whole = sum(part["rate"] for part in recipe["submixtures"].values())
    for name, part in recipe["submixtures"].items():
        mine = {t: c for t, c in rehearsal.cards.items() if c.submixture == name}
        stated = {t: min(part["cap"], c.known_rows or part["cap"]) for t, c in mine.items()}
        quota = rehearsal.examples * part["rate"] / whole
        extra = round(sum(stated.values()) * LEAST_EXAMPLES / quota)
        part["task_rates"] = {task: rows + extra for task, rows in stated.items()}
        # Rates that are given follow from no rows.
        del part["cap"]
    rehearsal.recipe.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")


def ingest_kept(rehearsal: Rehearsal) -> dict[str, Any]:
    """Ingests what is kept of upstream; what the command says of each task that it could read."""
    shared = shared_data()
    if shared is None:
        rehearsal.mirror.write_text("sources: {}\n", encoding="utf-8")
        return {}
    write_mirror(shared, rehearsal.mirror)
    done = subprocess.run(
        rehearsal.command("ingest"),
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode not in {0, LEFT_OUT}:
        raise SystemExit(done.stderr)
    tasks: dict[str, Any] = json.loads(done.stdout)["tasks"]
    return tasks


def grow_missing(rehearsal: Rehearsal, kept: Mapping[str, Any]) -> None:
    """Grows rows for tasks that have none or few, and adds them to the mirror."""
    entries = yaml.load(rehearsal.mirror.read_text(encoding="utf-8"), yaml.CSafeLoader)["sources"]
    made, rehearsal.grown = grow_sources(
        {
            task: card
            for task, card in rehearsal.cards.items()
            if task not in kept or kept[task]["rows"] < FEWEST_ROWS
        },
        read_from={task: facts["source"] for task, facts in kept.items()},
        mirror=Mirror(sources=entries, offline=True),
        folder=rehearsal.folder / "grown",
        rows=GROWN_ROWS,
    )
    rehearsal.mirror.write_text(
        yaml.dump({"sources": {**entries, **made}}, Dumper=yaml.CSafeDumper, allow_unicode=True),
        encoding="utf-8",
    )


# --- The report --------------------------------------------------------------------------


def report(rehearsal: Rehearsal, kept: Mapping[str, Any], took: Measured) -> int:
    """Writes and prints what came of each task; 1 if one is missing, else 0."""
    manifest = json.loads((rehearsal.out / "manifest.json").read_text(encoding="utf-8"))
    lines = [task_line(rehearsal, kept, manifest, task) for task in sorted(rehearsal.cards)]
    with (rehearsal.folder / "tasks.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(lines[0]))
        table.writeheader()
        table.writerows({k: _cell(v) for k, v in line.items()} for line in lines)
    missing = {line["task"]: line["left_out"] for line in lines if not line["realised"]}
    summary = {
        "tasks": len(lines),
        "examples": manifest["realised"],
        "asked": manifest["asked"],
        "content_digest": manifest["content_digest"],
        "build_seconds": round(took.wall_seconds, 1),
        "processor_seconds": round(took.cpu_seconds, 1),
        "peak_megabytes": round(took.peak_bytes / 1e6),
        "parts": {part: _part([x for x in lines if x["part"] == part]) for part in PARTS},
        "missing": missing,
    }
    (rehearsal.folder / "report.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    print(text_of(summary, rehearsal.folder))
    return 1 if missing or len(lines) != TASKS else 0


def task_line(
    rehearsal: Rehearsal, kept: Mapping[str, Any], manifest: Mapping[str, Any], task: str
) -> dict[str, Any]:
    """What is reported of one task."""
    facts = manifest["tasks"].get(task, {})
    there, rows = kept.get(task, {}).get("rows", 0), facts.get("rows", 0)
    grown = task in rehearsal.grown
    return {
        "task": task,
        "part": rehearsal.cards[task].submixture,
        "rows": rows,
        "rows_are": "kept" if there == rows and not grown else "grown",
        "kept_rows": there,
        "asked": facts.get("quota", 0),
        "realised": facts.get("realised", 0),
        "redrawn": facts.get("redrawn", {}),
        "dropped": facts.get("dropped", {}),
        "unmet_variants": [
            name
            for name, variant in facts.get("variants", {}).items()
            if variant["quota"] and not variant["realised"]
        ],
        "left_out": manifest["left_out"].get(task, ""),
    }


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return " ".join(f"{reason}={count}" for reason, count in value.items())
    return " ".join(value) if isinstance(value, list) else value


def _part(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    redrawn: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for line in lines:
        redrawn.update(line["redrawn"])
        dropped.update(line["dropped"])
    return {
        "tasks": len(lines),
        "of_kept_rows": sum(x["rows_are"] == "kept" for x in lines),
        "of_grown_rows": sum(x["rows_are"] == "grown" for x in lines),
        "asked": sum(x["asked"] for x in lines),
        "realised": sum(x["realised"] for x in lines),
        "fewest_of_a_task": min((x["realised"] for x in lines), default=0),
        "unmet_variants": {x["task"]: x["unmet_variants"] for x in lines if x["unmet_variants"]},
        "redrawn": dict(redrawn),
        "dropped": dict(dropped),
    }


def text_of(summary: Mapping[str, Any], folder: Path) -> str:
    """The report for people."""
    lines = []
    for name, part in summary["parts"].items():
        lines.append(
            f"{name:7} {part['tasks']:5,} tasks ({part['of_kept_rows']:,} of kept rows, "
            f"{part['of_grown_rows']:,} of grown ones)  asked {part['asked']:,}  realised "
            f"{part['realised']:,}  fewest {part['fewest_of_a_task']:,}"
        )
        for what in ("redrawn", "dropped", "unmet_variants"):
            if part[what]:
                lines.append(f"        {what}: {part[what]}")
    lines += [f"missing: {task}  {why}" for task, why in summary["missing"].items()]
    lines.append(
        f"{summary['tasks'] - len(summary['missing']):,} of {TASKS:,} tasks, "
        f"{summary['examples']:,} examples in {summary['build_seconds']:,} s "
        f"({summary['processor_seconds']:,} s of processor time), at most "
        f"{summary['peak_megabytes']:,} MB; {folder}/tasks.csv"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
