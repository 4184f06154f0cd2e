"""`plan`: what each part and task of a recipe would get."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from mixture_builder.cli.output import counted, indented, many, per_cent, show_json, table

if TYPE_CHECKING:
    from mixture_builder.jobs.inspect.counts import Counts
    from mixture_builder.jobs.mixture import Mixture
    from mixture_builder.plan import MixturePlan, TaskPlan


@click.command(short_help="Show what each part and task of a recipe would get.")
@recipe_argument
@click.option("--tasks", "by_task", is_flag=True, help="Show every task, not only the parts.")
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
    """
    from mixture_builder.cli.steps import load
    from mixture_builder.jobs.inspect.counts import count_rows
    from mixture_builder.jobs.mixture import plan_mixture

    mixture = load(recipe, seed=seed, cards=cards, templates=templates)
    counts = count_rows(mixture, store=store)
    worked_out = plan_mixture(mixture, rows=counts.rows, broken=counts.unknown, shards=shards or 0)
    broken = {**mixture.broken, **counts.unknown}
    for task, why in sorted(broken.items()):
        click.echo(f"left out: {task}\n{indented(why)}", err=True)
    if as_json:
        show_json(_as_data(worked_out, mixture, counts))
    else:
        click.echo(_as_text(worked_out, mixture, counts, by_task=by_task))
    if strict and broken:
        ctx.exit(1)


def _as_data(plan: MixturePlan, mixture: Mixture, counts: Counts) -> dict[str, Any]:
    return {
        "name": plan.name,
        "seed": plan.seed,
        "examples": plan.examples,
        "shards": plan.shards,
        "estimated": len(counts.estimated),
        "submixtures": {p["path"]: p for p in _parts(plan, mixture, counts)},
        "tasks": {t.task: _task(t, counts) for t in plan.tasks},
        "left_out": dict(plan.left_out),
        "filtered_tasks": len(mixture.filtered),
    }


def _task(task: TaskPlan, counts: Counts) -> dict[str, Any]:
    return {
        "submixture": task.submixture,
        "rate": str(task.rate),
        "share": str(task.share),
        "quota": task.quota,
        "rows": task.rows,
        "estimated": task.task in counts.estimated,
        "query_rows": task.query_rows,
        "passes": _rounded(task.passes),
        "variants": {cell.name: cell.quota for cell in task.cells},
        "templates": task.templates,
    }


def _parts(plan: MixturePlan, mixture: Mixture, counts: Counts) -> list[dict[str, Any]]:
    """Facts of each part of the recipe, those of the parts in it included."""
    around: dict[str, list[TaskPlan]] = {}
    for task in plan.tasks:
        steps = task.submixture.split(".")
        for depth in range(len(steps)):
            around.setdefault(".".join(steps[: depth + 1]), []).append(task)
    return [
        {
            "path": part.path,
            "rate": str(part.rate),
            **_totals(around.get(part.path, ()), counts),
        }
        for part in mixture.recipe.root.walk()
        if part.path
    ]


def _totals(tasks: Sequence[TaskPlan], counts: Counts) -> dict[str, Any]:
    variants: Counter[str] = Counter()
    for task in tasks:
        for cell in task.cells:
            variants[cell.name] += cell.quota
    return {
        "tasks": len(tasks),
        "share": str(sum((t.share for t in tasks), Fraction(0))),
        "quota": sum(t.quota for t in tasks),
        "rows": sum(t.rows for t in tasks),
        "estimated": sum(t.task in counts.estimated for t in tasks),
        "scarce": sum(t.quota > t.query_rows for t in tasks),
        "most_passes": _rounded(max((t.passes for t in tasks), default=Fraction(0))),
        "variants": dict(sorted(variants.items())),
    }


def _rounded(value: Fraction) -> float:
    return round(float(value), 3)


