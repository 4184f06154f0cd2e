"""Writes down which cards have met rows of their upstream files: `docs/reference/coverage.json`.

    python scripts/card_coverage.py

Ingests the recipe `flan2022` offline from the kept upstream files, which are no part of the
repository; `docs/reference/coverage.md` is made from what this script writes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "reference" / "coverage.json"

LEFT_OUT = 3
"""Status of an ingest that has left tasks out."""


def main() -> int:
    """Ingests what is kept and writes the table; the exit code."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.workload import shared_data
    from tests.shared_mirror import write_mirror

    shared = shared_data()
    if shared is None:
        sys.stderr.write("no kept upstream files: set MIXTURE_BUILDER_SHARED to their folder.\n")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        mirror = Path(folder) / "mirror.yaml"
        write_mirror(shared, mirror)
        command = [sys.executable, "-m", "mixture_builder", "ingest", "flan2022", "--offline"]
        command += ["--mirror", str(mirror), "--store", f"{folder}/store", "--json"]
        done = subprocess.run(  # noqa: S603  (our own command)
            command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False
        )
    if done.returncode not in {0, LEFT_OUT}:
        sys.stderr.write(done.stderr)
        return 1
    TABLE.write_text(table_of(json.loads(done.stdout)), encoding="utf-8")
    return 0


def table_of(summary: dict[str, Any]) -> str:
    """The content of the table for what `ingest --json` says: a task a line."""
    lines = [
        f"{json.dumps(task)}: " + json.dumps({key: facts[key] for key in ("records", "rows")})
        for task, facts in sorted(summary["tasks"].items())
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    sys.exit(main())
