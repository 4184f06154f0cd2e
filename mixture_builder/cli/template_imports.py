"""`templates import`: templates of other collections become template files of ours."""

from __future__ import annotations

from pathlib import Path

import click

from mixture_builder.cli.options import json_option
from mixture_builder.cli.output import many, show_json, table

LEFT_OUT = 3
"""Exit code where some templates could not be imported."""


@click.group("import", short_help="Import templates of other collections.")
def import_() -> None:
    """Import templates of other collections, as template files of this one."""


@import_.command("promptsource", short_help="Import template files of promptsource.")
@click.argument("source", metavar="PATH_OR_URL")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="templates",
    show_default=True,
    metavar="DIR",
    help="Folder of templates; files go to promptsource/ in it.",
)
@click.option(
    "--cards",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Also write the beginning of a card for each file, to promptsource/ in this folder.",
)
@click.option("--dataset", metavar="NAME", help="Only this dataset, such as glue or glue/mnli.")
@click.option(
    "--licence",
    default="Apache-2.0",
    show_default=True,
    metavar="ID",
    help="Licence of the templates, as the files shall say it.",
)
@click.option(
    "--check",
    "records",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="RECORDS.jsonl",
    help="Compare the texts with promptsource's for these records of the dataset.",
)
@click.option("--force", is_flag=True, help="Replace files that are there and differ.")
@json_option
@click.pass_context
def promptsource(
    ctx: click.Context,
    *,
    source: str,
    out: Path,
    cards: Path | None,
    dataset: str | None,
    licence: str,
    records: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Import a templates.yaml of promptsource, or all those of a folder.

    Exit code 1 says that --check found differences, 3 that some templates were left out.
    """
    from mixture_builder.findings import Report
    from mixture_builder.jobs.import_templates import import_promptsource

    imported = import_promptsource(
        source,
        out=out,
        cards=cards,
        dataset=dataset or "",
        licence=licence,
        records=records,
        force=force,
    )
    findings = [finding for one in imported for finding in one.findings()]
    if as_json:
        show_json({"files": [one.to_json() for one in imported]})
    else:
        header = ["dataset", "templates", "left out", "name"]
        rows = [
            [
                one.result.upstream.name,
                f"{len(one.result.templates):,}",
                f"{len(one.result.left_out):,}",
                one.result.name,
            ]
            for one in imported
        ]
        click.echo(table(header, rows, right=header[1:3]))
        if findings:
            click.echo(Report(findings=tuple(findings)).format())
        compared = [one.parity for one in imported if one.parity is not None]
        if compared:
            equal, neither = sum(p.pairs for p in compared), sum(p.neither for p in compared)
            different = sum(len(p.differences) for p in compared)
            click.echo(
                f"compared: {equal:,} equal, {neither:,} without a pair on both sides, "
                f"{different:,} different"
            )
        written = sum(bool(one.file) for one in imported)
        click.echo(f"wrote {many(written, 'template file')} to {out / 'promptsource'}")
    if any(one.parity and one.parity.differences for one in imported):
        ctx.exit(1)
    if any(one.result.left_out for one in imported):
        ctx.exit(LEFT_OUT)
