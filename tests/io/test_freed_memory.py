"""Memory that is freed and asked for again."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from mixture_builder.io.freed_memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
elif sys.argv[1] == "as in workers of an audit":
    import mixture_builder.audit.preload

def touch():
    # Two at a time, the first freed first: so the end of what is asked for is free now and then.
    one, other = np.ones(3 << 20), np.ones(3 << 20)
    del one
    return other

touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told so")
def test_pages_of_large_arrays_are_not_asked_for_again() -> None:
    """Arrays of some megabytes, made and freed again and again, fault in their pages once.

    So it is in workers of an audit.
    """
    faults = {
        way: int(
            subprocess.run(
                [sys.executable, "-c", PROGRAM, way], check=True, capture_output=True, text=True
            ).stdout
        )
        for way in ("kept", "as in workers of an audit", "handed back")
    }
    assert faults["kept"] < 2_000
    assert faults["as in workers of an audit"] < 2_000
    assert faults["handed back"] > 5 * faults["kept"]
