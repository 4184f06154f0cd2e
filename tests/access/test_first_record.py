"""A first record must come soon: what it does not need is not imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from mixture_builder.drivers.local import LocalRunner
from mixture_builder.jobs.building import build_mixture
from tests.jobs.test_build import lock_of

HEAVY = (
    "pandas",
    "datasets",
    "apache_beam",
    "scipy",
    "mixture_builder.jobs.loading",
    "mixture_builder.jobs.storing",
    "mixture_builder.jobs.ingest",
    "mixture_builder.io.parquet",
)

PROGRAM = """
import json, sys
from mixture_builder import Mixture
mixture = Mixture.open(sys.argv[1], store=sys.argv[2])
records = [mixture[number] for number in range(60)]
heavy = json.loads(sys.argv[3])
print(json.dumps([len(records), [name for name in heavy if name in sys.modules]]))
"""


def test_records_of_a_built_folder_import_only_what_they_need(quickstart, tmp_path: Path):
    """Neither what loads recipes and ingests, nor readers of shards, nor pandas."""
    lock = lock_of(quickstart, shards=2, examples=200)
    out = tmp_path / "out"
    build_mixture(lock, store=quickstart.store, out=str(out), runner=LocalRunner(workers=0))
    arguments = [str(out), str(quickstart.store), json.dumps(HEAVY)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout) == [60, []]
