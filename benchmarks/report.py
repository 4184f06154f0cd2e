"""The tables that the benchmarks print."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from benchmarks.programs import Bench, Ratio
from mixture_builder.drivers.pool import available_cores

VERSIONS = ("apache-beam", "datasets", "jinja2", "numpy", "pyarrow")


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One line of the table.

    Attributes:
      measure: what is compared.
      target: what must be reached.
      value: what was.
      without_start_up: the same with start-up taken off, where that can be said.
      cpu: the same of processor time.
      reached: whether the target was; `None` where there is none.
    """

    measure: str
    target: str
    value: str
    without_start_up: str = ""
    cpu: str = ""
    reached: bool | None


def times(
    measured: str, ratio: Ratio, *, at_least: float | None = None, at_most: float | None = None
) -> Result:
    """A line for a ratio; the whole processes must reach the target, if there is one."""
    clean = ratio.without_start_up
    target, reached = "", None
    if at_least is not None:
        target, reached = f">= {at_least:g}x", ratio.wall >= at_least
    elif at_most is not None:
        target, reached = f"<= {at_most:g}x", ratio.wall <= at_most
    return Result(
        measure=measured,
        target=target,
        value=f"{ratio.wall:.2f}x",
        without_start_up=f"{clean:.2f}x" if clean else "n/a",
        cpu=f"{ratio.cpu:.2f}x",
        reached=reached,
    )


def seconds(measured: str, taken: Sequence[float], *, at_most: float) -> Result:
    """A line for a time, the median of several."""
    median = statistics.median(taken)
    return Result(
        measure=measured,
        target=f"<= {at_most:g} s",
        value=f"{median:.2f} s",
        reached=median <= at_most,
    )


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": _processor(),
        "cores": available_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_at_start": round(os.getloadavg()[0], 2),
        **{name: version(name) for name in VERSIONS},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "?"
    )


def as_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    cells = [list(heading), *map(list, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heading))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) + " |" for r in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def report(results: Sequence[Result], bench: Bench) -> str:
    """The tables that are printed and go into `docs/benchmarks.md`."""
    main_table = as_table(
        ("measure", "target", "measured", "", "without start-up", "CPU"),
        [
            (
                r.measure,
                r.target,
                r.value,
                {True: "pass", False: "MISS", None: ""}[r.reached],
                r.without_start_up,
                r.cpu,
            )
            for r in results
        ],
    )
    rows = []
    for (program, name, examples), runs in bench.runs.items():
        walls = [run.wall_seconds for run in runs]
        wall = statistics.median(walls)
        fact = bench.facts[f"{name} {examples}"][program]
        rows.append(
            (
                f"{name} {examples:,}",
                program,
                str(len(runs)),
                f"{wall:.2f} ({min(walls):.2f}-{max(walls):.2f})",
                f"{statistics.median(run.cpu_seconds for run in runs):.2f}",
                f"{examples / wall:,.0f}",
                f"{max(run.peak_bytes for run in runs) / 1e6:,.0f}",
                f"{fact['characters_an_example']:,.0f}",
            )
        )
    heading = ("workload", "program", "runs", "wall s (range)", "CPU s")
    details = as_table((*heading, "examples/s", "peak MB", "characters an example"), rows)
    return f"{main_table}\n\n{details}\n"
