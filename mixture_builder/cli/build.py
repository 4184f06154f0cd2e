"""`build`: from a recipe to a finished mixture."""

from __future__ import annotations

from pathlib import Path

import click

from mixture_builder.cli.options import (
    beam_argument,
    format_option,
    recipe_argument,
    running,
    shards_option,
)
from mixture_builder.cli.output import show_json


@click.command(short_help="Build a mixture: shards, lock, manifest.")
@recipe_argument
@click.option("--out", required=True, metavar="DIR", help="Folder or URL of the mixture.")
@running
@format_option
@shards_option
@beam_argument
@click.pass_context
def build(
    ctx: click.Context,
    *,
    recipe: str,
    out: str,
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
    format: str | None,  # noqa: A002
    shards: int | None,
    beam_options: tuple[str, ...],
) -> None:
    """Build the mixture of a recipe; rows that the store lacks are ingested first.

    Shards that an interrupted build has finished are kept. The manifest is written last: where it
    stands, the mixture is complete.
    """
    from mixture_builder.cli import steps
    from mixture_builder.cli.runners import make_runner, warming

    log = steps.start_log(as_json=log_json)
    where = make_runner(
        name=runner,
        workers=workers,
        beam_options=beam_options,
        warm=warming(recipe, cards=cards, templates=templates),
    )
    mixture = steps.load(recipe, seed=seed, cards=cards, templates=templates)
    ingested = steps.ingest(
        mixture,
        store=store,
        mirror=mirror,
        offline=offline,
        runner=where,
        log=log,
        strict=strict,
    )
    summary = steps.build(
        ingested, store=store, out=out, runner=where, log=log, shards=shards, format=format
    )
    if as_json:
        show_json(summary)
    else:
        click.echo(steps.summary_text(summary))
    if ingested.left_out:
        ctx.exit(steps.LEFT_OUT)
