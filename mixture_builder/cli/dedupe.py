"""`dedupe`: which rows of a recipe's tasks say the same, and which of them stay?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli.options import (
    cards_option,
    json_option,
    recipe_argument,
    store_option,
    templates_option,
    workers_option,
)
from mixture_builder.cli.output import counted, many, show_json, table
from mixture_builder.cli.pooled import workers_for

if TYPE_CHECKING:
    from mixture_builder.audit.rows.duplicates import Cluster, RowSource
    from mixture_builder.cli.row_audits import RecipeRows

FEW_ROWS = 5_000
"""Up to so many rows are looked at in this process: starting workers would take longer."""

SHOWN = 20
"""Pairs of tasks that the report for people lists."""

STAYS = "other_target"
"""The kind of clusters of which all rows stay."""


@click.command(short_help="Find equal and nearly equal rows of a recipe's tasks.")
@recipe_argument
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the rows that go as a list that a recipe's filters.rows can name.",
)
@click.option(
    "--clusters",
    "clusters_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write all clusters for review, one a line.",
)
@click.option(
    "--near/--no-near", default=True, help="Look for near-duplicates too.  [default: near]"
)
@click.option(
    "--priority",
    multiple=True,
    metavar="GLOB",
    help="Tasks whose rows stay before others'; may be given again.  [default: the recipe's order]",
)
@click.option(
    "--twins",
    is_flag=True,
    help="Also compare rows of tasks over the same source, which share them by design.",
)
@store_option
@cards_option
@templates_option
@workers_option
@json_option
@click.pass_context
def dedupe(
    ctx: click.Context,
    *,
    recipe: str,
    out: Path | None,
    clusters_file: Path | None,
    near: bool,
    priority: tuple[str, ...],
    twins: bool,
    store: Path,
    cards: Path | None,
    templates: Path | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Look for rows that say the same, within tasks and across them.

    Of equal rows, and of nearly equal rows with equal targets, one stays: that of the task that
    comes first. Equal inputs with different targets are listed, and stay. Nothing is changed: a
    recipe leaves out the rows of a list that it names under filters.rows.
    """
    from mixture_builder.cli.progress import JobLog
    from mixture_builder.cli.row_audits import recipe_rows
    from mixture_builder.cli.steps import LEFT_OUT
    from mixture_builder.drivers.row_audits import find_duplicates

    rows = recipe_rows(recipe, store=store, cards=cards, templates=templates)
    sources = _sources(rows, store, priority)
    total = sum(source.rows for source in sources)
    workers = workers_for(workers, size=total, few=FEW_ROWS)
    with JobLog(as_json=False).bar("dedupe", total=total, unit="rows") as bar:
        clusters = find_duplicates(
            sources,
            near=near,
            twins=twins,
            workers=workers,
            on_task=lambda source: bar.advance(source.rows),
        )
    report = _report(rows, sources, clusters)
    if clusters_file is not None:
        _write_clusters(clusters_file, clusters)
    if out is not None:
        report["list"] = {"file": str(out), "digest": _write_list(out, clusters)}
    if as_json:
        show_json(report)
    else:
        click.echo(_text(report))
    if rows.left_out:
        ctx.exit(LEFT_OUT)


def _sources(rows: RecipeRows, store: Path, priority: Sequence[str]) -> list[RowSource]:
    """The tasks in the order in which their rows stay."""
    from mixture_builder.audit.rows.duplicates import RowSource, fields_of
    from mixture_builder.errors import UsageError
    from mixture_builder.findings import did_you_mean
    from mixture_builder.fingerprint import fingerprint
    from mixture_builder.io.stored_task import task_folder
    from mixture_builder.jinja_compiler import compile_text

    mixture = rows.mixture
    parts = [part.path for part in mixture.recipe.root.walk()]
    for glob in priority:
        if not any(fnmatchcase(task, glob) for task in mixture.owners):
            hint = did_you_mean(glob, mixture.owners)
            raise UsageError(f"--priority {glob}: names no task of the recipe. {hint}".rstrip())

    def rank(task: str) -> tuple[int, int, str]:
        first = next((n for n, g in enumerate(priority) if fnmatchcase(task, g)), len(priority))
        return first, parts.index(mixture.owners[task].path), task

    result = []
    known: dict[str, frozenset[str]] = {}
    for number, task in enumerate(sorted(rows.stored, key=rank)):
        card, stored = mixture.cards[task], rows.stored[task]
        if card.templates not in known:
            known[card.templates] = frozenset(
                name
                for template in mixture.templates[card.templates].templates
                if template.direction == "direct"
                for name in compile_text(template.target).names
            )
        inputs, targets = fields_of([f.name for f in card.fields], known[card.templates])
        result.append(
            RowSource(
                task=task,
                folder=task_folder(store, task, stored.fingerprint),
                rows=stored.rows,
                inputs=inputs,
                targets=targets,
                source=fingerprint([asdict(s.source) for s in card.sources]),
                rank=number,
            )
        )
    return result


