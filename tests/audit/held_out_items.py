"""Held-out items that are planted in mixtures, and ways to write them so that they nearly are."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

Item = tuple[str, ...]
"""A question and its options, if it has some."""

ITEMS: tuple[Item, ...] = (
    (
        (
            "A lighthouse keeper rows 3 kilometres against a current and needs 45 minutes; how "
            "long would the way back take him if the current were half as strong?"
        ),
    ),
    (
        (
            "Explain why the moss on the northern side of the old mill grows thicker than the moss "
            "that grows on the wall facing the road."
        ),
    ),
    (
        (
            "Which of the following organs would suffer first if a diver came up from deep "
            "water without any pause?"
        ),
        "the liver",
        "the inner ear",
        "the joints",
        "the tongue",
    ),
    (
        (
            "In the sentence about the two brothers and the borrowed ladder, whom does the "
            "last pronoun stand for according to most readers?"
        ),
        "the elder brother",
        "the younger brother",
        "their neighbour",
    ),
    ("Which metal floats on a bath of mercury?", "gold", "solid iron", "osmium", "platinum wire"),
    ("Which treaty ended the war of the herring fleets?", "Dover", "Bergen", "Lisbon", "Riga"),
    ("What does a luthier repair?", "wooden boats", "stringed instruments", "clocks", "old roofs"),
)

COMMON_WORD = "therefore"


def written(item: Item) -> str:
    """An item as an evaluation would show it."""
    question, *options = item
    listed = [f"({letter}) {text}" for letter, text in zip("ABCD", options, strict=False)]
    return "\n".join([question, *listed])


def as_it_is(item: Item, random: Random) -> Item:
    """Nothing is changed."""
    return item


def in_capitals(item: Item, random: Random) -> Item:
    """Other case and spacing, no punctuation."""
    first, *others = (re.sub(r"[^\w\s]", " ", text).upper().replace(" ", "  ") for text in item)
    return (first, *others)


def with_another_word(item: Item, random: Random) -> Item:
    """One word of the question is another."""
    words = item[0].split()
    places = [place for place, word in enumerate(words) if word.isalpha()]
    words[random.choice(places)] = COMMON_WORD
    return (" ".join(words), *item[1:])


def with_two_other_words(item: Item, random: Random) -> Item:
    """Two words of the question are others."""
    words = item[0].split()
    places = [place for place, word in enumerate(words) if word.isalpha()]
    for place in random.sample(places, 2):
        words[place] = COMMON_WORD
    return (" ".join(words), *item[1:])


def in_another_order(item: Item, random: Random) -> Item:
    """The options stand in another order."""
    return (item[0], *reversed(item[1:]))


def cut_at_an_end(item: Item, random: Random) -> Item:
    """The question lacks a tenth of its words, or one, at one end."""
    words = item[0].split()
    count = max(1, len(words) // 10)
    kept = words[count:] if random.random() < 0.5 else words[:-count]
    return (" ".join(kept), *item[1:])


Dress = Callable[[Item, Random], Item]
