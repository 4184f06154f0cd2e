"""`contamination`: which rows of a recipe's tasks hold items of held-out sets?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli.options import (
    cards_option,
    json_option,
    mirror_option,
    offline_option,
    recipe_argument,
    store_option,
    templates_option,
    workers_option,
)
from mixture_builder.cli.output import byte_size, counted, many, show_json, table
from mixture_builder.cli.pooled import workers_for

if TYPE_CHECKING:
    from mixture_builder.audit.rows.contamination import CheckedTask
    from mixture_builder.audit.rows.held_out import HeldOutIndex
    from mixture_builder.cli.row_audits import RecipeRows

SHOWN = 3
"""Rows of a task that the report shows with their evidence; a list of rows has them all."""

FEW_ROWS = 20_000
"""Up to so many rows are looked at in this process: starting workers would take longer."""

REASON = "held_out"
"""Reason in lists of excluded rows."""


@click.command(short_help="Find rows that hold items of held-out sets.")
@recipe_argument
@click.option(
    "--held-out",
    "held_out",
    multiple=True,
    required=True,
    metavar="NAME|FILE",
    help="A held-out set: name of a card, or a file of items. May be given again.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME",
    help="Column of a file that is looked for; the first is what is asked. May be given again.",
)
@click.option(
    "--near",
    type=click.FloatRange(0.1, 1.0),
    default=0.5,
    show_default=True,
    help="Share of an item's runs of three words that makes a row a near copy.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the rows as a list that a recipe's filters.rows can name.",
)
@store_option
@mirror_option
@offline_option
@cards_option
@templates_option
@workers_option
@json_option
@click.pass_context
def contamination(
    ctx: click.Context,
    *,
    recipe: str,
    held_out: tuple[str, ...],
    columns: tuple[str, ...],
    near: float,
    out: Path | None,
    store: Path,
    mirror: Path | None,
    offline: bool,
    cards: Path | None,
    templates: Path | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Look for held-out items in all stored rows of a recipe's tasks.

    A row holds an item if 13 words of it in a row, the whole of a shorter one, or most of its
    words in any order stand in the row. Files end in .txt (an item a line), .jsonl, .json,
    .parquet, .csv or .tsv. Ends with 1 if there are rows that the recipe does not leave out
    already and no list is written.
    """
    from mixture_builder.audit.rows.held_out import build_index
    from mixture_builder.audit.rows.held_out_sources import bring_in, find_held_out
    from mixture_builder.cli.progress import JobLog
    from mixture_builder.cli.row_audits import recipe_rows
    from mixture_builder.cli.steps import LEFT_OUT
    from mixture_builder.drivers.row_audits import check_tasks
    from mixture_builder.io.mirror import Mirror
    from mixture_builder.shipped import cards_folder

    folder = cards or cards_folder()
    named = [find_held_out(name, cards=folder, columns=columns) for name in held_out]
    copies = Mirror.load(mirror, offline=offline) if mirror else Mirror.empty(offline=offline)
    rows = recipe_rows(recipe, store=store, cards=cards, templates=templates)
    sets = [bring_in(one, store=store, mirror=copies) for one in named]
    index = build_index(item for one in sets for item in one.items(store=store))
    total = sum(task.rows for task in rows.stored.values())
    workers = workers_for(workers, size=total, few=FEW_ROWS)
    with JobLog(as_json=False).bar("contamination", total=total, unit="rows") as bar:
        checked = check_tasks(
            rows.stored,
            store=store,
            index=index,
            near_share=near,
            workers=workers,
            on_task=lambda task: bar.advance(task.rows),
        )
    report = _report(rows, index, checked)
    if out is not None:
        report["list"] = {"file": str(out), "digest": _write(out, checked)}
    if as_json:
        show_json(report)
    else:
        click.echo(_text(report))
    if report["found"] > report["already_excluded"] and out is None:
        ctx.exit(1)
    if rows.left_out:
        ctx.exit(LEFT_OUT)