def _write_clusters(file: Path, clusters: Sequence[Cluster]) -> None:
    from mixture_builder.io.atomic import atomic_output

    with atomic_output(str(file)) as output:
        for cluster in clusters:
            line = json.dumps(asdict(cluster), ensure_ascii=False)
            output.write(line.encode("utf-8", "replace") + b"\n")


def _write_list(out: Path, clusters: Sequence[Cluster]) -> str:
    from mixture_builder.io.excluded_rows import ExcludedRow, write_excluded_rows

    return write_excluded_rows(
        str(out),
        (
            ExcludedRow(
                task=row.task,
                row=row.row,
                reason=cluster.kind,
                evidence={
                    "kept_task": cluster.kept.task,
                    "kept_row": cluster.kept.row,
                    "kept_place": cluster.kept.place,
                    "agreement": row.agreement,
                },
            )
            for cluster in clusters
            if cluster.kind != STAYS
            for row in cluster.others
        ),
    )


def _report(
    rows: RecipeRows, sources: Sequence[RowSource], clusters: Sequence[Cluster]
) -> dict[str, Any]:
    kinds: dict[str, dict[str, int]] = {}
    tasks: dict[str, Counter[str]] = {}
    pairs: Counter[tuple[str, str, str]] = Counter()
    already = 0
    for cluster in clusters:
        kind = kinds.setdefault(cluster.kind, {"clusters": 0, "rows": 0})
        kind["clusters"] += 1
        kind["rows"] += len(cluster.others)
        for row in cluster.others:
            tasks.setdefault(row.task, Counter())[cluster.kind] += 1
            pairs[cluster.kind, cluster.kept.task, row.task] += 1
            if cluster.kind != STAYS:
                already += rows.is_excluded(row.task, row.row)
    going = sum(kind["rows"] for name, kind in kinds.items() if name != STAYS)
    return {
        "name": rows.mixture.recipe.name,
        "rows": sum(source.rows for source in sources),
        "going": going,
        "already_excluded": already,
        "kinds": dict(sorted(kinds.items())),
        "tasks": {task: dict(sorted(counts.items())) for task, counts in sorted(tasks.items())},
        "pairs": [
            {"kind": kind, "kept": kept, "other": other, "rows": count}
            for (kind, kept, other), count in sorted(
                pairs.items(), key=lambda pair: (-pair[1], pair[0])
            )
        ],
        "left_out": dict(rows.left_out),
    }


def _text(report: Mapping[str, Any]) -> str:
    blocks = []
    if report["pairs"]:
        header = ["kind", "rows of", "say what is in", "rows"]
        lines = [
            [pair["kind"], pair["other"], pair["kept"], f"{pair['rows']:,}"]
            for pair in report["pairs"][:SHOWN]
        ]
        blocks.append(table(header, lines, right=header[3:]))
        more = len(report["pairs"]) - SHOWN
        if more > 0:
            blocks.append(f"and {many(more, 'pair')} of tasks more; --json has them all")
    kinds = {kind: facts["rows"] for kind, facts in report["kinds"].items()}
    stay = kinds.pop(STAYS, 0)
    blocks.append(
        f"{report['name']}: {report['going']:,} of {many(report['rows'], 'row')} can go "
        f"({counted(kinds)})"
        + (f"; {stay:,} with another target stay" if stay else "")
        + (
            f"; the recipe leaves {report['already_excluded']:,} of them out already"
            if report["already_excluded"]
            else ""
        )
    )
    if "list" in report:
        blocks.append(f"{report['list']['file']}: written, digest {report['list']['digest']}")
    return "\n".join(blocks)
