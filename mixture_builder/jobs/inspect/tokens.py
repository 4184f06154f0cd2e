"""How many tokens the tasks of a built mixture have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from mixture_builder.errors import VerifyError
from mixture_builder.io.tokenizer import load_tokenizer
from mixture_builder.jobs.inspect.records import read_batches


def count_tokens(
    out: str, manifest: Mapping[str, Any], *, tokenizer: str
) -> dict[str, dict[str, int]]:
    """Tokens of `inputs` and of `targets`, by task; every record is read.

    Args:
      out: folder or URL of the mixture.
      manifest: plain data of its manifest.
      tokenizer: path or URL of a `tokenizer.json`.

    Raises:
      UsageError: if it is no tokenizer.
      VerifyError: if a shard is missing or damaged.
    """
    reader = load_tokenizer(tokenizer)
    result: dict[str, dict[str, int]] = {}
    for entry in manifest["shards"]:
        url = f"{out}/{entry['file']}"
        try:
            for batch in read_batches(url, format=manifest["format"]):
                tasks = np.asarray(batch.column("task_id").to_pylist(), dtype=object)
                for name in ("inputs", "targets"):
                    lengths = reader.encode(pa.chunked_array([batch.column(name)])).lengths
                    for task in np.unique(tasks).tolist():
                        counts = result.setdefault(task, {"inputs": 0, "targets": 0})
                        counts[name] += int(lengths[tasks == task].sum())
        except FileNotFoundError:
            raise VerifyError(
                f"{url}: found no such file, which the manifest names. Build the mixture again."
            ) from None
    return dict(sorted(result.items()))
