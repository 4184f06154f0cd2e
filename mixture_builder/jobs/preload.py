"""What the fork server imports before it makes workers, so that each of them has it at once."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from typing import Any

import pyarrow as pa

import mixture_builder.jobs.build
import mixture_builder.jobs.ingest  # noqa: F401


class _HidesPandas(MetaPathFinder):
    """Says that there is no pandas."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


# At its first conversion pyarrow looks whether pandas is there, in case it is given a frame,
# and imports it. No frame ever comes here, and the import takes longer than a shard, so it
# looks while pandas is hidden; who wants pandas afterwards gets it.
if "pandas" not in sys.modules:
    hides_pandas = _HidesPandas()
    sys.meta_path.insert(0, hides_pandas)
    try:
        pa.array([""], pa.string())
    finally:
        sys.meta_path.remove(hides_pandas)
