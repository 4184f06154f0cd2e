"""`plan`: what each part and task of a recipe would get."""

from __future__ import annotations

from pathlib import Path

import click

from mixture_builder.cli.options import (
    cards_option,
    json_option,
    recipe_argument,
    seed_option,
    shards_option,
    store_option,
    strict_option,
    templates_option,
)
from mixture_builder.cli.output import indented, show_json


@click.command(short_help="Show what each part and task of a recipe would get.")
@recipe_argument
@click.option("--tasks", "by_task", is_flag=True, help="Show every task, not only the parts.")
@click.option(
    "--variants", "by_variant", is_flag=True, help="Show what each part spends on its variants."
)
@click.option(
    "--measure",
    is_flag=True,
    help="Render some examples of each stored task, and measure them.",
)
@click.option(
    "--tokenizer",
    "tokenizers",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    metavar="FILE",
    help="Also count tokens with this `tokenizer.json`; may be given several times.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw shares, and examples against rows, into an .svg, .png or .pdf.",
)
@store_option
@cards_option
@templates_option
@shards_option
@seed_option
@strict_option
@json_option
@click.pass_context
def plan(
    ctx: click.Context,
    *,
    recipe: str,
    by_task: bool,
    by_variant: bool,
    measure: bool,
    tokenizers: tuple[Path, ...],
    plot: Path | None,
    store: Path,
    cards: Path | None,
    templates: Path | None,
    shards: int | None,
    seed: int | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Work out rates, shares and quotas, without reading any source.

    Rows are those in the store; of tasks that are not there, those that the card states, marked
    with '~'. Passes say how often the rows of a task are gone through; above 1, rows repeat.

    Bytes are those of prompts and targets, before compression; '~' marks them where they are
    estimated. --measure renders some examples, always the same, to know them within a few per
    cent; a recipe whose size is in bytes or tokens is always measured.
    """
    from mixture_builder.cli.plan_facts import PlanFacts
    from mixture_builder.cli.plan_plot import check_plot, draw_plan
    from mixture_builder.cli.plan_text import plan_text
    from mixture_builder.cli.steps import load
    from mixture_builder.jobs.inspect.counts import count_rows
    from mixture_builder.jobs.inspect.forecast import forecast
    from mixture_builder.jobs.lengths import mean_lengths
    from mixture_builder.jobs.locking import measure_mixture, plan_mixture

    if plot is not None:
        check_plot(plot)
    mixture = load(recipe, seed=seed, cards=cards, templates=templates)
    counts = count_rows(mixture, store=store)
    size = mixture.recipe.size
    measured = {}
    if counts.stored and (measure or tokenizers or (size.measured and not counts.estimated)):
        measured = measure_mixture(
            mixture,
            stored=counts.stored,
            broken={**counts.unknown, **dict.fromkeys(counts.estimated, "it is not in the store")},
            store=store,
            tokenizers={str(path): path for path in tokenizers},
        )
    # Of a part of the tasks no size in bytes follows.
    sized = size.measured and measured and not counts.estimated
    worked_out = plan_mixture(
        mixture,
        rows=counts.rows,
        broken=counts.unknown,
        shards=shards or 0,
        lengths=mean_lengths(size, measured) if sized else None,
    )
    expected = forecast(
        worked_out,
        cards=mixture.cards,
        stored=counts.stored,
        store=store,
        measured=measured,
        recipe_tokenizer=size.tokenizer,
    )
    facts = PlanFacts(plan=worked_out, mixture=mixture, counts=counts, forecast=expected)
    broken = {**mixture.broken, **counts.unknown}
    for task, why in sorted(broken.items()):
        click.echo(f"left out: {task}\n{indented(why)}", err=True)
    if plot is not None:
        draw_plan(facts, plot)
    if as_json:
        show_json(facts.to_json())
    else:
        click.echo(plan_text(facts, by_task=by_task, by_variant=by_variant))
    if strict and broken:
        ctx.exit(1)