def _write(out: Path, checked: Mapping[str, CheckedTask]) -> str:
    from mixture_builder.io.excluded_rows import ExcludedRow, write_excluded_rows

    return write_excluded_rows(
        str(out),
        (
            ExcludedRow(task=task, row=found.row, reason=REASON, evidence=found.evidence())
            for task, of_task in checked.items()
            for found in of_task.overlaps
        ),
    )


def _report(
    rows: RecipeRows, index: HeldOutIndex, checked: Mapping[str, CheckedTask]
) -> dict[str, Any]:
    import numpy as np

    sizes = np.bincount(index.set_of, minlength=len(index.sets)).tolist()
    tasks = {}
    for task, of_task in checked.items():
        if not of_task.overlaps:
            continue
        tasks[task] = {
            "rows": of_task.rows,
            "found": len(of_task.overlaps),
            "already_excluded": sum(rows.is_excluded(task, o.row) for o in of_task.overlaps),
            "held_out": dict(sorted(Counter(o.held_out for o in of_task.overlaps).items())),
            "rules": dict(sorted(Counter(o.rule for o in of_task.overlaps).items())),
            "evidence": [
                {"row": o.row, "place": o.place, **o.evidence()} for o in of_task.overlaps[:SHOWN]
            ],
        }
    return {
        "name": rows.mixture.recipe.name,
        "rows": sum(task.rows for task in checked.values()),
        "found": sum(task["found"] for task in tasks.values()),
        "already_excluded": sum(task["already_excluded"] for task in tasks.values()),
        "held_out": {
            name: {
                "items": size,
                "too_short": index.unchecked.get(name, 0),
                "no_near_copies": index.not_near.get(name, 0),
            }
            for name, size in zip(index.sets, sizes, strict=True)
        },
        "index_bytes": index.bytes,
        "findings": [_finding(task, facts) for task, facts in tasks.items()],
        "tasks": tasks,
        "left_out": dict(rows.left_out),
    }


def _finding(task: str, facts: Mapping[str, Any]) -> dict[str, object]:
    from mixture_builder.findings import Finding, Severity

    excluded = facts["found"] == facts["already_excluded"]
    message = (
        f"{many(facts['found'], 'row')} of {facts['rows']:,} hold items of held-out sets "
        f"({counted(facts['held_out'])})"
        + (", which the recipe leaves out already." if excluded else ".")
    )
    return Finding(
        severity=Severity.NOTE if excluded else Severity.ERROR,
        file=task,
        place="rows",
        message=message,
        remedy="" if excluded else "Write a list with --out and name it under filters.rows.",
        lint="contamination",
    ).to_json()


def _text(report: Mapping[str, Any]) -> str:
    blocks = []
    if report["tasks"]:
        header = ["task", "rows", "found", "held-out sets", "rules"]
        lines = [
            [
                task,
                f"{facts['rows']:,}",
                f"{facts['found']:,}",
                counted(facts["held_out"]),
                counted(facts["rules"]),
            ]
            for task, facts in report["tasks"].items()
        ]
        blocks.append(table(header, lines, right=header[1:3]))
    for task, facts in report["tasks"].items():
        first = facts["evidence"][0]
        shown = first["spans"][0]["text"].replace("\n", " ") if first["spans"] else ""
        blocks.append(f"{task}: {first['place']} holds {first['item']}\n    {shown}")
        if len(blocks) > SHOWN:
            break
    for name, facts in report["held_out"].items():
        short = facts["too_short"]
        blocks.append(
            f"{name}: {many(facts['items'], 'item')}"
            + (f", {short:,} of them too short to be looked for" if short else "")
            + (
                f", {facts['no_near_copies']:,} too short for near copies"
                if facts["no_near_copies"]
                else ""
            )
        )
    already = report["already_excluded"]
    blocks.append(
        f"{report['name']}: {report['found']:,} of {many(report['rows'], 'row')} hold items of "
        f"{many(len(report['held_out']), 'held-out set')}"
        + (f"; the recipe leaves {already:,} of them out already" if already else "")
        + f" (index {byte_size(report['index_bytes'])})"
    )
    if "list" in report:
        blocks.append(f"{report['list']['file']}: written, digest {report['list']['digest']}")
    return "\n".join(blocks)
