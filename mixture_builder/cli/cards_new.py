"""`cards new`: a first card for a source, made by looking at it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mixture_builder.cli.options import json_option
from mixture_builder.cli.output import show_json

if TYPE_CHECKING:
    from mixture_builder.jobs.draft import Draft


@click.command("new", short_help="Write a first card for a source.")
@click.option(
    "--from",
    "source",
    required=True,
    metavar="FILE_OR_HUB_ID",
    help="A file, a URL, or <owner>/<name> of a dataset on the Hub.",
)
@click.option(
    "--id",
    "task",
    default="",
    metavar="ID",
    help="Id of the card.  [default: folder and name of --out, or of the source]",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the card is written.  [default: stdout]",
)
@click.option("--config", default="", metavar="NAME", help="Of a dataset on the Hub.")
@click.option(
    "--split", default="train", metavar="NAME", help="Of a dataset on the Hub.  [default: train]"
)
@click.option(
    "--revision", default="", metavar="NAME", help="Of a dataset on the Hub.  [default: main]"
)
@json_option
def new_card(
    *,
    source: str,
    task: str,
    out: Path | None,
    config: str,
    split: str,
    revision: str,
    as_json: bool,
) -> None:
    """Look at a source and write a first card: format, columns, fields, samples, size.

    Fields are guesses and marked as such. What only you know says FILL IN, and `cards check`
    reminds you of it. Reads JSON Lines, JSON, csv, tsv, Parquet and lines of text, compressed or
    not, told by their bytes. Two records of the source are shortened and copied into the card.
    """
    from mixture_builder.errors import UsageError
    from mixture_builder.io.atomic import atomic_output
    from mixture_builder.jobs.draft import draft_card

    if out is not None:
        if out.exists():
            raise UsageError(f"{out}: is there already. Remove it, or choose another name.")
        if out.suffix != ".yaml":
            raise UsageError(f"{out}: found another ending; expected .yaml, as cards have.")
    folder = out.parent if out is not None else Path.cwd()
    named = task or (f"{folder.resolve().name}/{out.stem}" if out is not None else "")
    made = draft_card(
        source, task=named, folder=folder, config=config, split=split, revision=revision
    )
    if out is not None:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_output(str(out)) as output:
            output.write(made.text.encode("utf-8"))
    if as_json:
        show_json({**asdict(made), "file": str(out) if out is not None else None})
        return
    if out is None:
        click.echo(made.text, nl=False)
    click.echo(_what_next(made, source=source, out=out), err=True)


def _what_next(made: Draft, *, source: str, out: Path | None) -> str:
    counts = f"{made.rows:,} of the {made.records:,} records looked at give a row"
    lines = [
        f"{out or made.id}: a first card; {counts}",
        f"  fill in: {', '.join(made.fill_in)}",
        f"  guesses: {', '.join(made.guesses)}",
    ]
    if made.copy_to:
        folder = out.parent if out is not None else Path()
        lines.append(f"  copy {source} to {folder / made.copy_to}: a card names files beside it")
    lines += [
        f"  write templates/{made.id}.yaml",
        f"  then: mixture-builder cards check {out or '<the card>'} --templates templates",
    ]
    return "\n".join(lines)
