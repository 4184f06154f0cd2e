"""Runs the real libraries in the environments that `make interop` makes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.export.conftest import export, tiny, tokenizer

__all__ = ["export", "tiny", "tokenizer"]

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "scripts"

Read = Callable[..., list[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """A Python that has the packages of one list in scripts/interop/."""

    python: Path

    def run(
        self, script: object, *arguments: object, given: str = "", folder: Path | None = None
    ) -> list[dict[str, Any]]:
        """The rows that a script prints, one JSON object a line.

        Args:
          script: in tests/readers/scripts.
          arguments: of it.
          given: its standard input.
          folder: in which it runs.
        """
        quiet = {
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONWARNINGS": "ignore",
            "PYTHONPATH": "",
            "HF_HUB_OFFLINE": "1",
        }
        done = subprocess.run(
            [self.python, SCRIPTS / str(script), *map(str, arguments)],
            env={**os.environ, **quiet},
            input=given,
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4_000:]
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines]


Environments = Callable[[str], Environment]


@pytest.fixture(scope="session")
def environments() -> Environments:
    """Gives an environment by its name; where it is not made, the test is skipped."""
    return _environment


@pytest.fixture(scope="session")
def read() -> Read:
    """Runs a script of a data library."""
    return _environment("readers").run


@pytest.fixture(scope="session")
def train() -> Read:
    """The same for scripts of trainers, whose packages do not stand beside the others."""
    return _environment("trainers").run


@pytest.fixture(scope="session")
def load() -> Read:
    """The same for scripts that read a `Mixture`, which need this package."""
    return _environment("loaders").run


def _environment(name: str) -> Environment:
    variable = f"MIXTURE_BUILDER_{name.upper().replace('-', '_')}"
    named = os.environ.get(variable)
    python = Path(named) if named else ROOT / "build" / name / "bin" / "python"
    if not python.is_file():
        pytest.skip(
            f"{python} is not there; `make interop` makes it, or set {variable} to a Python "
            f"that has the packages of scripts/interop/{name}.txt"
        )
    return Environment(python=python)
