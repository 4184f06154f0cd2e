"""Held-out items whose question is short: looked for word by word, with few changes allowed.

Of a short question a changed word takes half of its runs of three words away, so that a share of
them says little. Such an item is in a row if its question is there as a stretch of words with few
changes, no number changed, and all its options are there too, in any order. An option is a run of
words; each may stand in another text of the row. An item without options needs 8 words: one of
fewer is looked for as a whole field only.

An item of fewer than 8 words with its options is in a row if its question is there without a
change, and all its options stand beside it: in the same text, right after the question or right
before it, with no more than a few words between them. Its options need 3 words, and one of them
must be other than the names of labels, which stand below questions of any kind.

    words of the question       up to 4    5 to 9    10 to 14    15 to 19    ...    40
    changes that are allowed          0         1           2           3             8

A change is a word that is another, is missing, or is one too many (Levenshtein's distance over
words, of the question to the stretch that is nearest to it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from mixture_builder.audit.rows.words import Hashes, Places, Words

SHORTEST_ALONE = 8
"""Words of a question without options."""

SHORTEST = 3
"""Words of a question with options."""

LONGEST = 40
"""Words of a question; longer ones have runs enough."""

FEWEST_WORDS = 8
"""Words that question and options must have together to stand apart."""

FEWEST_IN_OPTIONS = 3
"""Words that options beside a question must have together."""

BETWEEN, BETWEEN_OPTIONS = 6, 2
"""Words that may stand between a question and its options, and with each option: a lead-in, and
letters or numbers."""

LABELS = frozenset(
    "yes no true false maybe unknown none both neither correct incorrect right wrong positive "
    "negative neutral entailment contradiction agree disagree".split()
)
"""Options that say nothing about a question."""

_NEVER = 99
"""What a change of a number costs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortItems:
    """Words of items, text by text; the first text of an item is its question.

    Attributes:
      words: hashes of all words.
      fixed: which of them are numbers, and must not change.
      texts: where the words of each text begin, and at the end how many there are.
      items: where the texts of each item begin, and at the end how many there are; items that are
        not short have none.
    """

    words: Hashes
    fixed: npt.NDArray[np.bool_]
    texts: Places
    items: Places

    @classmethod
    def of(cls, parts: Sequence[ShortItems]) -> ShortItems:
        """The items of all parts, one after the other."""
        words, texts, items = [np.zeros(0, np.uint64)], [np.zeros(1, np.int64)], [np.zeros(1, int)]
        fixed = [np.zeros(0, np.bool_)]
        for part in parts:
            words.append(part.words)
            fixed.append(part.fixed)
            items.append(part.items[1:] + sum(len(t) for t in texts) - len(texts[0]))
            texts.append(part.texts[1:] + sum(len(w) for w in words[:-1]))
        return cls(
            words=np.concatenate(words),
            fixed=np.concatenate(fixed),
            texts=np.concatenate(texts).astype(np.int64),
            items=np.concatenate(items).astype(np.int64),
        )

    def texts_of(self, item: int) -> list[slice]:
        """Stretches of `words`, one for each text of an item."""
        firsts = self.texts[self.items[item] : self.items[item + 1] + 1].tolist()
        return [slice(a, b) for a, b in pairwise(firsts)]

    @property
    def bytes(self) -> int:
        """Memory of the arrays."""
        return sum(a.nbytes for a in (self.words, self.fixed, self.texts, self.items))


