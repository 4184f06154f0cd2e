"""`explain`: where one record comes from, and whether it can be made again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli.options import color_option, json_option, store_option
from mixture_builder.cli.output import facts, indented, show_json
from mixture_builder.cli.shown import BAR, Look, look, prompt_text, row_text, target_text

if TYPE_CHECKING:
    from mixture_builder.jobs.inspect.explain import Explanation, SourceRow


def _place(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int]:
    shard, colon, row = value.partition(":")
    if not (colon and shard.isdecimal() and row.isdecimal()):
        raise click.BadParameter(
            f"found '{value}'; expected SHARD:ROW, both counted from 0.", ctx, parameter
        )
    return int(shard), int(row)


@click.command(short_help="Show where one record comes from, and make it again.")
@click.argument("out", metavar="DIR")
@click.option(
    "--row",
    "place",
    callback=_place,
    required=True,
    metavar="SHARD:ROW",
    help="Which record: its shard, and its row in that shard's file, both from 0.",
)
@color_option
@store_option
@json_option
@click.pass_context
def explain(
    ctx: click.Context,
    *,
    out: str,
    place: tuple[int, int],
    color: str,
    store: Path,
    as_json: bool,
) -> None:
    """Show the row, template, style and exemplars of one record, and make it again.

    The record is rendered anew from the lock and the store; exit code 1 says that it did not come
    out the same, byte for byte.
    """
    from mixture_builder.jobs.inspect.explain import explain as explanation_of

    found = explanation_of(out, store=store, shard=place[0], position=place[1])
    if as_json:
        show_json({**asdict(found), "same": not found.differences})
    else:
        chosen = look(color)
        click.echo(_text(found, chosen), color=chosen.coloured)
    if found.differences:
        ctx.exit(1)


def _text(found: Explanation, look: Look) -> str:
    record = found.record
    about = [
        ("record", f"row {found.position} of shard {found.shard}"),
        ("task", f"{record['task_id']} (part {record['submixture']})"),
        ("draw", str(record["draw"])),
        ("variant", record["variant"]),
        ("template", record["template_id"]),
        ("style", record["style"] or "(none drawn)"),
    ]
    if found.asked_exemplars > len(found.exemplars):
        shown = f"{len(found.exemplars)} of the {found.asked_exemplars} it asks for"
        about.append(("exemplars", f"{shown}: too long with more, or too few rows to show"))
    blocks = [facts(about, indent=""), _source("row", found.row)]
    template = [f"{name}\n{indented(text, BAR)}" for name, text in _template_texts(found.template)]
    blocks.append("\n".join(template))
    total = len(found.exemplars)
    blocks += [
        _source(f"row of exemplar {number} of {total}", row)
        for number, row in enumerate(found.exemplars, start=1)
    ]
    blocks.append(f"{look.legend()}\n{prompt_text(found.parts, look)}")
    blocks.append(target_text(found.parts, look))
    if found.differences:
        listed = "\n".join(f"  {d}" for d in found.differences)
        blocks.append(f"Made again from lock and store, it is NOT the same:\n{listed}")
    else:
        blocks.append("Made again from lock and store, it is the same, byte for byte.")
    return "\n\n".join(blocks)


def _template_texts(template: Any) -> list[tuple[str, str]]:
    texts = [("template, input", template["input"]), ("template, target", template["target"])]
    few_shot = template.get("few_shot", {})
    texts += [(f"template, few-shot {key}", text) for key, text in few_shot.items()]
    return texts


def _source(title: str, row: SourceRow) -> str:
    return f"{title}\n{facts([('id', str(row.row)), ('from', row.place)])}\n{row_text(row.fields)}"
