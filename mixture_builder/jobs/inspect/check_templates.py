"""Template files: names against all cards, wordings against each other, what is not compiled."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path

from jinja2 import nodes

from mixture_builder.cards import TaskCard
from mixture_builder.findings import Finding, Severity
from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jinja_sandbox import parse
from mixture_builder.styles import load_styles
from mixture_builder.templates import (
    PromptTemplate,
    TemplateSet,
    check_names,
    load_templates,
    template_names,
)

FEW_TEMPLATES = 10
"""With fewer phrasings of a task, a model learns the phrasing."""

FEW_PARAPHRASES = 5
"""Fewest templates of a file whose templates all say one prompt in other words."""

MOST_IN_COMMON = 2 / 3
"""Share of their words that two templates of a file may have in common."""


def check_templates(folder: Path, cards: Mapping[str, TaskCard]) -> Iterator[Finding]:
    """What is wrong with template and style files, and what is worth knowing about them.

    Args:
      folder: of templates and styles.
      cards: by id; their names are held against the templates they use.
    """
    _, _, findings = load_styles(folder)
    yield from findings
    users: dict[str, list[TaskCard]] = {}
    for card in cards.values():
        users.setdefault(card.templates, []).append(card)
    for name in template_names(folder):
        loaded, findings = load_templates(folder, name)
        yield from findings
        if loaded is None:
            continue
        yield from _check_names(loaded, users.get(name, []))
        yield from _fallbacks(loaded)
        yield from alike(loaded)
        fewest = FEW_PARAPHRASES if loaded.prompt else FEW_TEMPLATES
        if len(loaded.templates) < fewest:
            yield _finding(
                loaded,
                "templates",
                f"found {len(loaded.templates)} templates; {fewest} or more are better: "
                "with fewer, a model learns the phrasing.",
                Severity.WARNING,
            )
        if name not in users:
            yield _finding(loaded, "", "no card uses this file.", Severity.NOTE)


def _check_names(templates: TemplateSet, cards: list[TaskCard]) -> Iterator[Finding]:
    seen: set[tuple[frozenset[str], frozenset[str]]] = set()
    for card in cards:
        optional = frozenset(f.name for f in card.fields if f.optional)
        known = card.template_names()
        if (known, optional) not in seen:
            seen.add((known, optional))
            yield from check_names(templates, known=known, optional=optional, task=card.id)


def _fallbacks(templates: TemplateSet) -> Iterator[Finding]:
    for index, template in enumerate(templates.templates):
        for key, source in texts_of(template):
            reason = compile_text(source).fallback
            if reason:
                yield _finding(
                    templates,
                    f"templates[{index}] '{template.id}'.{key}",
                    f"is not compiled, because of {reason}; sandboxed Jinja renders it, some ten "
                    "times more slowly.",
                    Severity.NOTE,
                )


def texts_of(template: PromptTemplate) -> list[tuple[str, str]]:
    """The Jinja texts of a template, with their keys in the file."""
    texts = [
        ("input", template.input),
        ("target", template.target),
        ("few_shot.instruction", template.instruction),
        ("few_shot.input", template.few_shot_input),
        ("few_shot.target", template.few_shot_target),
    ]
    return [(key, source) for key, source in texts if source]


def alike(templates: TemplateSet) -> Iterator[Finding]:
    """Pairs of templates whose inputs share more than `MOST_IN_COMMON` of their words."""
    words = [words_of(template.input) for template in templates.templates]
    for (i, one), (j, other) in combinations(enumerate(words), 2):
        share = common_share(one, other)
        if share > MOST_IN_COMMON:
            first, second = templates.templates[i].id, templates.templates[j].id
            yield _finding(
                templates,
                f"templates[{j}] '{second}'.input",
                f"shares {share:.0%} of its words with templates[{i}] '{first}'; expected at most "
                f"{MOST_IN_COMMON:.0%}.",
                Severity.WARNING,
                "Say it another way.",
            )


_WORD = re.compile(r"\w+(?:['’]\w+)*")


def words_of(source: str) -> Counter[str]:
    """The words of a template that are its own, without what Jinja puts in.

    >>> sorted(words_of("Is {{ premise }} true? {% if options_text %}Pick one.{% endif %}").items())
    [('is', 1), ('one', 1), ('pick', 1), ('true', 1)]
    """
    own = " ".join(part.data for part in parse(source).find_all(nodes.TemplateData))
    return Counter(_WORD.findall(own.casefold()))


def common_share(one: Counter[str], other: Counter[str]) -> float:
    """Words that both have, each as often as both have it, over the mean of their numbers.

    >>> common_share(Counter("aab"), Counter("abc"))
    0.6666666666666666
    >>> common_share(Counter(), Counter())
    0.0
    """
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 0.0


def _finding(
    templates: TemplateSet, place: str, message: str, severity: Severity, remedy: str = ""
) -> Finding:
    return Finding(
        severity=severity, file=templates.file, place=place, message=message, remedy=remedy
    )
