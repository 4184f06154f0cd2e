"""`preview`: some examples of one task, without a build; or a page of many tasks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mixture_builder.cli.options import (
    cards_option,
    color_option,
    json_option,
    recipe_argument,
    seed_option,
    store_option,
    templates_option,
)
from mixture_builder.cli.output import byte_size, indented, many, show_json
from mixture_builder.cli.shown import Look, harmless, look, prompt_text, row_text, target_text
from mixture_builder.errors import UsageError

if TYPE_CHECKING:
    from mixture_builder.jobs.inspect.loaded_tasks import LoadedTasks
    from mixture_builder.jobs.inspect.preview import Preview, PreviewedExample
    from mixture_builder.jobs.inspect.review import Wish

VARIANTS = ["zs_opt", "zs_noopt", "fs_opt", "fs_noopt"]


@click.command(short_help="Show some examples of one task, without a build.")
@recipe_argument
@click.option(
    "--task",
    required=True,
    metavar="ID",
    help="Which task, such as cot/gsm8k. With --html also a glob ('muffin/*') or a submixture.",
)
@click.option(
    "-n",
    "count",
    type=click.IntRange(1, 1000),
    default=3,
    show_default=True,
    metavar="N",
    help="How many examples; with --html, how many rows of each task.",
)
@click.option(
    "--variant",
    "variants",
    type=click.Choice(VARIANTS),
    multiple=True,
    help="Only examples of this variant; may be given several times.",
)
@click.option("--template", metavar="ID", default="", help="Only examples of this template.")
@click.option(
    "--row",
    type=click.IntRange(min=0),
    metavar="N",
    help="Show this row in all templates: its number in the sample or the store, or its identity.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page of all templates instead, for a browser.",
)
@color_option
@store_option
@cards_option
@templates_option
@seed_option
@json_option
@click.pass_context
def preview(
    ctx: click.Context,
    *,
    recipe: str,
    task: str,
    count: int,
    variants: tuple[str, ...],
    template: str,
    row: int | None,
    html: Path | None,
    color: str,
    store: Path,
    cards: Path | None,
    templates: Path | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Show examples of a task as the recipe makes them: row, prompt and target.

    Rows come from the store if the task is there, and the first draws are then those of the mixture
    itself; else from the sample records of the card. With --row, one row is shown in every
    template and variant.

    With --html, a page shows the facts of each task and its first rows in every template and
    variant. Tasks that the recipe does not name are shown with its outermost settings; exit code 3
    says that some tasks could not be shown.
    """
    from mixture_builder.jobs.inspect.loaded_tasks import load_task, load_tasks
    from mixture_builder.shipped import find_recipe

    path = find_recipe(recipe)
    if html:
        from mixture_builder.jobs.inspect.review import Wish

        several = load_tasks(
            path, shown_as=recipe, wanted=task, seed=seed, cards=cards, templates=templates
        )
        wish = Wish(count=count, variants=frozenset(variants), template=template, row=row)
        _write_page(ctx, html, several, wish, wanted=task, store=store, as_json=as_json)
        return
    from mixture_builder.jobs.inspect.preview import preview as examples_of

    one = load_task(path, shown_as=recipe, task=task, seed=seed, cards=cards, templates=templates)
    found = examples_of(
        one, store=store, count=count, variants=frozenset(variants), template=template, row=row
    )
    if as_json:
        show_json(asdict(found))
    else:
        chosen = look(color)
        click.echo(_text(found, chosen), color=chosen.coloured)


def _text(found: Preview, look: Look) -> str:
    origin = (
        f"{found.rows:,} rows in the store"
        if found.stored
        else f"{found.rows:,} sample records of the card (it is not in the store)"
    )
    blocks = [f"{found.task}: from {origin}\n{look.legend()}"]
    shown: int | None = None
    for example in found.examples:
        lines = [_heading(example)]
        # A row that was chosen is the same in all examples: once is enough.
        if example.draw is not None or example.row_id != shown:
            shown = example.row_id
            lines.append(_row(example))
        blocks.append(
            "\n".join([*lines, prompt_text(example.parts, look), target_text(example.parts, look)])
        )
    blocks.extend(f"dropped: {harmless(why)}" for why in found.dropped)
    return "\n\n".join(blocks)


def _heading(example: PreviewedExample) -> str:
    draw = f"draw {example.draw}" if example.draw is not None else f"row {example.number}"
    words = [draw, example.variant, f"template {example.template}", example.direction]
    return f"=== {'  '.join(words)}" + (f"  {example.style}" if example.style else "")


def _row(example: PreviewedExample) -> str:
    if example.record is None:
        return f"row {example.number} ({harmless(example.place)})\n{row_text(example.row)}"
    record = f"sample[{example.number}], as read\n{row_text(example.record)}"
    return f"{record}\nrow\n{row_text(example.row)}"


def _write_page(
    ctx: click.Context,
    file: Path,
    loaded: LoadedTasks,
    wish: Wish,
    *,
    wanted: str,
    store: Path,
    as_json: bool,
) -> None:
    from mixture_builder.cli.steps import LEFT_OUT
    from mixture_builder.io.atomic import atomic_output
    from mixture_builder.jobs.inspect.review import review
    from mixture_builder.jobs.inspect.review_page import page

    found = review(loaded, wish, wanted=wanted, store=store)
    if not found.tasks:
        raise UsageError(
            f"--task {wanted}: found nothing to show.\n"
            + "\n".join(f"{task}: {why}" for task, why in found.left_out.items())
        )
    text = page(found).encode("utf-8", "replace")
    with atomic_output(str(file), durable=False) as output:
        output.write(text)
    counts = {
        "tasks": len(found.tasks),
        "templates": sum(len(task.templates) for task in found.tasks),
        "examples": found.examples,
        "bytes": len(text),
    }
    if as_json:
        show_json({"file": str(file), **counts, "left_out": dict(found.left_out)})
    else:
        click.echo(
            f"{file}: {many(counts['tasks'], 'task')}, {many(counts['templates'], 'template')}, "
            f"{many(counts['examples'], 'example')}, {byte_size(counts['bytes'])}"
        )
        for task, why in found.left_out.items():
            click.echo(f"left out: {task}\n{indented(why)}", err=True)
    if found.left_out:
        ctx.exit(LEFT_OUT)
