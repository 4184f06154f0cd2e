"""The command line of the pipelines: options of their own, all others are Beam's."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mixture_builder.errors import MixtureBuilderError
from mixture_builder.io.remote_store import store_folder
from mixture_builder.shipped import default_store

LEFT_OUT = 3
"""Exit code when the work is done, but not for all tasks."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def pipeline_parser(name: str, *, about: str, examples: str) -> argparse.ArgumentParser:
    """A parser with what both pipelines take."""
    parser = argparse.ArgumentParser(
        prog=f"python -m pipelines.{name}",
        description=f"{about} Options not listed here go to Beam; write them as --name=value.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # or options of Beam's would be taken for ours
    )
    parser.add_argument(
        "given", metavar="RECIPE", nargs="?", help="a file, or the name of a shipped recipe"
    )
    parser.add_argument("--recipe", metavar="RECIPE", help="the same, where names are required")
    parser.add_argument(
        "--store",
        type=store_folder,
        default=default_store(),
        metavar="DIR",
        help="row store, a folder or URL; workers must see it (default: in the cache folder)",
    )
    parser.add_argument("--mirror", type=Path, metavar="FILE", help="your copies of sources")
    parser.add_argument("--seed", type=int, help="replaces the recipe's")
    parser.add_argument(
        "--runner",
        default="FnApiRunner",
        metavar="NAME",
        help="of Beam's; FnApiRunner runs on this machine (default)",
    )
    return parser


def recipe_of(parser: argparse.ArgumentParser, args: argparse.Namespace) -> str:
    """The recipe that the command line names in one of two ways; ends the process if in none."""
    named = [name for name in (args.given, args.recipe) if name]
    if len(named) != 1:
        parser.error(f"found {len(named)} recipes; expected one, as RECIPE or as --recipe=RECIPE")
    return str(named[0])


def run(main: Callable[[Sequence[str]], int]) -> None:
    """Runs a pipeline's `main` on the command line and ends the process."""
    try:
        code = main(sys.argv[1:])
    except MixtureBuilderError as problem:
        tell(str(problem))
        code = problem.exit_code
    except KeyboardInterrupt:
        tell("interrupted; finished work is kept, and the same command goes on from there")
        code = INTERRUPTED
    raise SystemExit(code)


def tell(text: str) -> None:
    """One line of progress, on stderr."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201
