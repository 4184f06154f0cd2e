"""`quickstart`: ingests and builds the quickstart recipe, and shows some records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mixture_builder.cli.options import (
    format_option,
    json_option,
    seed_option,
    shards_option,
    store_option,
    workers_option,
)
from mixture_builder.cli.output import indented, show_json

SHOWN_RECORDS = 3
SHOWN_LENGTH = 700


@click.command(short_help="Build a small mixture from records that come with the package.")
@click.option(
    "--out",
    default="quickstart-mixture",
    show_default=True,
    metavar="DIR",
    help="Folder of the mixture.",
)
@store_option
@workers_option
@format_option
@shards_option
@seed_option
@json_option
def quickstart(
    *,
    out: str,
    store: Path,
    workers: int | None,
    format: str | None,  # noqa: A002
    shards: int | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Ingest and build the shipped recipe `quickstart`, and show some of its records.

    Its twelve tasks come with the package, so nothing is downloaded.
    """
    from mixture_builder.cli import building, steps
    from mixture_builder.cli.build_summary import summary_text
    from mixture_builder.cli.runners import make_runner
    from mixture_builder.jobs.inspect.records import load_manifest, some_records
    from mixture_builder.shipped import default_store

    log = steps.start_log(as_json=False)
    runner = make_runner(name=None, workers=workers, beam_options=(), log=log)
    mixture = steps.load("quickstart", seed=seed)
    ingested = steps.ingest(mixture, store=store, runner=runner, log=log, strict=True)
    summary = building.build(
        ingested, store=store, out=out, runner=runner, log=log, shards=shards, format=format
    )
    records = some_records(out, load_manifest(out), count=SHOWN_RECORDS, longest=SHOWN_LENGTH)
    if as_json:
        show_json({**summary, "records": [record for _, record in records]})
        return
    for row, record in records:
        click.echo(_record_text(row, record) + "\n")
    click.echo(summary_text(summary))
    elsewhere = "" if store == default_store() else f" --store {store}"
    click.echo(
        f"\nNext:\n"
        f"  mixture-builder explain {out} --row 0:{records[0][0]}{elsewhere}\n"
        f"  mixture-builder verify {out}\n"
        f"  mixture-builder plan quickstart --tasks"
    )


def _record_text(row: int, record: dict[str, Any]) -> str:
    head = f"--- record 0:{row}  {record['task_id']}  {record['variant']}  {record['template_id']}"
    return f"{head}\ninputs\n{indented(record['inputs'])}\ntargets\n{indented(record['targets'])}"
