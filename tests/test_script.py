"""Scripts that use the package: what they need not do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.helpers import environment

SCRIPT = """
from pathlib import Path
from mixture_builder import (
    LocalRunner, Mirror, build_mixture, ingest_mixture, load_mixture, lock_mixture
)
from mixture_builder.shipped import find_recipe

print("the script runs")
mixture = load_mixture(find_recipe("quickstart"), shown_as="quickstart")
runner, store = LocalRunner(workers=2), Path("store")
stored, broken = ingest_mixture(mixture, store=store, mirror=Mirror.empty(), runner=runner)
lock = lock_mixture(mixture, stored=stored, broken=broken)
print(build_mixture(lock, store=store, out="out", runner=runner)["realised"])
"""


def test_a_script_needs_no_guard_for_its_workers(tmp_path: Path) -> None:
    """Workers do not import the script they work for, so it runs once."""
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["the script runs", "6000", ""]
