"""The programs that are measured, and a bench to run them on."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.measure import OFTEN, SELDOM, Measured, ProgramFailedError, measure
from benchmarks.workload import (
    ROOT,
    NotReadyError,
    Workload,
    keep_rendered,
    prepare,
    write_records,
)
from mixture_builder.io.tfrecord import read_tfrecord

WORKERS = 2
FEW_EXAMPLES = 10
"""So many are made to see how long a program takes to start."""

SHORTEST = 0.02
"""Seconds without start-up; of less no ratio is made."""

Command = Callable[[Workload, Path], list[str]]


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module."""
    return [sys.executable, "-m", module, *arguments]


def _ours(workers: int) -> Command:
    def command(workload: Workload, out: Path) -> list[str]:
        where = [
            "--store",
            str(workload.store),
            "--out",
            str(out),
            "--mirror",
            str(workload.mirror),
        ]
        if workload.cards:
            where += ["--cards", str(workload.cards)]
        return python(
            *("mixture_builder", "build", str(workload.recipe), "--offline", *where),
            *("--workers", str(workers)),
        )

    return command


def _baseline(module: str, *options: str) -> Command:
    def command(workload: Workload, out: Path) -> list[str]:
        return python(f"benchmarks.{module}", str(workload.folder), str(out), *options)

    return command


SEQIO_PYTHON = ROOT / "build" / "seqio" / "bin" / "python"
"""What `scripts/interop.sh seqio build/seqio` makes; no environment of ours has TensorFlow."""

SEQIO = "seqio_cache_tasks"


def seqio_python() -> str:
    """The interpreter that has seqio.

    Raises:
      NotReadyError: if there is none.
    """
    if not SEQIO_PYTHON.exists():
        raise NotReadyError(
            f"found no TensorFlow and no seqio: {SEQIO_PYTHON} is not there. "
            "`scripts/interop.sh seqio build/seqio` makes it."
        )
    return str(SEQIO_PYTHON)


def _seqio(workload: Workload, out: Path) -> list[str]:
    return [seqio_python(), "-m", "benchmarks.seqio_cache", str(workload.folder), str(out)]


AUDIT_FILE = "audit.json"


def _audit(workload: Workload, out: Path) -> list[str]:
    return python(
        *("mixture_builder", "audit", str(workload.built), "--store", str(workload.store)),
        *("--workers", str(WORKERS), "--json", str(out / AUDIT_FILE)),
    )


BASELINES = ("datasets.map", "datasets.map batched", "Beam in memory", "Beam 2 processes", SEQIO)
"""Programs that read a workload's records."""

PROGRAMS: Mapping[str, Command] = {
    "ours": _ours(WORKERS),
    "ours, 1 worker": _ours(1),
    "audit": _audit,
    "datasets.map": _baseline("hf_map"),
    "datasets.map batched": _baseline("hf_map", "--batched"),
    "Beam in memory": _baseline("naive_beam", "--mode", "in_memory"),
    "Beam 2 processes": _baseline("naive_beam", "--mode", "multi_processing"),
    SEQIO: _seqio,
    "floor": _baseline("write_floor", "--workers", str(WORKERS)),
}

_TEXTS = pa.schema([pa.field(name, pa.string(), nullable=False) for name in ("inputs", "targets")])


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratio:
    """How many times longer one program takes than another; medians of runs made in turn.

    Attributes:
      wall: of the whole processes.
      without_start_up: of what is left of it when start-up is taken off; `None` where too
        little is left.
      cpu: of processor time, which other work on the machine changes least.
    """

    wall: float
    without_start_up: float | None
    cpu: float


