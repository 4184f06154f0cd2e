"""`ingest`: brings the rows of a recipe's tasks into the store."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli.options import beam_argument, recipe_argument, running
from mixture_builder.cli.output import counted, many, show_json, table

if TYPE_CHECKING:
    from mixture_builder.cli.steps import Ingested


@click.command(short_help="Bring the rows of a recipe's tasks into the store.")
@recipe_argument
@running
@beam_argument
@click.pass_context
def ingest(
    ctx: click.Context,
    *,
    recipe: str,
    store: Path,
    mirror: Path | None,
    offline: bool,
    cards: Path | None,
    templates: Path | None,
    workers: int | None,
    runner: str | None,
    seed: int | None,
    strict: bool,
    as_json: bool,
    log_json: bool,
    beam_options: tuple[str, ...],
) -> None:
    """Read the sources of a recipe's tasks, clean their records and store them as rows.

    Tasks that are stored and whose files have not changed are skipped. A record that gives no
    row goes to quarantine with its place and reason; a task that cannot be read is left out and
    named on stderr.
    """
    from mixture_builder.cli import steps
    from mixture_builder.cli.runners import make_runner

    log = steps.start_log(as_json=log_json)
    where = make_runner(name=runner, workers=workers, beam_options=beam_options, log=log)
    mixture = steps.load(recipe, seed=seed, cards=cards, templates=templates)
    done = steps.ingest(
        mixture,
        store=store,
        mirror=mirror,
        offline=offline,
        runner=where,
        log=log,
        strict=strict,
    )
    summary = _summary(done, store)
    log.event("ingested", **{k: v for k, v in summary.items() if k not in {"tasks", "left_out"}})
    if as_json:
        show_json(summary)
    else:
        click.echo(_text(summary))
    if not done.stored:
        ctx.exit(1)
    if done.left_out:
        ctx.exit(steps.LEFT_OUT)


def _summary(done: Ingested, store: Path) -> dict[str, Any]:
    from mixture_builder.io.remote_store import shown

    tasks = {
        task: {
            "rows": stored.rows,
            "records": stored.records,
            "filtered": stored.filtered,
            "duplicates": stored.duplicates,
            "excluded": dict(stored.excluded),
            "quarantined": dict(stored.quarantined),
            "already_stored": task in done.there_before,
            "source": stored.alternative,
            "tried": list(stored.tried),
        }
        for task, stored in done.stored.items()
    }
    quarantined: Counter[str] = Counter()
    excluded: Counter[str] = Counter()
    for stored in done.stored.values():
        quarantined.update(stored.quarantined)
        excluded.update(stored.excluded)
    return {
        "name": done.mixture.recipe.name,
        "store": shown(store),
        "rows": sum(s.rows for s in done.stored.values()),
        "records": sum(s.records for s in done.stored.values()),
        "filtered": sum(s.filtered for s in done.stored.values()),
        "duplicates": sum(s.duplicates for s in done.stored.values()),
        "excluded": dict(sorted(excluded.items())),
        "quarantined": dict(quarantined),
        "already_stored": len(done.there_before),
        "tasks": tasks,
        "left_out": dict(done.left_out),
        "filtered_tasks": len(done.mixture.filtered),
    }


def _text(summary: dict[str, Any]) -> str:
    rows = [
        [
            task,
            f"{facts['rows']:,}",
            f"{facts['records']:,}",
            f"{facts['filtered']:,}",
            f"{facts['duplicates']:,}",
            counted(facts["quarantined"]),
        ]
        for task, facts in summary["tasks"].items()
    ]
    header = ["task", "rows", "records", "filtered", "duplicates", "quarantined"]
    shown = table(header, rows, right=header[1:5]) + "\n" if rows else ""
    there = summary["already_stored"]
    return (
        f"{shown}{summary['name']}: {many(summary['rows'], 'row')} of {many(len(rows), 'task')} in "
        f"{summary['store']}"
        + (f" ({there:,} were there already)" if there else "")
        + (f"; excluded: {counted(summary['excluded'])}" if summary["excluded"] else "")
        + (f"; {len(summary['left_out']):,} left out" if summary["left_out"] else "")
        + (f"; {summary['filtered_tasks']:,} filtered" if summary["filtered_tasks"] else "")
    )
