"""What the fork server imports before it makes workers, so that each of them has it at once."""

from __future__ import annotations

import gc

# What is imported and parsed stays: to look through it for what is of no use any more is in vain,
# here again and again while there is more and more of it, and in each worker.
gc.disable()

import json
import os
from contextlib import suppress
from pathlib import Path

import mixture_builder.jobs.ingest.part
import mixture_builder.jobs.ingest.task  # noqa: F401
from mixture_builder.io.no_pandas import keep_pandas_out
from mixture_builder.jobs import WARM_VARIABLE
from mixture_builder.jobs.warm import warm_up

keep_pandas_out()

# The command line names the recipe here, so that its templates are parsed while the main
# process does other things. What goes wrong goes wrong there as well, and is reported there.
wanted = os.environ.get(WARM_VARIABLE)
if wanted:
    paths = {key: Path(path) if path else None for key, path in json.loads(wanted).items()}
    with suppress(Exception):
        warm_up(**paths)  # type: ignore[arg-type]  # the recipe is always there
# A collection in a worker would touch, and so copy, each page that all of them share.
gc.freeze()
gc.enable()
