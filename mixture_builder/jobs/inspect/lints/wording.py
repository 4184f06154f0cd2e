"""How many templates a file has, how much they share, which way they go."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import combinations

from jinja2 import nodes

from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jinja_parsing import parse
from mixture_builder.jobs.inspect.lints.problem import Problem
from mixture_builder.jobs.inspect.lints.subject import Subject

FEW_TEMPLATES = 10
"""With fewer phrasings of a task, a model learns the phrasing."""

FEW_PARAPHRASES = 5
"""Fewest templates of a file whose templates all say one prompt in other words."""

MOST_IN_COMMON = 2 / 3
"""Share of their words that two templates of a file may have in common."""

MOST_LABELLED = 1 / 3
"""Share of the templates of a file that may end with a label of their own."""


def few_templates(subject: Subject) -> Iterator[Problem]:
    """Fewer templates than a model needs not to learn their wording."""
    found = len(subject.templates.templates)
    fewest = FEW_PARAPHRASES if subject.templates.prompt else FEW_TEMPLATES
    if found < fewest:
        yield Problem(
            lint="few_templates",
            message=f"found {found} templates; {fewest} or more are better: with fewer, a model "
            "learns the phrasing.",
        )


def directions(subject: Subject) -> Iterator[Problem]:
    """Inverted templates are the exception, but where a task allows them there should be some."""
    templates = subject.templates.templates
    inverted = sum(t.direction == "inverted" for t in templates)
    if inverted * 2 > len(templates):
        yield Problem(
            lint="mostly_inverted",
            message=f"found {inverted} inverted templates of {len(templates)}; expected at most "
            "half.",
            remedy="Write more direct ones, or call direct what the task is about.",
        )
    if not inverted and not subject.templates.prompt:
        yield Problem(
            lint="none_inverted",
            message="found no inverted template; a recipe's inversion_rate changes nothing here.",
        )


def not_compiled(subject: Subject) -> Iterator[Problem]:
    """Texts that sandboxed Jinja renders."""
    for text in subject.texts():
        reason = compile_text(text.source).fallback
        if reason:
            yield Problem(
                lint="not_compiled",
                template=text.template,
                key=text.key,
                message=f"is not compiled, because of {reason}; sandboxed Jinja renders it, some "
                "ten times more slowly.",
            )


def alike(subject: Subject) -> Iterator[Problem]:
    """Pairs of templates whose inputs share more than `MOST_IN_COMMON` of their words."""
    templates = subject.templates.templates
    words = [words_of(template.input) for template in templates]
    for (i, one), (j, other) in combinations(enumerate(words), 2):
        share = common_share(one, other)
        if share > MOST_IN_COMMON:
            yield Problem(
                lint="alike",
                template=j,
                key="input",
                message=f"shares {share:.0%} of its words with templates[{i}] '{templates[i].id}'; "
                f"expected at most {MOST_IN_COMMON:.0%}.",
                remedy="Say it another way.",
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


_LABEL_AT_END = re.compile(
    r"(?:^|\n)[ \t*#\[(]*(?:the |your )?"
    r"(?:a|answer|q|question|output|out|response|reply|result|solution|label|completion)"
    r"[\])*]*:[\])*]*\s*$",
    re.IGNORECASE,
)


def own_labels(subject: Subject) -> Iterator[Problem]:
    """Labels such as `Answer:` at the end of prompts, which styles bring too."""
    templates = subject.templates.templates
    labelled = [t.id for t in templates if _LABEL_AT_END.search(t.input)]
    if len(labelled) > len(templates) * MOST_LABELLED:
        yield Problem(
            lint="own_labels",
            message=f"found a label at the end of {len(labelled)} templates of {len(templates)} "
            f"({', '.join(labelled)}); labels are drawn outside the templates.",
            remedy="End some with the request itself.",
        )