def short_items(texts: Sequence[str], words: Words, counts: Sequence[int]) -> ShortItems:
    """The items of a batch that are looked for word by word.

    Args:
      texts: of all items, one after the other.
      words: of the texts.
      counts: texts of each item.
    """
    firsts = np.concatenate([[0], np.cumsum(counts)])
    sizes = words.counts
    held: list[int] = []
    ends = []
    for item in range(len(counts)):
        begin, end = int(firsts[item]), int(firsts[item + 1])
        own = sizes[begin:end]
        least = SHORTEST if end - begin > 1 else SHORTEST_ALONE
        if not len(own) or not least <= own[0] <= LONGEST or not own.min():
            enough = False
        elif own.sum() >= FEWEST_WORDS:
            enough = True
        else:
            options = {text.strip().casefold() for text in texts[begin + 1 : end]}
            enough = own[1:].sum() >= FEWEST_IN_OPTIONS and bool(options - LABELS)
        if enough:
            held += range(begin, end)
        ends.append(len(held))
    stretches = [np.arange(words.firsts[t], words.firsts[t + 1]) for t in held]
    places = np.concatenate([np.zeros(0, np.int64), *stretches])
    fixed = [texts[int(words.owners[p])][int(words.starts[p])].isdigit() for p in places.tolist()]
    return ShortItems(
        words=words.hashes[places],
        fixed=np.asarray(fixed, dtype=np.bool_),
        texts=np.concatenate([[0], np.cumsum(sizes[held])]).astype(np.int64),
        items=np.asarray([0, *ends], dtype=np.int64),
    )


def changes_allowed(words: Places) -> Places:
    """How many words of questions may be others, for their numbers of words.

    >>> changes_allowed(np.asarray([4, 5, 9, 10, 40])).tolist()
    [0, 1, 1, 2, 8]
    """
    return words // 5


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortMatch:
    """Where a short item stands in a row.

    Attributes:
      changes: words of the question that are others.
      text: which of the row's texts holds the question.
      begin, end: its words there.
    """

    changes: int
    text: int
    begin: int
    end: int


def find_short(items: ShortItems, item: int, row: Sequence[Hashes]) -> ShortMatch | None:
    """Where an item stands in a row; `None` if it does not.

    Args:
      items: all.
      item: its number; one that has texts.
      row: words of each text of the row.
    """
    first, *options = items.texts_of(item)
    question, fixed = items.words[first], items.fixed[first]
    if options and options[-1].stop - first.start < FEWEST_WORDS:
        return _beside(question, [items.words[option] for option in options], row)
    allowed = int(changes_allowed(np.asarray(len(question))))
    best: ShortMatch | None = None
    for number, words in enumerate(row):
        if not len(words):
            continue
        distance = _distances(question, fixed, words)
        end = int(distance.argmin())
        changes = int(distance[end])
        if changes <= allowed and (best is None or changes < best.changes):
            begin = max(0, end + 1 - len(question))
            best = ShortMatch(changes=changes, text=number, begin=begin, end=end + 1)
    if best is None:
        return None
    listed = all(any(_holds(words, items.words[option]) for words in row) for option in options)
    return best if listed else None


def _distances(question: Hashes, fixed: npt.NDArray[np.bool_], words: Hashes) -> Places:
    """For each word of a text the changes of the stretch that ends there and is nearest."""
    steps = np.arange(len(words) + 1)
    before = np.zeros(len(words) + 1, dtype=np.int64)
    for word, stays in zip(question.tolist(), fixed.tolist(), strict=True):
        cost = _NEVER if stays else 1
        now = before + cost
        now[1:] = np.minimum(now[1:], before[:-1] + np.where(words == word, 0, cost))
        # A word of the text that is one too many; a running minimum spares a loop.
        before = np.minimum.accumulate(now - steps) + steps
    return before[1:]


def _beside(
    question: Hashes, options: Sequence[Hashes], row: Sequence[Hashes]
) -> ShortMatch | None:
    """Where a question stands with all its options right after it, or right before it."""
    room = BETWEEN + sum(len(option) + BETWEEN_OPTIONS for option in options)
    for number, words in enumerate(row):
        for place in _places(words, question).tolist():
            end = place + len(question)
            for around in (words[end : end + room], words[max(0, place - room) : place]):
                if all(_holds(around, option) for option in options):
                    return ShortMatch(changes=0, text=number, begin=place, end=end)
    return None


def _holds(words: Hashes, run: Hashes) -> bool:
    """Whether a run of words stands in a text."""
    return bool(len(_places(words, run)))


def _places(words: Hashes, run: Hashes) -> Places:
    """Where a run of words stands in a text."""
    if len(run) > len(words):
        return np.zeros(0, dtype=np.int64)
    places = np.flatnonzero(words[: len(words) - len(run) + 1] == run[0])
    for offset in range(1, len(run)):
        places = places[words[places + offset] == run[offset]]
    return places
