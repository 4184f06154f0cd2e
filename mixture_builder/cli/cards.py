"""`cards`: list, begin, show and check task cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli.cards_list import list_cards
from mixture_builder.cli.cards_new import new_card
from mixture_builder.cli.options import cards_option, json_option, templates_option
from mixture_builder.cli.output import facts, indented, many, show_json

if TYPE_CHECKING:
    from mixture_builder.cards import TaskCard
    from mixture_builder.findings import Finding


@click.group(short_help="List, begin, show and check task cards.")
def cards() -> None:
    """List, begin, show and check task cards: which upstream records make a task."""


cards.add_command(list_cards)
cards.add_command(new_card)


@cards.command("show", short_help="Show one card in full.")
@click.argument("task", metavar="ID")
@cards_option
@json_option
def show(*, task: str, cards: Path | None, as_json: bool) -> None:
    """Show one card in full, members of families included."""
    from mixture_builder.card_files import load_cards
    from mixture_builder.errors import InvalidFilesError, UsageError
    from mixture_builder.findings import did_you_mean
    from mixture_builder.shipped import cards_folder

    folder = task.split("/", maxsplit=1)[0]
    found, findings = load_cards(
        cards or cards_folder(), wanted=lambda file: file.split("/")[0] == folder
    )
    if task not in found:
        if findings:
            raise InvalidFilesError(tuple(findings))
        hint = did_you_mean(task, found) or "`mixture-builder cards list` shows all ids."
        raise UsageError(f"{task}: found no card of that id. {hint}")
    if as_json:
        show_json(found[task].to_json())
    else:
        click.echo(_card_text(found[task]))


def _card_text(card: TaskCard) -> str:
    rows = f"{card.known_rows:,}" if card.known_rows is not None else "not known"
    about = [
        ("kind", f"{card.kind}, with a chain of thought" if card.cot else card.kind),
        ("category", card.category),
        ("languages", ", ".join(card.languages)),
        ("rows", f"{rows} ({card.size.get('from', '')})"),
        ("licence", f"{card.licence['id']} ({card.licence.get('read_at', '')})"),
        ("templates", card.templates),
        ("file", card.file),
    ]
    if card.availability:
        state, note = card.availability["state"], card.availability.get("note", "")
        about.append(("availability", f"{state}: {note}" if note else state))
    about += [("held out", note) for note in card.held_out]
    if card.fixed_option_order:
        about.append(("options", "always in the order upstream has them"))
    if card.normalise:
        about.append(("Unicode", f"texts of rows are brought into {card.normalise}"))
    if card.notes:
        about.append(("notes", card.notes.strip()))
    blocks = [f"{card.id}: {card.title}", card.description.strip(), facts(about)]
    sources = card.to_json()["sources"]
    for number, source in enumerate(sources, start=1):
        title = f"source {number} of {len(sources)}" if len(sources) > 1 else "source"
        plain = [(key, _value(v)) for key, v in source.items() if key not in {"fields", "keep"}]
        fields = [(f["name"], _field(f)) for f in source["fields"]]
        blocks.append(f"{title}\n{facts(plain)}")
        blocks.append(f"fields\n{facts(fields)}")
        if "keep" in source:
            blocks.append(f"keep\n{indented(source['keep'], '  ')}")
    for number, record in enumerate(card.sample):
        pairs = [(key, _value(value)) for key, value in record.items()]
        blocks.append(f"sample[{number}]\n{facts(pairs)}")
    if card.citation:
        blocks.append(f"citation\n{indented(card.citation.strip(), '  ')}")
    return "\n\n".join(blocks)


def _field(field: Mapping[str, Any]) -> str:
    remarks = [field["type"]] if "type" in field else []
    remarks += ["optional"] if field.get("optional") else []
    expression: str = field["expression"]
    return expression + (f"  ({', '.join(remarks)})" if remarks else "")


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "\n".join(str(item) for item in value)
    return str(value)


@cards.command("check", short_help="Check cards, their samples and their templates.")
@click.argument(
    "paths", nargs=-1, metavar="[PATH]...", type=click.Path(exists=True, path_type=Path)
)
@cards_option
@templates_option
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    cards: Path | None,
    templates: Path | None,
    as_json: bool,
) -> None:
    """Check all cards, or those of the given files and folders.

    Sample records must give rows, and every template must give a text for each of them. Exit code
    1 says that there are errors.
    """
    from mixture_builder.jobs.inspect.check_cards import check_cards, find_cards
    from mixture_builder.shipped import cards_folder, templates_folder

    found, findings = find_cards(paths or [cards or cards_folder()])
    findings += check_cards(found, templates=templates or templates_folder())
    show_findings(ctx, findings, what=many(len(found), "sound card"), as_json=as_json)


def show_findings(
    ctx: click.Context,
    findings: Sequence[Finding],
    *,
    what: str,
    as_json: bool,
    fail_on: str = "error",
) -> None:
    """Prints findings and how many there are; exits with 1 if some are as bad as `fail_on`."""
    from mixture_builder.findings import Report, Severity

    counts = {
        f"{severity.value}s": sum(f.severity is severity for f in findings) for severity in Severity
    }
    if as_json:
        show_json({**counts, "findings": [f.to_json() for f in findings]})
    else:
        if findings:
            click.echo(Report(findings=tuple(findings)).format())
        numbers = ", ".join(many(count, name[:-1]) for name, count in counts.items())
        click.echo(f"{what}: {numbers}")
    if any(f.severity.rank <= Severity(fail_on).rank for f in findings):
        ctx.exit(1)
