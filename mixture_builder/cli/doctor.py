"""`doctor`: has this machine what a build needs?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from mixture_builder.cli.options import json_option, store_option
from mixture_builder.cli.output import many, show_json

MARKS = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}


@click.command(short_help="Check that this machine has what a build needs.")
@store_option
@json_option
@click.pass_context
def doctor(ctx: click.Context, *, store: Path, as_json: bool) -> None:
    """Look at Python, packages, cores, memory, disk, worker processes and the row store.

    Imports heavy libraries to see that they work, so it takes some seconds. Exit code 1 says that
    something would not work.
    """
    from mixture_builder.jobs.inspect.doctor import examine

    found = []
    for each in examine(store=store, folder=Path.cwd()):
        found.append(each)
        if not as_json:
            remedy = f"\n{'':<29}-> {each.remedy}" if each.remedy else ""
            click.echo(f"{MARKS[each.state]}  {each.name:<22}{each.found}{remedy}")
    errors = sum(each.state == "error" for each in found)
    warnings = sum(each.state == "warning" for each in found)
    if as_json:
        show_json({"sound": not errors, "found": [asdict(each) for each in found]})
    else:
        click.echo(f"{many(errors, 'error')}, {many(warnings, 'warning')}")
    if errors:
        ctx.exit(1)
