"""`audit`: what is in a mixture, and what is wrong with it?"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli.options import (
    beam_argument,
    cards_option,
    mirror_option,
    offline_option,
    seed_option,
    store_option,
    templates_option,
    workers_option,
)
from mixture_builder.cli.output import many, show_json, table
from mixture_builder.cli.pooled import workers_for

if TYPE_CHECKING:
    from mixture_builder.audit.context import AuditContext

FEW_BYTES = 5_000_000
"""Mixtures up to this size are read in this process: starting workers would take longer."""

FEW_ROWS = 5_000
"""Likewise, of rows that are compared with one another."""

LEVELS = ("error", "warning", "note")

MOST_LINES = 12
"""Findings of one check that are listed; all stand in the document."""


@click.command(short_help="Find what is wrong with the examples of a mixture.")
@click.argument("mixture", metavar="DIR|RECIPE")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Write the document of the audit; - writes it to stdout instead of the summary.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a report to read: one HTML page that needs nothing but itself.",
)
@click.option(
    "--citations",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write what the tasks cite, as BibTeX.",
)
@click.option(
    "--attribution",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write every task with its licence, as Markdown.",
)
@click.option(
    "--fail-on",
    type=click.Choice(LEVELS),
    default="error",
    show_default=True,
    help="End with 1 if there are findings as bad as this.",
)
@click.option(
    "--tokenizer",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Count tokens too, with the tokenizer.json of a model.",
)
@click.option(
    "--duplicates",
    is_flag=True,
    help="Also look for rows that say the same, as `dedupe` does; needs the row store.",
)
@click.option(
    "--held-out",
    "held_out",
    multiple=True,
    metavar="NAME|FILE",
    help="Also look for items of a held-out set, as `contamination` does. May be given again.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME",
    help="Column of a held-out file that is looked for; the first is what is asked.",
)
@store_option
@mirror_option
@offline_option
@cards_option
@templates_option
@seed_option
@workers_option
@click.option(
    "--runner",
    metavar="NAME",
    help="Read shards on this Beam runner instead; its options follow after `--`.",
)
@beam_argument
@click.pass_context
def audit(
    ctx: click.Context,
    *,
    mixture: str,
    json_file: Path | None,
    html: Path | None,
    citations: Path | None,
    attribution: Path | None,
    fail_on: str,
    tokenizer: Path | None,
    duplicates: bool,
    held_out: tuple[str, ...],
    columns: tuple[str, ...],
    store: Path,
    mirror: Path | None,
    offline: bool,
    cards: Path | None,
    templates: Path | None,
    seed: int | None,
    workers: int | None,
    runner: str | None,
    beam_options: tuple[str, ...],
) -> None:
    """Look at every example of the built mixture in DIR, or of the one that RECIPE describes.

    The examples of a recipe are rendered for the audit and written nowhere; rows that the store
    lacks are ingested first.
    """
    if runner is None:
        _start_early(mixture, workers)
    from mixture_builder.audit.licences import attribution as attribution_text
    from mixture_builder.citations import bibliography
    from mixture_builder.export.targets import require

    if beam_options and runner is None:
        raise click.UsageError(
            f"found '{beam_options[0]}'; expected nothing more. Options of Beam need --runner "
            "NAME, and stand after `--`."
        )
    if held_out and runner is not None and not _works_here(runner):
        raise click.UsageError(
            f"found --held-out with --runner {runner}, whose workers may be other machines; "
            "expected FnApiRunner, or no runner. The index of held-out items lies on this machine."
        )
    if html:
        require({"matplotlib": "plots"}, wanted_by="audit --html")
    if tokenizer:
        require({"tokenizers": "tokenizers"}, wanted_by="audit --tokenizer")
    context = _context(
        mixture,
        tokenizer=str(tokenizer.absolute()) if tokenizer else "",
        store=store,
        mirror=mirror,
        offline=offline,
        cards=cards,
        templates=templates,
        seed=seed,
        workers=workers,
    )
    with TemporaryDirectory(prefix="mixture-builder-") as folder:
        if held_out:
            _save_held_out(
                held_out, columns, folder, cards=cards, store=store, mirror=mirror, offline=offline
            )
            context = replace(context, held_out=folder)
        plain = _document(
            context, store=store, runner=runner, workers=workers, options=beam_options
        )
    if duplicates:
        plain = _with_duplicates(plain, context, workers=workers)
    if html is not None:
        from mixture_builder.audit.report_page.page import report_page

        _write(html, report_page(plain, context))
    if citations is not None:
        _write(citations, bibliography(context.manifest))
    if attribution is not None:
        _write(attribution, attribution_text(plain))
    if json_file is not None and str(json_file) == "-":
        show_json(plain)
    else:
        if json_file is not None:
            _write(json_file, json.dumps(plain, ensure_ascii=False, indent=1) + "\n")
        click.echo(_text(plain))
    if any(plain["counts"][level] for level in LEVELS[: LEVELS.index(fail_on) + 1]):
        ctx.exit(1)


def _start_early(mixture: str, workers: int | None) -> None:
    """Lets workers import what they need while this process does, if there will be some."""
    from mixture_builder.drivers.pool import PRELOADED_FOR_AUDITS, start_early

    data = Path(mixture) / "data"
    if data.is_dir():
        size = sum(file.stat().st_size for file in data.iterdir())
        if workers_for(workers, size=size, few=FEW_BYTES):
            start_early(modules=PRELOADED_FOR_AUDITS)


def _context(
    mixture: str,
    *,
    tokenizer: str,
    store: Path,
    mirror: Path | None,
    offline: bool,
    cards: Path | None,
    templates: Path | None,
    seed: int | None,
    workers: int | None,
) -> AuditContext:
    from mixture_builder.audit.subject import built_mixture, planned_mixture
    from mixture_builder.io.mirror import has_scheme

    out = mixture.rstrip("/") or mixture
    if has_scheme(out) or Path(out).is_dir():
        return built_mixture(out, store=store, tokenizer=tokenizer)
    from mixture_builder.cli import steps
    from mixture_builder.cli.runners import make_runner
    from mixture_builder.jobs.locking import lock_mixture

    loaded = steps.load(mixture, seed=seed, cards=cards, templates=templates)
    ingested = steps.ingest(
        loaded,
        store=store,
        mirror=mirror,
        offline=offline,
        runner=make_runner(name=None, workers=workers, beam_options=()),
        log=steps.start_log(as_json=False),
        strict=False,
    )
    lock = lock_mixture(loaded, stored=ingested.stored, broken=ingested.left_out)
    return planned_mixture(lock, store=store, tokenizer=tokenizer)


def _save_held_out(
    names: Sequence[str],
    columns: Sequence[str],
    folder: str,
    *,
    cards: Path | None,
    store: Path,
    mirror: Path | None,
    offline: bool,
) -> None:
    """Writes the index of held-out sets into a folder, where workers find it."""
    from mixture_builder.audit.rows.held_out import build_index, save_index
    from mixture_builder.audit.rows.held_out_sources import bring_in, find_held_out
    from mixture_builder.io.mirror import Mirror
    from mixture_builder.shipped import cards_folder

    named = [find_held_out(n, cards=cards or cards_folder(), columns=columns) for n in names]
    copies = Mirror.load(mirror, offline=offline) if mirror else Mirror.empty(offline=offline)
    sets = [bring_in(one, store=store, mirror=copies) for one in named]
    save_index(build_index(i for one in sets for i in one.items(store=store)), Path(folder))


def _with_duplicates(
    plain: dict[str, Any], context: AuditContext, *, workers: int | None
) -> dict[str, Any]:
    from mixture_builder.audit.document import with_section
    from mixture_builder.audit.repeats import report, row_sources
    from mixture_builder.cli.progress import JobLog
    from mixture_builder.drivers.row_audits import find_duplicates

    sources = row_sources(context)
    total = sum(source.rows for source in sources)
    with JobLog(as_json=False).bar("duplicates", total=total, unit="rows") as bar:
        clusters = find_duplicates(
            sources,
            near=True,
            twins=False,
            workers=workers_for(workers, size=total, few=FEW_ROWS),
            on_task=lambda source: bar.advance(source.rows),
        )
    return with_section(plain, "duplicates", report(sources, clusters))


def _document(
    context: AuditContext,
    *,
    store: Path,
    runner: str | None,
    workers: int | None,
    options: tuple[str, ...],
) -> dict[str, Any]:
    if runner is not None:
        from mixture_builder.cli.runners import beam_runner
        from mixture_builder.io.mirror import has_scheme
        from mixture_builder.io.remote_store import shown

        where = beam_runner(runner, workers=workers, beam_options=options)
        return where.audit(context, work=context.out if has_scheme(context.out) else shown(store))
    from mixture_builder.audit.document import document
    from mixture_builder.cli.progress import JobLog
    from mixture_builder.drivers.auditing import run_audit
    from mixture_builder.io.no_pandas import keep_pandas_out

    keep_pandas_out()
    size = context.manifest.get("bytes", math.inf)
    workers = workers_for(workers, size=size, few=FEW_BYTES)
    total = context.locked.plan.examples
    with JobLog(as_json=False).bar("audit", total=total, unit="examples") as bar:
        # Rendering what records should be is one half of the way, looking at them the other.
        seen = run_audit(context, workers=workers, on_shard=bar.whole, on_rendered=bar.half)
    return document(seen, context)


def _works_here(runner: str) -> bool:
    from mixture_builder.transforms.runner import BLOCKING

    return runner.rsplit(".", 1)[-1].lower() in BLOCKING


def _write(path: Path, text: str) -> None:
    from mixture_builder.io.atomic import atomic_output

    with atomic_output(str(path)) as output:
        output.write(text.encode("utf-8", "replace"))


def _text(plain: dict[str, Any]) -> str:
    name = plain["mixture"]["name"]
    counts = ", ".join(many(plain["counts"][level], level) for level in LEVELS)
    verdict = f"{name}: {many(plain['examples'], 'example')} looked at; {counts}"
    blocks = [verdict]
    by_check: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for finding in plain["findings"]:
        by_check.setdefault((finding["severity"], finding["check"]), []).append(finding)
    for (severity, check), found in by_check.items():
        rows = [[f["task"] or "-", f["message"], _place(f)] for f in found[:MOST_LINES]]
        more = len(found) - len(rows)
        if more:
            rows.append([f"and {more:,} more", "", ""])
        blocks.append(f"{severity}  {check}\n{table(['task', 'finding', 'record'], rows)}")
    return "\n\n".join(blocks)


def _place(finding: dict[str, Any]) -> str:
    first = finding["evidence"][:1]
    return f"{first[0]['shard']}:{first[0]['row']}" if first else ""
