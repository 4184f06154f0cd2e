"""What benchmarks measure of a program: all that it starts, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.measure import measure

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux only")

LEAVES_A_CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid)
"""


def test_what_a_program_leaves_behind_is_ended_and_nothing_else(tmp_path: Path) -> None:
    """Other children of this process go on: one may serve tests that follow."""
    mine = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    log = tmp_path / "log"
    try:
        measure([sys.executable, "-c", LEAVES_A_CHILD], env=dict(os.environ), log=log)

        assert mine.poll() is None
        left = int(log.read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(left, 0)
    finally:
        mine.communicate(b"\n", timeout=60)
    assert mine.returncode == 0