class Bench:
    """Runs programs on workloads and keeps what they took.

    Args:
      folder: for workloads, outputs and logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs: dict[tuple[str, str, int], list[Measured]] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self.sizes: dict[str, dict[int, float]] = {}
        self._workloads: dict[tuple[str, int], Workload] = {}

    def workload(self, name: str, examples: int) -> Workload:
        """A prepared workload, our own output included."""
        known = self._workloads.get((name, examples))
        if known is None:
            say(f"preparing {name}, {examples:,} examples")
            known = prepare(
                name,
                folder=self.folder / "workloads" / f"{name}-{examples}",
                store=self.folder / "store",
                examples=examples,
                # In this process: the next program that is measured must not meet our workers.
                workers=0,
            )
            self._workloads[name, examples] = known
        return known

    def run(self, program: str, workload: Workload) -> Measured:
        """Runs a program once and checks that it made what it should."""
        if program in BASELINES:
            write_records(workload)
        if program == "floor" and not (workload.folder / "rendered").exists():
            self._once("ours", workload, keep=keep_rendered)
        if program == "audit" and not workload.built.exists():
            self._once("ours", workload, keep=_keep_built)
        taken = self._once(program, workload)
        self._tell(program, workload, taken)
        self.runs.setdefault((program, workload.name, workload.examples), []).append(taken)
        return taken

    def peak(self, program: str, workload: Workload) -> int:
        """The peak memory of a run that is made for it; its times do not count."""
        taken = self._once(program, workload, samples=OFTEN)
        self._tell(program, workload, taken)
        return taken.peak_bytes

    @staticmethod
    def _tell(program: str, workload: Workload, taken: Measured) -> None:
        say(
            f"{workload.name} {workload.examples:,}: {program}: {taken.wall_seconds:.2f} s, "
            f"{taken.cpu_seconds:.2f} CPU s, {taken.peak_bytes / 1e6:,.0f} MB"
        )

    def _once(
        self,
        program: str,
        workload: Workload,
        *,
        keep: Callable[[Workload, Path], None] | None = None,
        samples: int = SELDOM,
    ) -> Measured:
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="out-") as folder:
            out = Path(folder)
            warm(workload.inputs())
            taken = measure(
                PROGRAMS[program](workload, out),
                env=environment(),
                log=self.folder / "last.log",
                samples=samples,
            )
            fact = _check_output(out, workload, program)
            self.facts.setdefault(f"{workload.name} {workload.examples}", {})[program] = fact
            if keep:
                keep(workload, out)
        # What was written must not be put on the disk during the next program's time.
        os.sync()
        return taken

    def rounds(
        self, programs: Sequence[str], workload: Workload, count: int
    ) -> dict[str, list[Measured]]:
        """Runs programs in turn."""
        taken: dict[str, list[Measured]] = {program: [] for program in programs}
        for _ in range(count):
            for program in programs:
                taken[program].append(self.run(program, workload))
        return taken

    def compare(self, slow: str, fast: str, name: str, *, examples: int, rounds: int) -> Ratio:
        """How many times longer one program takes than another, each after the other."""
        workload, few = self.workload(name, examples), self.workload(name, FEW_EXAMPLES)
        whole = self.rounds((slow, fast), workload, rounds)
        start = self.rounds((slow, fast), few, rounds)
        return ratio_of([whole[p] for p in (slow, fast)], [start[p] for p in (slow, fast)])


def ratio_of(whole: Sequence[Sequence[Measured]], start: Sequence[Sequence[Measured]]) -> Ratio:
    """The ratio of the slow runs to the fast ones.

    Args:
      whole: slow runs and fast runs.
      start: the same, of so few examples that they are start-up and no more.
    """
    above, below = (_wall(runs) - _wall(few) for runs, few in zip(whole, start, strict=True))
    cpu = [statistics.median(run.cpu_seconds for run in runs) for runs in whole]
    return Ratio(
        wall=_wall(whole[0]) / _wall(whole[1]),
        without_start_up=above / below if above > 0 and below > SHORTEST else None,
        cpu=cpu[0] / cpu[1],
    )


def _keep_built(workload: Workload, out: Path) -> None:
    shutil.copytree(out, workload.built)


def _wall(runs: Iterable[Measured]) -> float:
    return statistics.median(run.wall_seconds for run in runs)


def warm(files: Iterable[Path]) -> None:
    """Reads files, so that they are in the page cache."""
    for file in files:
        with file.open("rb") as stream:
            while stream.read(1 << 22):
                pass


def environment() -> dict[str, str]:
    """The environment of every program."""
    quiet = {"HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return {**os.environ, "PYTHONPATH": str(ROOT), **quiet}


def _check_output(out: Path, workload: Workload, program: str) -> dict[str, float]:
    if program == "audit":
        told = json.loads((out / AUDIT_FILE).read_text(encoding="utf-8"))
        rows = told["examples"]
        characters = sum(told["lengths"][of]["total"] for of in ("input_chars", "target_chars"))
        return _fact(rows, characters, workload, program)
    rows = characters = 0
    for file in [p for p in out.rglob("*") if p.is_file() and not p.name.startswith(".")]:
        if file.suffix == ".parquet":
            table = pq.read_table(file, columns=_TEXTS.names)
        elif ".tfrecord-" in file.name:
            table = pa.Table.from_batches(read_tfrecord(str(file), schema=_TEXTS), _TEXTS)
        else:
            continue
        rows += len(table)
        for column in table.columns:
            characters += pc.sum(pc.utf8_length(column)).as_py() or 0
    return _fact(rows, characters, workload, program)


def _fact(rows: int, characters: int, workload: Workload, program: str) -> dict[str, float]:
    # A build may drop draws that cannot be rendered, and says so; the others never do.
    if not workload.examples * 0.999 <= rows <= workload.examples:
        raise ProgramFailedError(f"{program}: {rows:,} of {workload.examples:,} examples")
    return {"examples": rows, "characters_an_example": round(characters / rows, 1)}


def say(text: str) -> None:
    """Tells how far the bench is."""
    print(text, file=sys.stderr, flush=True)
