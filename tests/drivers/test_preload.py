"""What the fork server imports for workers."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import gc, importlib, sys

counts = []
gc.callbacks.append(lambda phase, told: counts.append(told["generation"]))
importlib.import_module(sys.argv[1])
print(gc.isenabled(), 2 in counts, gc.get_freeze_count() > len(gc.get_objects()))
"""


@pytest.mark.parametrize(
    "module", ["mixture_builder.jobs.preload", "mixture_builder.audit.preload"]
)
def test_what_is_imported_for_workers_is_never_looked_through_for_garbage(module: str) -> None:
    """No full collection while it is imported; none goes through it later; those of new things do.

    A full one takes as long as rendering ten thousand examples.
    """
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, module], check=True, capture_output=True, text=True
    ).stdout.split()

    assert told == ["True", "False", "True"]
