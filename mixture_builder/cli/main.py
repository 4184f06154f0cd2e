"""The entry of the command line: finds commands, turns errors into texts and exit codes.

Exit codes: 0 done; 1 an error, or findings; 2 wrong usage; 3 done, but some tasks were
left out; 130 interrupted. A user's mistake never shows a stack trace.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
import traceback
from importlib import import_module
from typing import Any

import click

from mixture_builder.errors import MixtureBuilderError, of_the_machine
from mixture_builder.findings import did_you_mean
from mixture_builder.version import __version__

COMMANDS = {
    "quickstart": "mixture_builder.cli.quickstart:quickstart",
    "cards": "mixture_builder.cli.cards:cards",
    "templates": "mixture_builder.cli.templates:templates",
    "plan": "mixture_builder.cli.plan:plan",
    "diff": "mixture_builder.cli.diff:diff",
    "preview": "mixture_builder.cli.preview:preview",
    "ingest": "mixture_builder.cli.ingest:ingest",
    "build": "mixture_builder.cli.build:build",
    "verify": "mixture_builder.cli.verify:verify",
    "audit": "mixture_builder.cli.audit:audit",
    "contamination": "mixture_builder.cli.contamination:contamination",
    "dedupe": "mixture_builder.cli.dedupe:dedupe",
    "export": "mixture_builder.cli.export:export",
    "release": "mixture_builder.cli.release:release",
    "certify": "mixture_builder.cli.certify:certify",
    "explain": "mixture_builder.cli.explain:explain",
    "doctor": "mixture_builder.cli.doctor:doctor",
}
"""Where each command stands, in the order in which one meets them."""

RESUMABLE = frozenset(["quickstart", "ingest", "build", "export", "release"])
"""Commands whose finished work is kept when they are interrupted."""

INTERRUPTED = 130


class Commands(click.Group):
    """Imports a command when it is asked for, and catches what it raises."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's)
        """All names, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002  (click's)
        cmd_name: str,
    ) -> click.Command | None:
        """The command of a name, or `None`."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but with the nearest spelling."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], COMMANDS) or f"Expected one of {', '.join(COMMANDS)}."
            ctx.fail(f"found no command '{args[0]}'. {hint}")
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Takes `--debug` wherever it stands before a `--`."""
        end = args.index("--") if "--" in args else len(args)
        ctx.meta["debug"] = "--debug" in args[:end]
        return super().parse_args(ctx, [a for a in args[:end] if a != "--debug"] + args[end:])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; see the module for what becomes of errors."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except MixtureBuilderError as problem:
            _show_trace(ctx)
            _say(ctx, str(problem))
            ctx.exit(problem.exit_code)
        except KeyboardInterrupt:
            _show_trace(ctx)
            kept = ctx.invoked_subcommand in RESUMABLE
            _say(
                ctx,
                "interrupted; finished shards are kept, and the same command goes on from there."
                if kept
                else "interrupted.",
            )
            ctx.exit(INTERRUPTED)
        except Exception as problem:
            if isinstance(problem, OSError) and problem.errno == errno.EPIPE:
                raise
            _show_trace(ctx)
            if known := of_the_machine(problem):
                _say(ctx, known)
                ctx.exit(1)
            text = str(problem).split("\n", maxsplit=1)[0]
            hint = "" if ctx.meta.get("debug") else " (--debug shows where)"
            _say(ctx, f"internal error: {type(problem).__name__}: {text}; please report it{hint}")
            ctx.exit(1)


def _show_trace(ctx: click.Context) -> None:
    if ctx.meta.get("debug"):
        click.echo(traceback.format_exc().rstrip(), err=True)


def _say(ctx: click.Context, text: str) -> None:
    log = ctx.meta.get("log")
    if log is not None:
        log.event("error", message=text)
    else:
        click.echo(text, err=True)


@click.group(
    name="mixture-builder",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, message="mixture-builder %(version)s")
@click.option(
    "--debug", is_flag=True, expose_value=False, help="Show a stack trace with an error; anywhere."
)
def cli() -> None:
    """Build instruction-tuning mixtures: from a recipe to sharded, checkable files.

    A RECIPE is a YAML file, or the name of a shipped recipe such as `quickstart`.

    Exit codes: 0 done; 1 an error, or findings; 2 wrong usage; 3 done, but some tasks were left
    out (named on stderr); 130 interrupted.
    """


def main() -> None:
    """What the `mixture-builder` command runs; ends the process."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter gets its escape, not a crash.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    # Nothing here multiplies matrices. numpy's library for it would start threads in each process,
    # which wait by spinning: a tenth of a second of a start when all cores are wanted.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Cards, templates and plans live as long as the command does: to look through thousands of
    # them for what is of no use any more, again and again, took a fifth of `plan`.
    gc.set_threshold(200_000, 20, 20)
    try:
        cli(prog_name="mixture-builder")
    finally:
        # Nor need the interpreter look through them when it ends.
        gc.freeze()
