"""Keeps pandas out of processes that never see a frame."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from typing import Any

import pyarrow as pa


class _HidesPandas(MetaPathFinder):
    """Says that there is no pandas."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def keep_pandas_out() -> None:
    """Lets pyarrow look for pandas while it is hidden; who wants pandas afterwards gets it.

    At its first conversions from and to numpy pyarrow imports pandas if it is there, in case it
    is given a frame. That takes half a second of each process, longer than many a shard. For
    processes of the command line only: where this was called, pyarrow makes no frames.
    """
    if "pandas" in sys.modules:
        return
    hidden = _HidesPandas()
    sys.meta_path.insert(0, hidden)
    try:
        # It looks twice: once for values that come, once for values that go.
        pa.array([1], pa.int64()).to_numpy()
    finally:
        sys.meta_path.remove(hidden)
