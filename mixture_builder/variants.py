"""Variants of a task, and the cells that its draws are dealt to.

A variant says whether exemplars and answer options are shown. A cell is a variant in one
direction: direct templates predict the answer, inverted ones another field; where a recipe
asks for several forms of few-shot prompts, each is a cell of its own; see `dealing.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mixture_builder.errors import RecipeError

VARIANTS = ("zs_opt", "zs_noopt", "fs_opt", "fs_noopt")
"""Codes as in Flan: zero- or few-shot, with or without answer options."""

DIRECTIONS = ("direct", "inverted")

MAX_CYCLE = 1_000_000
"""Longest cycle in which draws are dealt to cells; more needs rates of over six digits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One variant of a task in one direction, with what it gets.

    Attributes:
      variant: one of `VARIANTS`.
      direction: one of `DIRECTIONS`.
      weight: its share of the task's draws, as a whole number beside those of the others.
      quota: examples it gets, by largest remainder.
      templates: indices of the templates that serve it, in the template file's order.
      form: name of the form that its few-shot prompts have; empty for the one that the recipe
        spells out.
      own_lists: whether its templates write the options out themselves, so that none are listed
        in a drawn style.
    """

    variant: str
    direction: str
    weight: int
    quota: int
    templates: tuple[int, ...]
    form: str = ""
    own_lists: bool = False

    @property
    def name(self) -> str:
        """`zs_opt`, `zs_opt:inverted`, `fs_opt:five_shot`, ..."""
        return cell_name(self.variant, self.direction, form=self.form, own_lists=self.own_lists)

    @property
    def few_shot(self) -> bool:
        """Whether exemplars are shown."""
        return self.variant.startswith("fs_")

    @property
    def shows_options(self) -> bool:
        """Whether the answer options are listed in the prompt, in a drawn style."""
        return self.variant.endswith("_opt") and not self.own_lists


def cell_name(variant: str, direction: str, *, form: str = "", own_lists: bool = False) -> str:
    """The name of a cell: its variant, and whatever is not as usual.

    >>> cell_name("fs_opt", "inverted", form="five_shot")
    'fs_opt:five_shot:inverted'
    """
    further = [form, "own_lists" if own_lists else "", "" if direction == "direct" else direction]
    return ":".join([variant, *(word for word in further if word)])


def check_cycle(weights: Sequence[int]) -> None:
    """Refuses weights whose cycle is too long to be dealt out.

    Raises:
      RecipeError: if it is longer than `MAX_CYCLE`.
    """
    if sum(weights) > MAX_CYCLE:
        raise RecipeError(
            f"found variant rates that only meet again after {sum(weights):,} draws; expected "
            f"rates that do within {MAX_CYCLE:,}. Write them with fewer digits."
        )
