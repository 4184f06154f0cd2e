"""Options that several commands share, each a decorator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Decorator = Callable[[Any], Any]

FORMATS = ("parquet", "tfrecord", "jsonl")


def _absolute(_ctx: click.Context, _parameter: click.Parameter, value: Path | None) -> Path | None:
    return value.expanduser().absolute() if value else None


def _store(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> Path:
    from mixture_builder.shipped import default_store

    if not value:
        return default_store()
    if "://" in value and not value.startswith("file://"):
        from mixture_builder.io.remote_store import local_view

        return local_view(value)
    path = Path(value.removeprefix("file://")).expanduser().absolute()
    if path.is_file():
        raise click.BadParameter(f"'{value}' is a file; expected a folder or a URL.")
    return path


recipe_argument: Decorator = click.argument("recipe", metavar="RECIPE")

store_option: Decorator = click.option(
    "--store",
    callback=_store,
    metavar="DIR",
    help="Row store: a folder or URL.  [default: mixture-builder/store in your cache folder]",
)
mirror_option: Decorator = click.option(
    "--mirror",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where your copies of upstream files stand.",
)
offline_option: Decorator = click.option(
    "--offline",
    is_flag=True,
    help="Read nothing over the network; tasks without a local copy are left out.",
)
cards_option: Decorator = click.option(
    "--cards",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    callback=_absolute,
    metavar="DIR",
    help="Task cards to use instead of the shipped ones.",
)
templates_option: Decorator = click.option(
    "--templates",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    callback=_absolute,
    metavar="DIR",
    help="Templates and styles to use instead of the shipped ones.",
)
workers_option: Decorator = click.option(
    "--workers",
    type=click.IntRange(min=0),
    metavar="N",
    help="Worker processes; 0 works in this process.  [default: the number of cores]",
)
runner_option: Decorator = click.option(
    "--runner",
    metavar="NAME",
    help="Run on this Beam runner instead; its options follow after `--`.",
)
beam_argument: Decorator = click.argument(
    "beam_options", nargs=-1, type=click.UNPROCESSED, metavar="[-- BEAM_OPTIONS]"
)
format_option: Decorator = click.option(
    "--format", type=click.Choice(FORMATS), help="Format of the shards.  [default: the recipe's]"
)
shards_option: Decorator = click.option(
    "--shards",
    type=click.IntRange(1, 99_999),
    metavar="N",
    help="Number of shards.  [default: the recipe's]",
)
seed_option: Decorator = click.option(
    "--seed", type=click.IntRange(min=0), metavar="N", help="Seed.  [default: the recipe's]"
)
strict_option: Decorator = click.option(
    "--strict",
    is_flag=True,
    help="A task that would be left out is an error, and so is a record in quarantine.",
)
color_option: Decorator = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Whether colours tell parts apart; auto: in a terminal, unless NO_COLOR is set.",
)
json_option: Decorator = click.option(
    "--json", "as_json", is_flag=True, help="Report as JSON on stdout."
)
log_json_option: Decorator = click.option(
    "--log-json", is_flag=True, help="Log what happens on stderr, one JSON object a line."
)


def together(*decorators: Decorator) -> Callable[[Decorated], Decorated]:
    """Several decorators as one; options are shown in this order."""

    def decorate(function: Decorated) -> Decorated:
        decorated: Any = function
        for decorator in reversed(decorators):
            decorated = decorator(decorated)
        result: Decorated = decorated
        return result

    return decorate


running: Callable[[Any], Any] = together(
    store_option,
    mirror_option,
    offline_option,
    cards_option,
    templates_option,
    workers_option,
    runner_option,
    seed_option,
    strict_option,
    json_option,
    log_json_option,
)
"""What `ingest` and `build` have in common."""
