"""Runs the real libraries in the environment that `make test-readers` makes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.export.conftest import export, tiny, tokenizer

__all__ = ["export", "tiny", "tokenizer"]

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "scripts"

Read = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def read() -> Read:
    """Runs a script of a data library and gives the rows it prints, one JSON object a line."""
    return _runner("MIXTURE_BUILDER_READERS", environment="readers")


@pytest.fixture(scope="session")
def train() -> Read:
    """The same for scripts of trainers, whose packages do not stand beside the others."""
    return _runner("MIXTURE_BUILDER_TRAINERS", environment="trainers")


@pytest.fixture(scope="session")
def load() -> Read:
    """The same for scripts that read a `Mixture`, which need this package."""
    return _runner("MIXTURE_BUILDER_LOADERS", environment="loaders")


def _runner(variable: str, *, environment: str) -> Read:
    named = os.environ.get(variable)
    python = Path(named) if named else ROOT / "build" / environment / "bin" / "python"
    if not python.is_file():
        pytest.skip(
            f"{python} is not there; `make test-readers` makes it, or set {variable} to a Python "
            f"that has the packages of scripts/{environment}.txt"
        )

    def run(script: str, *arguments: object, given: str = "") -> list[dict[str, Any]]:
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore", "PYTHONPATH": ""}
        done = subprocess.run(
            [python, SCRIPTS / script, *map(str, arguments)],
            env={**os.environ, **quiet},
            input=given,
            capture_output=True,
            encoding="utf-8",
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4_000:]
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines]

    return run
