"""What the fork server imports before it makes workers, so that each of them has it at once."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import pyarrow as pa

import mixture_builder.jobs.ingest.part
import mixture_builder.jobs.ingest.task  # noqa: F401
from mixture_builder.jobs import WARM_VARIABLE
from mixture_builder.jobs.warm import warm_up


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

# The command line names the recipe here, so that its templates are parsed while the main
# process does other things. What goes wrong goes wrong there as well, and is reported there.
wanted = os.environ.get(WARM_VARIABLE)
if wanted:
    paths = {key: Path(path) if path else None for key, path in json.loads(wanted).items()}
    with suppress(Exception):
        warm_up(**paths)  # type: ignore[arg-type]  # the recipe is always there