def _as_text(plan: MixturePlan, mixture: Mixture, counts: Counts, *, by_task: bool) -> str:
    parts = _parts(plan, mixture, counts)
    whole = {"path": "all", "rate": "", **_totals(plan.tasks, counts)}
    header = ["part", "tasks", "rate", "share", "quota", "rows", "scarce", "passes", "variants"]
    rows = [
        [
            p["path"],
            f"{p['tasks']:,}",
            _number(p["rate"]),
            per_cent(Fraction(p["share"])),
            f"{p['quota']:,}",
            _rows(p["rows"], estimated=bool(p["estimated"])),
            f"{p['scarce']:,}" if p["scarce"] else "-",
            f"{p['most_passes']:,.2f}",
            _variants(p["variants"]),
        ]
        for p in [*parts, whole]
    ]
    blocks = [
        (
            f"{plan.name}: {plan.examples:,} examples of {many(len(plan.tasks), 'task')}, seed "
            f"{plan.seed}, {many(plan.shards, 'shard')}"
        ),
        table(header, rows, right=header[1:8]),
    ]
    if by_task:
        blocks.append(_tasks_table(plan, counts))
    scarce = [t for t in plan.tasks if t.quota > t.query_rows]
    if scarce:
        most = max(scarce, key=lambda t: t.passes)
        blocks.append(
            f"Scarce: {many(len(scarce), 'task')} with fewer rows than examples, the scarcest "
            f"{most.task} ({float(most.passes):,.2f} passes)."
        )
    if counts.estimated:
        blocks.append(
            f"~ {many(len(counts.estimated), 'task')} not in the store: rows are those that the "
            "cards state. Run ingest for the true numbers."
        )
    if mixture.filtered:
        blocks.append(_filtered(plan, mixture))
    zero = set(plan.left_out) - set(mixture.broken) - set(counts.unknown) - set(mixture.filtered)
    if zero:
        blocks.append(f"{many(len(zero), 'task')} with a rate of 0: nothing is drawn of them.")
    return "\n\n".join(blocks)


def _filtered(plan: MixturePlan, mixture: Mixture) -> str:
    """How many tasks filters take out, why, and who takes over their shares."""
    from mixture_builder.filters import PREFIX

    first_word = re.compile(rf"{PREFIX}(?:its |it )?(\w+)")
    reasons = mixture.filtered.values()
    why = Counter(found[1] for text in reasons if (found := first_word.match(text)))
    parts = [p for p in mixture.recipe.root.walk() if p.tasks]
    left = Counter(task.submixture for task in plan.tasks)
    head = (
        f"Filtered: {many(len(mixture.filtered), 'task')} ({counted(why)}); `--json` gives each "
        "reason. The tasks that are left of a part take over the shares of the others:"
    )
    lines = [head]
    for part in parts:
        lost = len(part.select(mixture.filtered))
        if lost:
            gone = "" if left[part.path] else "; the other parts take over its share"
            lines.append(f"  {part.path}: {lost:,} filtered, {left[part.path]:,} left{gone}")
    return "\n".join(lines)


def _tasks_table(plan: MixturePlan, counts: Counts) -> str:
    header = ["task", "part", "rate", "share", "quota", "rows", "passes", "variants"]
    rows = [
        [
            t.task,
            t.submixture,
            _number(t.rate),
            per_cent(t.share),
            f"{t.quota:,}",
            _rows(t.rows, estimated=t.task in counts.estimated),
            f"{float(t.passes):,.2f}" + (" !" if t.quota > t.query_rows else "  "),
            _variants({c.name: c.quota for c in t.cells}),
        ]
        for t in plan.tasks
    ]
    return table(header, rows, right=header[2:7])


def _number(rate: str | Fraction) -> str:
    return f"{float(Fraction(rate)):,.10g}" if rate else ""


def _rows(count: int, *, estimated: bool) -> str:
    return ("~" if estimated else "") + f"{count:,}"


def _variants(quotas: dict[str, int]) -> str:
    return " ".join(f"{name}={quota:,}" for name, quota in quotas.items() if quota)
