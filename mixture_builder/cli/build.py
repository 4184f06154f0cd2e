"""`build`: from a recipe to a finished mixture."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from mixture_builder.cli.export import export_beside, validation_option
from mixture_builder.cli.export import summary_text as export_text
from mixture_builder.cli.options import (
    beam_argument,
    format_option,
    running,
    shards_option,
)
from mixture_builder.cli.output import show_json
from mixture_builder.export.targets import MODULES


class Taken(click.ParamType[Any]):
    """A number of shards, or a part of them in per cent."""

    name = "amount"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int | Fraction:
        """`4` is 4 shards, `10%` the fraction 1/10."""
        text = str(value).strip()
        with suppress(ValueError, ZeroDivisionError):
            if text.endswith("%"):
                part = Fraction(text[:-1].strip()) / 100
                if 0 < part <= 1:
                    return part
            elif int(text) > 0:
                return int(text)
        return self.fail(
            f"found {text!r}; expected a number of shards, or a part of them such as 10%",
            param,
            ctx,
        )


@click.command(short_help="Build a mixture: shards, lock, manifest.")
@click.argument("recipe", metavar="[RECIPE]", required=False)
@click.option(
    "--lock",
    "lock_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="In place of a recipe: build what this recipe.lock.yaml describes, and check the digests "
    "that stand beside it.",
)
@click.option("--out", required=True, metavar="DIR", help="Folder or URL of the mixture.")
@click.option(
    "--for",
    "targets",
    multiple=True,
    type=click.Choice(list(MODULES)),
    metavar="NAME",
    help="Then also export for NAME, into DIR-NAME, as `export` does; may be given again.",
)
@validation_option
@click.option(
    "--take",
    type=Taken(),
    metavar="AMOUNT",
    help="Only the first shards: a number of them, or a part such as 10%, rounded up. Taking more "
    "later adds shards.",
)
@click.option(
    "--update",
    is_flag=True,
    help="Make another finished mixture in DIR into this one; shards that come out the same are "
    "not touched.",
)
@running
@format_option
@shards_option
@beam_argument
@click.pass_context
def build(
    ctx: click.Context,
    *,
    recipe: str | None,
    lock_file: Path | None,
    out: str,
    targets: tuple[str, ...],
    validation: Fraction,
    take: int | Fraction | None,
    update: bool,
    store: Path,
    mirror: Path | None,
    offline: bool,
    cards: Path | None,
    templates: Path | None,
    workers: int | None,
    runner: str | None,
    seed: int | None,
    strict: bool,
    as_json: bool,
    log_json: bool,
    format: str | None,  # noqa: A002
    shards: int | None,
    beam_options: tuple[str, ...],
) -> None:
    """Build the mixture of a recipe; rows that the store lacks are ingested first.

    With --lock in place of RECIPE, the mixture of a lock is built again. Every task must be there,
    and the digests beside the lock must come out; if not, this ends with 1.

    Shards that an interrupted build has finished are kept. The manifest is written last: where it
    stands, the mixture is complete.
    """
    from mixture_builder.cli import building, steps
    from mixture_builder.cli.build_summary import summary_text
    from mixture_builder.cli.runners import make_runner, warming

    if targets:
        _check_targets(targets, validation)
    elif validation:
        raise click.UsageError("--validation is for exports; add --for NAME.")
    log = steps.start_log(as_json=log_json)
    if lock_file is not None:
        given = {
            "RECIPE": recipe,
            "--seed": seed,
            "--templates": templates,
            "--format": format,
            "--shards": shards,
            "--take": take,
            "--update": update or None,
        }
        if wrong := [name for name, value in given.items() if value is not None]:
            raise click.UsageError(f"--lock decides everything; leave out {', '.join(wrong)}.")
    elif recipe is None:
        raise click.UsageError("found neither RECIPE nor --lock FILE; expected one of them.")
    where = make_runner(
        name=runner,
        workers=workers,
        beam_options=beam_options,
        warm=warming(recipe, cards=cards, templates=templates) if recipe else None,
        log=log,
    )
    sources: dict[str, Any] = {
        "store": store,
        "mirror": mirror,
        "offline": offline,
        "runner": where,
        "log": log,
    }
    if lock_file is not None:
        summary, left_out = building.rebuild(lock_file, cards=cards, out=out, **sources), {}
    else:
        assert recipe is not None  # as was checked
        mixture = steps.load(recipe, seed=seed, cards=cards, templates=templates)
        ingested = steps.ingest(mixture, strict=strict, **sources)
        summary = building.build(
            ingested,
            store=store,
            out=out,
            runner=where,
            log=log,
            shards=shards,
            format=format,
            take=take,
            update=update,
        )
        left_out = dict(ingested.left_out)
    exports = [
        export_beside(out, target=target, validation=validation, workers=workers)
        for target in targets
    ]
    if as_json:
        show_json({**summary, **({"exports": exports} if targets else {})})
    else:
        click.echo("\n".join([summary_text(summary), *map(export_text, exports)]))
    if left_out:
        ctx.exit(steps.LEFT_OUT)


def _check_targets(targets: tuple[str, ...], validation: Fraction) -> None:
    """What cannot be exported is said before hours of building."""
    from mixture_builder.export.options import ExportOptions, check_options

    for target in targets:
        check_options(target, ExportOptions(validation=validation))
