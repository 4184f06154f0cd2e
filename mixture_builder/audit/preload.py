"""What the fork server imports before it makes workers of an audit: nothing that only ingests."""

from __future__ import annotations

import mixture_builder.audit.given
import mixture_builder.audit.shard  # noqa: F401
from mixture_builder.io.freed_memory import keep_freed_memory
from mixture_builder.io.no_pandas import keep_pandas_out

keep_pandas_out()
keep_freed_memory()
