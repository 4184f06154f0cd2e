"""An export on this machine: shards on a pool of workers, then the last step here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mixture_builder.drivers.pool import Job, WorkerPool
from mixture_builder.export.finish import finish_export
from mixture_builder.export.run import (
    ExportPlan,
    ShardExport,
    export_shard,
    finished_export,
    finished_shards,
)


def run_export(
    plan: ExportPlan,
    *,
    workers: int,
    on_shard: Callable[[ShardExport, bool], None] | None = None,
) -> dict[str, Any]:
    """Writes what is missing of an export; gives the plain data of its manifest.

    Args:
      plan: of the export.
      workers: how many processes; 0 for this one.
      on_shard: told of each shard: its result, and whether it was there before.

    Raises:
      UsageError: if the folder holds something else.
      VerifyError: if the mixture is damaged.
      BuildError: if the storage refuses, or workers die.
    """
    whole = finished_export(plan)
    if whole is not None:
        return whole
    done = finished_shards(plan)
    for result in done.values():
        if on_shard:
            on_shard(result, True)  # noqa: FBT003  (a callback's second argument)
    jobs = [
        Job(label=f"shard {shard}", function=export_shard, argument=(plan, shard))
        for shard in range(plan.shards)
        if shard not in done
    ]
    with WorkerPool(min(workers, len(jobs))) as pool:
        for _, result in pool.run(jobs):
            done[result.shard] = result
            if on_shard:
                on_shard(result, False)  # noqa: FBT003  (as above)
    return finish_export(plan, list(done.values()))
