"""An export on this machine: shards on a pool of workers, then the last step here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mixture_builder.drivers.pool import Job, WorkerPool
from mixture_builder.export.finish import finish_export, remove_work
from mixture_builder.export.finished import finished_export, finished_shards
from mixture_builder.export.plan import ExportPlan
from mixture_builder.export.shard import ShardExport, export_shard
from mixture_builder.io.folder_lock import exclusive


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
      BuildError: if the storage refuses, workers die, or another process exports there.
    """
    whole = finished_export(plan)
    if whole is not None:
        remove_work(plan)
        return whole
    with exclusive(
        f"{plan.out}/.work/lock",
        folder=plan.out,
        doing="exports",
        wait_for="choose another --out",
    ):
        return _write_export(plan, workers=workers, on_shard=on_shard)


def _write_export(
    plan: ExportPlan, *, workers: int, on_shard: Callable[[ShardExport, bool], None] | None
) -> dict[str, Any]:
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
