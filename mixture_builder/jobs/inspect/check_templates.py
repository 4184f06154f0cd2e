"""Template files: names against all cards, and everything the lints find in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mixture_builder.cards import TaskCard
from mixture_builder.findings import Finding
from mixture_builder.jobs.inspect.check_cards import enumerating
from mixture_builder.jobs.inspect.lints import choices, literal, names, rendered, wording
from mixture_builder.jobs.inspect.lints.problem import LINTS, Problem
from mixture_builder.jobs.inspect.lints.subject import Subject, unlike
from mixture_builder.styles import Styles, load_styles
from mixture_builder.template_files import check_names, load_templates, template_names
from mixture_builder.templates import TemplateSet
from mixture_builder.yaml_files import Lines, find_lines, line_of


def check_templates(folder: Path, cards: Mapping[str, TaskCard]) -> Iterator[Finding]:
    """What is wrong with template and style files, and what is worth knowing about them.

    Args:
      folder: of templates and styles.
      cards: by id; their names are held against the templates they use, and their sample rows
        are put into them.
    """
    styles, _, findings = load_styles(folder)
    yield from findings
    users: dict[str, list[TaskCard]] = {}
    for card in cards.values():
        users.setdefault(card.templates, []).append(card)
    for name in template_names(folder):
        loaded, findings = load_templates(folder, name)
        yield from findings
        if loaded is None:
            continue
        unknown = list(_check_names(loaded, users.get(name, [])))
        yield from unknown
        subject = Subject(templates=loaded, cards=unlike(users.get(name, [])))
        problems = list(lint(subject, styles=None if unknown else styles))
        lines = find_lines(folder / f"{name}.yaml") if problems else {}
        for problem in problems:
            yield finding_of(problem, loaded, lines)


def _check_names(templates: TemplateSet, cards: list[TaskCard]) -> Iterator[Finding]:
    seen: set[tuple[frozenset[str], frozenset[str]]] = set()
    for card in cards:
        optional = frozenset(f.name for f in card.fields if f.optional)
        known = card.template_names()
        if (known, optional) not in seen:
            seen.add((known, optional))
            yield from check_names(templates, known=known, optional=optional, task=card.id)


def lint(subject: Subject, *, styles: Styles | None) -> Iterator[Problem]:
    """What the lints find in one file, without what its templates allow.

    Args:
      subject: the file and its users.
      styles: to lay out options and dialogs with; `None` leaves out the lints that render.
    """
    allowed = subject.templates.allowed
    ids = [template.id for template in subject.templates.templates]
    needed: set[tuple[str, str]] = set()
    for problem in _all_problems(subject, styles):
        name = ids[problem.template] if problem.template >= 0 else ""
        if problem.lint in allowed.get(name, {}):
            needed.add((name, problem.lint))
        else:
            yield problem
    if styles is None:
        return
    for name, lints in allowed.items():
        for unneeded in lints:
            if (name, unneeded) not in needed:
                yield Problem(
                    lint="allow_unneeded",
                    template=ids.index(name),
                    key="allow",
                    message=f"allows '{unneeded}', which finds nothing here.",
                    remedy="Leave it out.",
                )


def _all_problems(subject: Subject, styles: Styles | None) -> Iterator[Problem]:
    if not subject.cards:
        yield Problem(lint="unused_file", message="no card uses this file.")
    yield from wording.few_templates(subject)
    yield from wording.directions(subject)
    yield from wording.own_labels(subject)
    yield from wording.alike(subject)
    yield from wording.not_compiled(subject)
    yield from names.unused_fields(subject)
    yield from names.targets(subject)
    yield from names.answers_shown(subject)
    yield from literal.odd_characters(subject)
    yield from literal.placeholders(subject)
    if styles is None:
        return
    style = enumerating(styles)
    found = list(rendered.renderings(subject, styles=styles, style=style))
    yield from rendered.once(_in_renderings(subject, found))


def _in_renderings(subject: Subject, found: list[rendered.Rendering]) -> Iterator[Problem]:
    for one in found:
        yield from rendered.layout(one)
        yield from rendered.brackets(one)
        yield from rendered.nothings(one)
    yield from rendered.leaks(subject, found)
    yield from choices.options_unseen(subject, found)
    yield from choices.option_counts(subject, found)
    yield from choices.articles(subject, found)


def finding_of(problem: Problem, templates: TemplateSet, lines: Lines) -> Finding:
    """A problem with its file, place, line and severity."""
    place = "" if problem.lint == "unused_file" else "templates"
    path: tuple[str | int, ...] = ("templates",)
    if problem.template >= 0:
        place += f"[{problem.template}] '{templates.templates[problem.template].id}'"
        place += f".{problem.key}" if problem.key else ""
        path = (*path, problem.template, *problem.key.split("."))
    return Finding(
        severity=LINTS[problem.lint].severity,
        file=templates.file,
        place=place,
        message=problem.message,
        remedy=problem.remedy,
        line=line_of(lines, path) if problem.template >= 0 else 0,
        lint=problem.lint,
    )
