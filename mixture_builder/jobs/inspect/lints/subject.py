"""A template file with the cards that use it and their sample rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mixture_builder.cards import TaskCard
from mixture_builder.jobs.inspect.check_cards import rendering_signature, sample_rows
from mixture_builder.templates import PromptTemplate, TemplateSet

Row = Mapping[str, Any]

MOST_SAMPLES = 24
"""Sample rows that are looked at; files that many cards share need not show them all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One sample row, as a task gives it."""

    card: TaskCard
    number: int
    row: Row

    @property
    def name(self) -> str:
        """As messages name it."""
        return f"{self.card.id}, sample[{self.number}]"


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnText:
    """One Jinja text of a template.

    Attributes:
      template: place of the template in its file.
      key: its key in the template.
      few_shot: whether it serves few-shot prompts only.
      target: whether it is predicted.
    """

    template: int
    key: str
    source: str
    few_shot: bool = False
    target: bool = False


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What the lints look at.

    Attributes:
      templates: one file.
      cards: those that use it; cards of which the same would be found are there once.
    """

    templates: TemplateSet
    cards: Sequence[TaskCard]

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """Rows of the cards' sample records; at most `MOST_SAMPLES`, of all cards in turn."""
        by_card = [
            [Sample(card=card, number=i, row=row) for i, row in enumerate(sample_rows(card)[0])]
            for card in self.cards
        ]
        longest = max(map(len, by_card), default=0)
        in_turn = [rows[i] for i in range(longest) for rows in by_card if i < len(rows)]
        return tuple(in_turn[:MOST_SAMPLES])

    @cached_property
    def optional(self) -> frozenset[str]:
        """Fields that may be empty."""
        return frozenset(f.name for card in self.cards for f in card.fields if f.optional)

    @cached_property
    def has_options(self) -> bool:
        """Whether rows carry a closed list of answers."""
        return any(card.has_options for card in self.cards)

    @cached_property
    def option_counts(self) -> frozenset[int]:
        """How many options sample rows have."""
        return frozenset(len(s.row["options"]) for s in self.samples if "options" in s.row)

    def texts(self) -> Iterator[OwnText]:
        """All texts of all templates."""
        for index, template in enumerate(self.templates.templates):
            yield from texts_of(index, template)


def texts_of(index: int, template: PromptTemplate) -> Iterator[OwnText]:
    """The texts of the template at `index`, with their keys in the file."""
    yield OwnText(template=index, key="input", source=template.input)
    yield OwnText(template=index, key="target", source=template.target, target=True)
    few_shot = (
        ("instruction", template.instruction),
        ("input", template.few_shot_input),
        ("target", template.few_shot_target),
    )
    for key, source in few_shot:
        if source:
            yield OwnText(
                template=index,
                key=f"few_shot.{key}",
                source=source,
                few_shot=True,
                target=key == "target",
            )


def unlike(cards: Sequence[TaskCard]) -> list[TaskCard]:
    """Cards without those of which the same would be found, such as members of a family."""
    return list({rendering_signature(card): card for card in reversed(cards)}.values())[::-1]
