"""Whether this machine has what a build needs, and what to do where it has not."""

from __future__ import annotations

import importlib.metadata
import json
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

DISTRIBUTION = "mixture-builder"
DEPENDENCIES = (
    "apache-beam click datasets defusedxml fsspec google-crc32c huggingface-hub ijson jinja2 "
    "jsonschema numpy pyarrow PyYAML tqdm xxhash"
).split()

OLDEST_PYTHON, FIRST_UNKNOWN_PYTHON = (3, 10), (3, 14)

LITTLE_MEMORY = 2_000_000_000
"""Bytes below which a build with several workers may be killed: its peak stays below 1.5 GB."""

LITTLE_DISK = 5_000_000_000
"""Bytes; a row store of the larger tasks takes more."""

IMPORT_SECONDS = 120

State = Literal["ok", "warning", "error"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Examined:
    """One thing that was looked at.

    Attributes:
      name: what it is.
      state: an error keeps something from working, a warning may slow it down or end it.
      found: what there is.
      remedy: the way out; empty where nothing is wrong.
    """

    name: str
    state: State
    found: str
    remedy: str = ""


def examine(*, store: Path, folder: Path) -> Iterator[Examined]:
    """Looks at everything; yields what it finds as it goes.

    Args:
      store: root of the row store, which need not be there yet.
      folder: where mixtures would be built.
    """
    yield _python()
    yield from _packages()
    yield _yaml()
    for module in ("pyarrow", "datasets", "apache_beam"):
        yield _import(module)
    yield _cores()
    yield _memory()
    yield _workers()
    yield _disk("disk of the store", store)
    yield _disk("disk of this folder", folder)
    yield _store(store)


def _python() -> Examined:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    low, high = OLDEST_PYTHON, FIRST_UNKNOWN_PYTHON
    if low <= sys.version_info[:2] < high:
        return Examined(name="Python", state="ok", found=found)
    return Examined(
        name="Python",
        state="error" if sys.version_info[:2] < low else "warning",
        found=found,
        remedy=f"Use Python {low[0]}.{low[1]} or later, before {high[0]}.{high[1]}.",
    )


def _packages() -> Iterator[Examined]:
    bounds = _bounds()
    for name in DEPENDENCIES:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Examined(
                name=name, state="error", found="not installed", remedy=f"pip install {name}"
            )
            continue
        wanted = bounds.get(name.lower())
        if wanted is not None and not wanted.contains(version, prereleases=True):
            yield Examined(
                name=name,
                state="error",
                found=version,
                remedy=f"pip install '{name}{wanted}'",
            )
        else:
            yield Examined(name=name, state="ok", found=version)


def _bounds() -> dict[str, Any]:
    """Which versions the installed distribution asks for; empty where that is not known."""
    try:
        from packaging.requirements import Requirement

        listed = importlib.metadata.requires(DISTRIBUTION) or []
    except (ImportError, importlib.metadata.PackageNotFoundError):
        return {}
    requirements = [Requirement(line) for line in listed if "extra ==" not in line]
    return {r.name.lower(): r.specifier for r in requirements}


def _yaml() -> Examined:
    try:
        import yaml
    except ImportError:
        return Examined(
            name="fast YAML", state="error", found="no YAML at all", remedy="pip install PyYAML"
        )
    if hasattr(yaml, "CSafeLoader"):
        return Examined(name="fast YAML", state="ok", found="libyaml is there")
    return Examined(
        name="fast YAML",
        state="warning",
        found="PyYAML without libyaml: cards are read ten times more slowly",
        remedy="pip install --force-reinstall PyYAML (its wheels hold libyaml)",
    )


def _import(module: str) -> Examined:
    """Imports in a process of its own: a broken library may end it."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    name = f"import {module}"
    try:
        done = subprocess.run(  # noqa: S603  (this interpreter, a constant program)
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=IMPORT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return Examined(
            name=name, state="error", found=str(problem), remedy=f"Install {module} again."
        )
    if done.returncode == 0:
        seconds = float(done.stdout.split()[-1])
        return Examined(name=name, state="ok", found=f"{seconds:.1f} s")
    said = done.stderr.strip().split("\n")[-1] or f"it ended with {done.returncode}"
    return Examined(
        name=name,
        state="error",
        found=said,
        remedy=f"pip install --force-reinstall {module.replace('_', '-')}",
    )


def _cores() -> Examined:
    total = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else total
    found = f"{usable}" + (f" of {total}" if usable != total else "")
    return Examined(name="cores", state="ok", found=found)


def _memory() -> Examined:
    available = _available_memory()
    if available is None:
        return Examined(name="memory", state="ok", found="not known on this system")
    found = f"{available / 1e9:.1f} GB available"
    if available >= LITTLE_MEMORY:
        return Examined(name="memory", state="ok", found=found)
    return Examined(
        name="memory",
        state="warning",
        found=found,
        remedy="Use --workers 1, or more and so smaller shards (--shards).",
    )


def _available_memory() -> int | None:
    """Bytes this process may still take: of the machine, and of its container if it is in one."""
    bounds = []
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                bounds.append(int(line.split()[1]) * 1024)
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii").strip()
        if limit != "max":
            bounds.append(int(limit) - int(used))
    except (OSError, ValueError):
        pass
    return min(bounds) if bounds else None


def _workers() -> Examined:
    method = "forkserver" if sys.platform == "linux" else "spawn"
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
            pool.submit(os.getpid).result(timeout=IMPORT_SECONDS)
    except Exception as problem:  # noqa: BLE001  (whatever keeps workers from starting)
        return Examined(
            name="worker processes",
            state="error",
            found=f"{method}: {type(problem).__name__}: {problem}",
            remedy="Use --workers 0, or allow this program to start processes and use /dev/shm.",
        )
    return Examined(name="worker processes", state="ok", found=f"{method} works")


def _disk(name: str, folder: Path) -> Examined:
    there = next(p for p in (folder, *folder.parents) if p.exists())
    try:
        free = shutil.disk_usage(there).free
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as problem:
        return Examined(
            name=name,
            state="error",
            found=f"{folder}: {problem.strerror or problem}",
            remedy="Choose a folder that can be written (--store, --out).",
        )
    found = f"{free / 1e9:.1f} GB free in {folder}"
    if free >= LITTLE_DISK:
        return Examined(name=name, state="ok", found=found)
    return Examined(
        name=name, state="warning", found=found, remedy="Make room, or choose another folder."
    )


def _store(store: Path) -> Examined:
    tasks = rows = size = 0
    damaged: list[Path] = []
    for meta in sorted(store.glob("*/*/*/meta.json")):
        try:
            rows += int(json.loads(meta.read_text(encoding="utf-8"))["rows"])
            size += (meta.parent / "rows.arrow").stat().st_size
            tasks += 1
        except (OSError, ValueError, KeyError, TypeError):
            damaged.append(meta.parent)
    found = f"{tasks:,} stored tasks with {rows:,} rows, {size / 1e6:,.1f} MB, in {store}"
    if not damaged:
        return Examined(name="row store", state="ok", found=found)
    return Examined(
        name="row store",
        state="warning",
        found=f"{found}; {len(damaged)} more are damaged, such as {damaged[0]}",
        remedy="Delete these folders and run ingest again.",
    )
