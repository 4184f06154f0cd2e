"""An audit on this machine: shards on a pool of workers, their states put together here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.given import given_files, render_digests
from mixture_builder.audit.shard import ShardAudit, audit_shard
from mixture_builder.drivers.pool import PRELOADED_FOR_AUDITS, Job, WorkerPool, start_early
from mixture_builder.jobs.rounds import Chunk
from mixture_builder.jobs.warm import know_templates, texts_of
from mixture_builder.lock import Lock


def run_audit(
    context: AuditContext,
    *,
    workers: int,
    on_shard: Callable[[int], None] | None = None,
    on_rendered: Callable[[int], None] | None = None,
) -> ShardAudit:
    """Looks at all shards; gives what was seen in all of them.

    Args:
      context: of the audit.
      workers: how many processes; 0 for this one.
      on_shard: told of each shard how many records it has.
      on_rendered: told how many draws were rendered beforehand, to hold records against them.

    Raises:
      VerifyError: if a shard is missing or damaged.
      StoreError: if the store does not hold the rows of a mixture that is not built.
      BuildError: if workers die.
    """
    if workers:
        # Once for all workers, not once in each.
        start_early(modules=PRELOADED_FOR_AUDITS)
    jobs = [
        Job(label=f"shard {shard}", function=_audit, argument=shard)
        for shard in range(context.shards)
    ]
    total = ShardAudit()
    with TemporaryDirectory(prefix="mixture-builder-") as folder:
        given = []
        if context.built and context.store:
            context = replace(context, given=folder)
            given = [
                Job(label=f"rows {number}", function=_render, argument=chunk)
                for number, chunk in enumerate(given_files(context, Path(folder)))
            ]
        with WorkerPool(
            min(workers, max(len(given), len(jobs))),
            initializer=_set_context,
            initargs=(context,),
        ) as pool:
            for _, rendered in pool.run(given):
                if on_rendered:
                    on_rendered(rendered)
            for _, seen in pool.run(jobs):
                total = total.merged(seen)
                if on_shard:
                    on_shard(seen.examples)
        # Where this process has looked itself, the files of the folder are open still.
        context.held.clear()
    return total


_context: AuditContext | None = None
"""What this worker process audits: parsed once, not once a shard."""


def _set_context(context: AuditContext) -> None:
    global _context  # noqa: PLW0603  (a worker process has no other place for what it is given)
    _context = context
    if context.given:
        _know_templates(context.locked)


def _know_templates(lock: Lock) -> None:
    """Spares parsing the templates, where the mixture was built on this machine."""
    few_shot = any(cell.few_shot for task in lock.plan.tasks for cell in task.cells)
    templates = (template for of_set in lock.templates.values() for template in of_set)
    know_templates(texts_of(templates, few_shot=few_shot))


def _render(chunk: Chunk) -> int:
    assert _context is not None
    return render_digests(_context, chunk)


def _audit(shard: int) -> ShardAudit:
    assert _context is not None
    return audit_shard(_context, shard)
