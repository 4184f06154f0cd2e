"""Runs of words that texts share, whatever stands between them: fields, marks, capitals.

A template's words are taken twice: within each stretch of text between fields, and across
fields, where a field counts as one word of its own, whatever its name. So a sentence that was
copied is found with other field names, other punctuation and other capitals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

RUN = 8
"""So many words in the same order are no coincidence."""

MOST_FIELDS = 2
"""Most fields that count within a run: with more, it says too little of the words."""

FIELD = "\0"

Run = tuple[str, ...]

_EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_TAG = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_WORD = re.compile(r"\w+(?:['’]\w+)*|\0")


def runs_of(text: str) -> set[Run]:
    """All runs of `RUN` words in a Jinja text.

    >>> sorted(" ".join(r) for r in runs_of("One two, three FOUR five six; seven eight!"))
    ['one two three four five six seven eight']
    >>> len(runs_of("one two three four {{ a }} five six seven")), len(runs_of("{{ a }}" * 20))
    (1, 0)
    """
    # What a tag decides on is no word; a field stands where a word would.
    shown = _TAG.sub(" ", text)
    stretches = [*_EXPRESSION.split(shown), _EXPRESSION.sub(f" {FIELD} ", shown)]
    found: set[Run] = set()
    for stretch in stretches:
        words = [word.replace("’", "'") for word in _WORD.findall(stretch.casefold())]
        for start in range(len(words) - RUN + 1):
            run = tuple(words[start : start + RUN])
            if run.count(FIELD) <= MOST_FIELDS:
                found.add(run)
    return found


def shared_runs(text: str, known: Iterable[Run] | dict[Run, Any]) -> list[Run]:
    """Runs of a text that are known, sorted."""
    return sorted(run for run in runs_of(text) if run in known)


def texts_of(value: Any) -> Iterator[str]:
    """All texts in plain data, wherever they stand; keys are no texts."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_of(inner)
