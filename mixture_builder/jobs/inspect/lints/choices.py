"""Talk of options where none are listed, of another number of them, and articles before fields."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jobs.inspect.lints.problem import Problem
from mixture_builder.jobs.inspect.lints.rendered import Rendering
from mixture_builder.jobs.inspect.lints.subject import Subject
from mixture_builder.template_texts import facts_of

_NOUN = r"(?:options?|choices|alternatives|candidate answers)"
_TALK = re.compile(
    rf"\b{_NOUN}\b"
    r"|\b(?:pick|choose|select|take|name) (?:one|from|among|out)\b[^.\n]{0,20}"
    r"\b(?:following|below|list|these|them)\b"
    r"|\bone of the following\b",
    re.IGNORECASE,
)


def options_unseen(subject: Subject, found: list[Rendering]) -> Iterator[Problem]:
    """Prompts without a list of options that speak of one.

    There is no finding where the prompt shows the options in another way, written out or in a
    field, and none where it asks for options.
    """
    templates = subject.templates.templates
    for one in found:
        if one.shows or one.text.target or one.emptied or one.text.key == "few_shot.instruction":
            continue
        asked = facts_of(templates[one.text.template].target).shown
        if _shows_choices(one) or any(map(_FIELD_OF_CHOICES.search, asked)):
            continue
        match = _TALK.search(one.shape.skeleton)
        if match:
            yield Problem(
                lint="options_unseen",
                template=one.text.template,
                key=one.text.key,
                message=f"says {match[0]!r} where no options are listed.",
                remedy="Say it under `{% if options_text %}`, or show the options.",
            )


_FIELD_OF_CHOICES = re.compile("option|choice|candidate|alternative")


def _shows_choices(one: Rendering) -> bool:
    text = one.shape.text.casefold()
    read = {*compile_text(one.text.source).names} - {"options_text"}
    for name, value in one.sample.row.items():
        if not _FIELD_OF_CHOICES.search(name):
            continue
        lines = value if isinstance(value, list) else str(value).split("\n")
        if name in read or all(line.strip().casefold() in text for line in lines):
            return True
    return False


_NUMBERS = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "both": 2,
    "either": 2,
    "neither": 2,
}
_COUNTED = re.compile(
    r"\b(two|three|four|five|six|[2-6]|both|either|neither)(?: (?:of|one|the|these|those|possible|"
    rf"answer|given|listed|following|right|other))* (?:{_NOUN}|answers|possibilities|labels)\b",
    re.IGNORECASE,
)


def option_counts(subject: Subject, found: list[Rendering]) -> Iterator[Problem]:
    """Texts that say how many options there are, where rows have another number."""
    counts = subject.option_counts
    for one in found:
        for match in _COUNTED.finditer(one.shape.skeleton):
            word = match[1].casefold()
            said = _NUMBERS.get(word) or int(word)
            if counts - {said}:
                yield Problem(
                    lint="option_count",
                    template=one.text.template,
                    key=one.text.key,
                    message=f"says {match[0]!r}; sample rows have "
                    f"{' or '.join(map(str, sorted(counts)))} options.",
                    remedy="Say it for any number.",
                )


# A capital A is the letter of an option as often as an article.
_ARTICLE = re.compile(r"\b(an?|An) [\"“'*]*$")
_CHOSEN_ARTICLE = re.compile(r"%\}an?\{%|'an?'")
_SOUNDS_LIKE_VOWEL = re.compile(r"(?:[aeiou8]|1[18]\b|ho(?:ur|nest|nou?r)|heir)", re.IGNORECASE)
_SOUNDS_LIKE_CONSONANT = re.compile(r"(?:eu|one\b|once|uni|us[ei]|ut[ie]|ub[ei])", re.IGNORECASE)


def article_for(word: str) -> str:
    """`a` or `an`, by how a word begins.

    >>> [article_for(w) for w in ("apple", "pear", "hour", "unit", "8th", "European")]
    ['an', 'a', 'an', 'a', 'an', 'a']
    """
    if _SOUNDS_LIKE_CONSONANT.match(word):
        return "a"
    return "an" if _SOUNDS_LIKE_VOWEL.match(word) else "a"


def articles(subject: Subject, found: list[Rendering]) -> Iterator[Problem]:
    """`a` or `an` before a field, unless the field is an answer and it fits all options known."""
    known = {o for s in subject.samples for o in s.row.get("options", ())}
    for one in found:
        for before, behind in one.shape.borders():
            match = _ARTICLE.search(before)
            if not match:
                continue
            closed = behind.casefold() in {option.casefold() for option in known}
            # Where the template chooses the article itself, it has to fit this value only.
            values = {behind} if _CHOSEN_ARTICLE.search(one.text.source) else {behind, *known}
            if closed and all(article_for(v) == match[1].casefold() for v in values):
                continue
            yield Problem(
                lint="article",
                template=one.text.template,
                key=one.text.key,
                message=f"says {match[1]!r} before a field, such as {behind[:30]!r}.",
                remedy="Say it so that no article stands before the field.",
            )
