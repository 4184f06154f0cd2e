"""`preview`: some examples of one task, without a build."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mixture_builder.cli.options import (
    cards_option,
    json_option,
    recipe_argument,
    seed_option,
    store_option,
    templates_option,
)
from mixture_builder.cli.output import show_json
from mixture_builder.cli.shown import prompt_text, row_text, target_text

if TYPE_CHECKING:
    from mixture_builder.jobs.inspect.preview import Preview


@click.command(short_help="Show some examples of one task, without a build.")
@recipe_argument
@click.option("--task", required=True, metavar="ID", help="Which task, such as cot/gsm8k.")
@click.option(
    "-n",
    "count",
    type=click.IntRange(1, 1000),
    default=3,
    show_default=True,
    metavar="N",
    help="How many examples.",
)
@click.option(
    "--variant",
    type=click.Choice(["zs_opt", "zs_noopt", "fs_opt", "fs_noopt"]),
    help="Only examples of this variant.",
)
@store_option
@cards_option
@templates_option
@seed_option
@json_option
def preview(
    *,
    recipe: str,
    task: str,
    count: int,
    variant: str | None,
    store: Path,
    cards: Path | None,
    templates: Path | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Show the first draws of a task as the recipe makes them: row, prompt and target.

    Rows come from the store if the task is there, and the examples are then those of the mixture
    itself; else from the sample records of the card.
    """
    from mixture_builder.jobs.inspect.preview import load_task
    from mixture_builder.jobs.inspect.preview import preview as examples_of
    from mixture_builder.shipped import find_recipe

    loaded = load_task(
        find_recipe(recipe), shown_as=recipe, task=task, seed=seed, cards=cards, templates=templates
    )
    found = examples_of(loaded, store=store, count=count, variant=variant)
    if as_json:
        show_json(asdict(found))
    else:
        click.echo(_text(found))


def _text(found: Preview) -> str:
    origin = (
        f"{found.rows:,} rows in the store"
        if found.stored
        else f"{found.rows:,} sample records of the card (it is not in the store)"
    )
    blocks = [f"{found.task}: from {origin}"]
    for example in found.examples:
        heading = f"=== draw {example.draw}  {example.variant}  template {example.template}"
        blocks.append(
            "\n".join(
                [
                    heading + (f"  {example.style}" if example.style else ""),
                    "row",
                    row_text(example.row),
                    prompt_text(example.parts),
                    target_text(example.targets),
                ]
            )
        )
    blocks.extend(f"dropped: {why}" for why in found.dropped)
    return "\n\n".join(blocks)
