"""Runs what a page shows: its files are written, its commands run, in one folder of their own."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.blocks import ROOT, Block, blocks_of

HOME = "/home/you"
"""What stands in the pages for the home folder of whoever reads them."""

ANYTHING = "..."


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A command with what the page says it prints, and what it does print."""

    command: str
    expected: str
    found: str
    exit_code: int


def run_page(page: Path, *, home: Path) -> Iterator[tuple[Block, list[Shown]]]:
    """Goes through a page; yields each block of commands with what became of them."""
    folder, programs = home / "mixtures", home / ".bin"
    for new in (folder, programs):
        new.mkdir(parents=True)
    python = shlex.quote(sys.executable)
    _program(programs / "mixture-builder", f'exec {python} -m mixture_builder "$@"')
    _program(programs / "python", f'exec {python} "$@"')
    environment = {
        **{k: v for k, v in os.environ.items() if k in {"PATH", "LANG", "LC_ALL", "TMPDIR"}},
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "100",
    }
    for block in blocks_of(page):
        if block.title:
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "console" and "not run" not in block.notes:
            shown = []
            for command, expected in commands_of(block.text):
                done = subprocess.run(
                    ["bash", "-c", command],
                    cwd=folder,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    check=False,
                )
                found = done.stdout.replace(str(home), HOME)
                shown.append(
                    Shown(
                        command=command,
                        expected=expected,
                        found="".join(line.rstrip() + "\n" for line in found.splitlines()),
                        exit_code=done.returncode,
                    )
                )
            yield block, shown


def commands_of(text: str) -> list[tuple[str, str]]:
    r"""Commands (after `$ `, going on after a backslash) and what stands below each.

    >>> commands_of("$ a \\\n    b\nout\n$ c\n")
    [('a \\\n    b', 'out\n'), ('c', '')]
    """
    result: list[tuple[str, str]] = []
    going_on = False
    for line in text.splitlines():
        if line.startswith("$ "):
            result.append((line[2:], ""))
        elif going_on:
            result[-1] = (f"{result[-1][0]}\n{line}", "")
        else:
            result[-1] = (result[-1][0], f"{result[-1][1]}{line}\n")
        going_on = line.endswith("\\") and not result[-1][1]
    return result


def agrees(expected: str, found: str) -> bool:
    r"""Whether a page tells the truth; `...` stands for anything.

    >>> agrees("a\n...\nc 1\n", "a\nb\nb\nc 1\n"), agrees("digest ...\n", "digest ab\n")
    (True, True)
    >>> agrees("a\n", "b\n"), agrees("a\n", "a\nb\n")
    (False, False)
    """
    parts = [re.escape(part) for part in expected.rstrip("\n").split(ANYTHING)]
    return re.fullmatch(".*?".join(parts), found.rstrip("\n"), re.DOTALL) is not None


def _program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)
