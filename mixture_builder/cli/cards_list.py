"""`cards list`: which cards there are, all or those that filters name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli.options import cards_option, json_option, together
from mixture_builder.cli.output import many, show_json_list, table

if TYPE_CHECKING:
    from mixture_builder.cards import TaskCard

FILTERS: Mapping[str, tuple[str, str, Callable[[TaskCard], Iterable[str]]]] = {
    "submixture": ("NAME", "Only this part, such as cot.", lambda c: [c.submixture]),
    "category": ("GLOB", "Only this category, such as '*translation*'.", lambda c: [c.category]),
    "language": ("CODE", "Only cards with data in this language.", lambda c: c.languages),
    "licence": ("ID", "Only this licence, such as MIT.", lambda c: [c.licence["id"]]),
    "availability": ("STATE", "Only sources in this state, such as public.", lambda c: [c.state]),
    "kind": ("KIND", "Only this kind of task, such as dialog.", lambda c: [c.kind]),
}
"""Filters: how the value is called, the help, and what of a card is compared."""

filter_options: Callable[[Any], Any] = together(
    *(
        click.option(f"--{name}", name, multiple=True, metavar=metavar, help=about)
        for name, (metavar, about, _) in FILTERS.items()
    )
)


@click.command("list", short_help="List cards.")
@click.argument("globs", nargs=-1, metavar="[GLOB]...")
@filter_options
@click.option(
    "--with-options/--without-options",
    "options",
    default=None,
    help="Only tasks with, or without, a closed list of answers.",
)
@click.option(
    "--cot/--no-cot",
    "cot",
    default=None,
    help="Only tasks with, or without, a chain of thought.",
)
@cards_option
@json_option
@click.pass_context
def list_cards(
    ctx: click.Context,
    /,
    *,
    globs: tuple[str, ...],
    options: bool | None,
    cot: bool | None,
    cards: Path | None,
    as_json: bool,
    **wanted: tuple[str, ...],
) -> None:
    """List cards, all or those that a GLOB names, such as 'niv2/*quoref*'.

    Filters narrow the list together. One that is given twice takes either value, and a value may
    hold a `*`. Upper and lower case are the same.
    """
    from mixture_builder.card_files import load_cards
    from mixture_builder.shipped import cards_folder

    folder = cards or cards_folder()
    submixtures = wanted["submixture"]

    def is_wanted(file: str) -> bool:
        first, _, below = file.partition("/")
        return not below or _fits([first], submixtures)

    found, findings = load_cards(
        folder, wanted=is_wanted if submixtures else None, expressions=False
    )
    if submixtures and not any(_fits([card.submixture], submixtures) for card in found.values()):
        found, findings = load_cards(folder, expressions=False)
    _refuse_unknown(found, wanted)
    chosen = [
        card
        for card in found.values()
        if (not globs or any(fnmatchcase(card.id, glob) for glob in globs))
        and all(not wanted[name] or _fits(FILTERS[name][2](card), wanted[name]) for name in FILTERS)
        and options in {None, card.has_options}
        and cot in {None, card.cot}
    ]
    if as_json:
        show_json_list(card.to_json() for card in chosen)
    elif chosen:
        click.echo(_list_text(chosen))
    if findings:
        count = len({f.file for f in findings})
        click.echo(
            f"{many(count, 'file')} with errors left out; `mixture-builder cards check` shows what "
            "is wrong.",
            err=True,
        )
    if not chosen:
        asked = any([*wanted.values(), options is not None, cot is not None])
        click.echo(
            "found no card that fits all of this; leave a filter out."
            if asked
            else "found no card of that name; without any GLOB, all are listed.",
            err=True,
        )
        ctx.exit(1)


def _fits(values: Iterable[str], patterns: Sequence[str]) -> bool:
    folded = [pattern.casefold() for pattern in patterns]
    return any(fnmatchcase(value.casefold(), pattern) for value in values for pattern in folded)


def _refuse_unknown(cards: Mapping[str, TaskCard], wanted: Mapping[str, Sequence[str]]) -> None:
    from mixture_builder.errors import UsageError
    from mixture_builder.findings import did_you_mean

    problems = []
    for name, patterns in wanted.items():
        if not patterns:
            continue
        known = sorted({value for card in cards.values() for value in FILTERS[name][2](card)})
        for pattern in patterns:
            if not _fits(known, [pattern]):
                hint = did_you_mean(pattern, known)
                problems.append(
                    f"--{name} {pattern}: no card has it; expected one of {', '.join(known)}. "
                    f"{hint}".rstrip()
                )
    if problems:
        raise UsageError("\n".join(problems))


def _list_text(cards: Sequence[TaskCard]) -> str:
    rows = [
        [
            card.id,
            card.kind,
            " ".join(card.languages),
            f"{card.known_rows:,}" if card.known_rows is not None else "?",
            card.licence["id"],
        ]
        for card in cards
    ]
    return table(["id", "kind", "languages", "rows", "licence"], rows, right=["rows"])
