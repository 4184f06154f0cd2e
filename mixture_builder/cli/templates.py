"""`templates`: list, show, check and import prompt templates."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mixture_builder.cli.cards import show_findings
from mixture_builder.cli.options import cards_option, json_option, templates_option
from mixture_builder.cli.output import indented, many, show_json, table
from mixture_builder.cli.shown import BAR
from mixture_builder.cli.template_imports import import_

if TYPE_CHECKING:
    from mixture_builder.templates import PromptTemplate


@click.group(short_help="List, show, check and import prompt templates.")
def templates() -> None:
    """List, show, check and import prompt templates: how rows are said as instructions."""


templates.add_command(import_)


@templates.command("list", short_help="List template files.")
@click.argument("globs", nargs=-1, metavar="[GLOB]...")
@templates_option
@cards_option
@json_option
@click.pass_context
def list_(
    ctx: click.Context,
    *,
    globs: tuple[str, ...],
    templates: Path | None,
    cards: Path | None,
    as_json: bool,
) -> None:
    """List template files, all or those that a GLOB names, such as 'cot/*'."""
    from mixture_builder.card_files import load_cards
    from mixture_builder.shipped import cards_folder, templates_folder
    from mixture_builder.template_files import load_templates, template_names

    folder = templates or templates_folder()
    names = [
        name
        for name in template_names(folder)
        if not globs or any(fnmatchcase(name, glob) for glob in globs)
    ]
    used = Counter(
        card.templates
        for card in load_cards(cards or cards_folder(), expressions=False)[0].values()
    )
    found = []
    broken = 0
    for name in names:
        loaded, _ = load_templates(folder, name)
        if loaded is None:
            broken += 1
            continue
        found.append(
            {
                "name": name,
                "file": loaded.file,
                "about": loaded.about,
                "templates": len(loaded.templates),
                "inverted": sum(t.direction == "inverted" for t in loaded.templates),
                "cards": used[name],
            }
        )
    if as_json:
        show_json(found)
    elif found:
        header = ["name", "templates", "inverted", "cards", "about"]
        rows = [
            [f"{entry[h]:,}" if isinstance(entry[h], int) else str(entry[h]) for h in header]
            for entry in found
        ]
        click.echo(table(header, rows, right=header[1:4]))
    if broken:
        click.echo(
            f"{many(broken, 'file')} with errors left out; `mixture-builder templates check` shows "
            "what is wrong.",
            err=True,
        )
    if not names:
        click.echo("found no template file of that name.", err=True)
        ctx.exit(1)


@templates.command("show", short_help="Show the templates of one file.")
@click.argument("name", metavar="NAME")
@click.option("--id", "template_id", metavar="ID", help="Only this template.")
@templates_option
@json_option
def show(*, name: str, template_id: str | None, templates: Path | None, as_json: bool) -> None:
    """Show the templates of one file, such as cot/gsm8k."""
    from mixture_builder.errors import InvalidFilesError, UsageError
    from mixture_builder.findings import did_you_mean
    from mixture_builder.shipped import templates_folder
    from mixture_builder.template_files import load_templates, template_names
    from mixture_builder.templates import templates_to_json

    folder = templates or templates_folder()
    names = template_names(folder)
    if name not in names:
        hint = did_you_mean(name, names) or "`mixture-builder templates list` shows all names."
        raise UsageError(f"{name}: found no template file of that name. {hint}")
    loaded, findings = load_templates(folder, name)
    if loaded is None:
        raise InvalidFilesError(tuple(findings))
    chosen = tuple(t for t in loaded.templates if template_id in {None, t.id})
    if not chosen:
        ids = [t.id for t in loaded.templates]
        hint = did_you_mean(str(template_id), ids) or f"Expected one of {', '.join(ids)}."
        raise UsageError(f"--id {template_id}: {loaded.file} has no such template. {hint}")
    if as_json:
        show_json({"name": name, "about": loaded.about, "templates": templates_to_json(chosen)})
    else:
        click.echo("\n\n".join([f"{name}: {loaded.about}", *map(_template_text, chosen)]))


def _template_text(template: PromptTemplate) -> str:
    remarks = [] if template.direction == "direct" else [template.direction]
    remarks += [f"only {', '.join(template.variants)}"] if template.variants else []
    remarks += [f"needs {', '.join(template.requires)}"] if template.requires else []
    heading = f"=== {template.id}" + (f"  ({'; '.join(remarks)})" if remarks else "")
    texts = [
        ("input", template.input),
        ("target", template.target),
        ("few-shot instruction", template.instruction),
        ("few-shot input", template.few_shot_input),
        ("few-shot target", template.few_shot_target),
    ]
    shown = [f"{key}\n{indented(text, BAR)}" for key, text in texts if text]
    return "\n".join([heading, *shown])


@templates.command("check", short_help="Check template files against cards and each other.")
@templates_option
@cards_option
@click.option(
    "--fail-on",
    type=click.Choice(["warning", "error"]),
    default="error",
    show_default=True,
    help="The least severity that makes the exit code 1.",
)
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    *,
    templates: Path | None,
    cards: Path | None,
    fail_on: str,
    as_json: bool,
) -> None:
    """Check all template files: texts, names, wordings, and how they read with sample rows.

    Exit code 1 says that there are errors, or with --fail-on warning that there are warnings; notes
    never count. Behind each finding stands the name of the lint.
    """
    from mixture_builder.card_files import load_cards
    from mixture_builder.jobs.inspect.check_templates import check_templates
    from mixture_builder.shipped import cards_folder, templates_folder
    from mixture_builder.template_files import template_names

    folder = templates or templates_folder()
    known, _ = load_cards(cards or cards_folder())
    findings = list(check_templates(folder, known))
    what = many(len(template_names(folder)), "template file")
    show_findings(ctx, findings, what=what, as_json=as_json, fail_on=fail_on)
