"""`doctor`: has this machine what a build needs, and do the sources of cards answer?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli.options import cards_option, json_option, mirror_option, store_option
from mixture_builder.cli.output import many, show_json, table

if TYPE_CHECKING:
    from mixture_builder.jobs.inspect.sources import SourceReport, TaskSources

MARKS = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}

SECONDS = 20.0
"""What an address has to answer."""

SHOWN_TASKS = 20
"""Tasks of one kind that are shown to people; `--json` has all."""


@click.command(short_help="Check this machine, or whether sources still answer.")
@click.argument("globs", nargs=-1, metavar="[GLOB]...")
@click.option(
    "--sources",
    is_flag=True,
    help="Ask the sources of all cards, or of those that a GLOB names, whether they answer.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help=f"With --sources: seconds that one address has.  [default: {SECONDS:g}]",
)
@mirror_option
@cards_option
@store_option
@json_option
@click.pass_context
def doctor(
    ctx: click.Context,
    *,
    globs: tuple[str, ...],
    sources: bool,
    timeout: float | None,
    mirror: Path | None,
    cards: Path | None,
    store: Path,
    as_json: bool,
) -> None:
    """Look at Python, packages, cores, memory, disk, worker processes and the row store.

    Imports heavy libraries to see that they work, so it takes some seconds. Exit code 1 says that
    something would not work.

    With --sources, look at the network instead: each distinct address of each source is asked for
    its first bytes, many at once. Exit code 1 says that a task whose card says `public` has no
    source that answers.
    """
    if sources:
        _sources(
            ctx,
            globs=globs,
            timeout=timeout or SECONDS,
            mirror_file=mirror,
            cards=cards,
            as_json=as_json,
        )
    elif globs or timeout or mirror or cards:
        ctx.fail("a GLOB, --timeout, --mirror and --cards belong to --sources.")
    else:
        _machine(ctx, store=store, as_json=as_json)


def _machine(ctx: click.Context, *, store: Path, as_json: bool) -> None:
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


def _sources(
    ctx: click.Context,
    *,
    globs: tuple[str, ...],
    timeout: float,
    mirror_file: Path | None,
    cards: Path | None,
    as_json: bool,
) -> None:
    from mixture_builder.card_files import load_cards
    from mixture_builder.cli.progress import JobLog
    from mixture_builder.errors import UsageError
    from mixture_builder.io.mirror import Mirror
    from mixture_builder.jobs.inspect.sources import check_sources
    from mixture_builder.shipped import cards_folder

    mirror = Mirror.load(mirror_file) if mirror_file else Mirror.empty()
    found, findings = load_cards(cards or cards_folder(), expressions=False)
    chosen = {
        task: card
        for task, card in found.items()
        if not globs or any(fnmatchcase(task, glob) for glob in globs)
    }
    if not chosen:
        raise UsageError("found no card of that name; `mixture-builder cards list` shows them.")
    with JobLog(as_json=False).bar("asking", total=0, unit="addresses") as bar:
        report = check_sources(chosen, mirror=mirror, timeout=timeout, told=bar.of)
    if as_json:
        show_json(
            {
                "sound": report.sound,
                "hosts": [asdict(host) for host in report.hosts],
                "tasks": [task.to_json() for task in report.tasks],
            }
        )
    else:
        click.echo("\n".join(_report_text(report)))
    if findings:
        files = many(len({f.file for f in findings}), "file")
        click.echo(f"{files} with errors left out; `mixture-builder cards check`.", err=True)
    if not report.sound:
        ctx.exit(1)


def _report_text(report: SourceReport) -> Iterator[str]:
    yield table(
        ["host", "addresses", "answer"],
        [[h.host, f"{h.addresses:,}", f"{h.answer:,}"] for h in report.hosts],
        right=["addresses", "answer"],
    )
    first = [t for t in report.tasks if t.answers and not t.failures[0]]
    later = [t for t in report.tasks if t.answers and t.failures[0]]
    none = [t for t in report.tasks if not t.answers]
    yield from _tasks_text("no source answers", none)
    yield from _tasks_text("not the first source, but a later one answers", later)
    lost = sum(not task.sound for task in report.tasks)
    yield (
        f"\n{many(len(report.tasks), 'task')}: {len(first):,} whose first source answers, "
        f"{len(later):,} with a later one, {len(none):,} with none"
        + (f" ({lost:,} of these should be public)" if none else "")
    )


def _tasks_text(title: str, tasks: Sequence[TaskSources]) -> Iterator[str]:
    if not tasks:
        return
    yield f"\n{title}: {many(len(tasks), 'task')}"
    for task in tasks[:SHOWN_TASKS]:
        yield f"  {task.task} ({task.state})"
        for number, failures in enumerate(task.failures, start=1):
            if failures:
                yield f"    source {number}: {_failures_text(failures)}"
    if len(tasks) > SHOWN_TASKS:
        yield f"  and {len(tasks) - SHOWN_TASKS:,} more; --json has all"


def _failures_text(failures: Sequence[Any]) -> str:
    more = f" (and {len(failures) - 1:,} more addresses)" if len(failures) > 1 else ""
    return f"{failures[0].detail}: {failures[0].address}{more}"
