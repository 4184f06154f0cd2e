"""One shard of a finished mixture as a table, sound or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from mixture_builder.errors import VerifyError
from mixture_builder.io.digest import ContentDigest
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA
from mixture_builder.jobs.inspect.records import read_batches


def read_shard(mixture: str, manifest: Mapping[str, Any], *, shard: int) -> pa.Table:
    """All examples of a shard, in order.

    Args:
      mixture: folder or URL of the mixture.
      manifest: plain data of its manifest.
      shard: from 0.

    Raises:
      VerifyError: if the shard is missing, or its records are not those of the manifest.
    """
    entry = manifest["shards"][shard]
    url = f"{mixture}/{entry['file']}"
    digest = ContentDigest()
    batches = []
    try:
        for batch in read_batches(url, format=manifest["format"]):
            digest.update(batch)
            batches.append(batch)
    except FileNotFoundError:
        raise VerifyError(
            f"{url}: found no such file, which the manifest names. Build the mixture again; only "
            "what is missing is built."
        ) from None
    if (digest.rows, digest.hexdigest()) != (entry["rows"], entry["content_digest"]):
        raise VerifyError(
            f"{url}: its records are not those that the manifest lists. `verify` says more; build "
            "the mixture again, and only this shard is built."
        )
    return pa.Table.from_batches(batches, schema=EXAMPLE_SCHEMA)
