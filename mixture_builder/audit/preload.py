"""What the fork server imports before it makes workers of an audit: nothing that only ingests."""

from __future__ import annotations

import gc

# What is imported stays: to look through it for what is of no use any more is in vain, here again
# and again while there is more and more of it, and in each worker.
gc.disable()

import mixture_builder.audit.given
import mixture_builder.audit.shard  # noqa: F401
from mixture_builder.io.freed_memory import keep_freed_memory
from mixture_builder.io.no_pandas import keep_pandas_out

keep_pandas_out()
keep_freed_memory()
gc.freeze()
gc.enable()
