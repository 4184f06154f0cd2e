"""What a template says by itself: odd characters and things left to be filled in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from jinja2 import nodes

from mixture_builder.jinja_parsing import parse
from mixture_builder.jobs.inspect.lints.problem import Problem
from mixture_builder.jobs.inspect.lints.subject import Subject

ENGLISH = "en"


def odd_characters(subject: Subject) -> Iterator[Problem]:
    """Characters that nobody sees or expects."""
    english = all(
        language.split("-")[0] == ENGLISH for card in subject.cards for language in card.languages
    )
    for text in subject.texts():
        found = sorted({c for c in text.source if _is_odd(c, english=english)})
        if found:
            names = ", ".join(f"U+{ord(c):04X} {unicodedata.name(c, '')}".strip() for c in found)
            yield Problem(
                lint="odd_character",
                template=text.template,
                key=text.key,
                message=f"holds {names}.",
                remedy="Write a plain character in its place.",
            )


def _is_odd(character: str, *, english: bool) -> bool:
    if character.isascii():
        return character not in "\n\t" and not character.isprintable()
    kind = unicodedata.category(character)
    # Cf holds zero-width and bidirectional marks, Z all spaces but the plain one.
    if kind[0] in "CZ":
        return True
    # English has words such as précis; letters of other scripts are slips, or look like ours.
    return english and kind[0] in "LM" and not unicodedata.name(character, "").startswith("LATIN ")


_LEFT_OVER = re.compile(
    r"\b(?:TODO|FIXME|TBD|XXX+|lorem ipsum)\b|\?\?\?"
    r"|[<\[](?:insert|fill in)\b[^>\]]*[>\]]",
)
_SINGLE_BRACES = re.compile(r"\{\s*([a-z_][a-z0-9_]*)\s*\}")


def placeholders(subject: Subject) -> Iterator[Problem]:
    """Things left to be filled in, and names of fields that stand as text."""
    known = frozenset(name for card in subject.cards for name in card.template_names())
    for text in subject.texts():
        own = own_words(text.source)
        found = [match[0] for match in _LEFT_OVER.finditer(own)]
        found += [m[0] for m in _SINGLE_BRACES.finditer(own) if m[1] in known]
        if found:
            yield Problem(
                lint="placeholder",
                template=text.template,
                key=text.key,
                message=f"holds {found[0]!r}, which looks left to be filled in.",
                remedy="Write the words, or the field as {{ name }}.",
            )


def own_words(source: str) -> str:
    """What a template says by itself, in all branches, in one text."""
    return "\n".join(part.data for part in parse(source).find_all(nodes.TemplateData))
