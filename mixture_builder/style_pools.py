"""Styles laid out so that drawing one for each of millions of examples costs next to nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixture_builder.draw import Indices
from mixture_builder.styles import (
    INLINE_ONE_IN,
    DialogStyle,
    ExemplarLabels,
    OptionItem,
    OptionStyle,
    Piece,
    Separator,
    Styles,
    listed,
)


class StylePools:
    """Styles drawn by random bits, laid out so that a draw costs next to nothing.

    Args:
      styles: the pools.
    """

    def __init__(self, styles: Styles) -> None:
        self.styles = styles
        self.inline = [s for s in styles.option_separators if s.inline]
        self.lines = [s for s in styles.option_separators if not s.inline]
        # Every mix of pieces, and the remainders that put options on one line.
        self.option_styles = (
            len(styles.option_lead_ins)
            * len(styles.option_items)
            * len(styles.option_endings)
            * INLINE_ONE_IN
            * max(1, len(styles.option_separators))
        )
        self.prefixes = {
            item.id: tuple(item.prefix_of(i) for i in range(PREPARED))
            for item in styles.option_items
        }
        self.labels = {
            item.id: tuple(item.label_of(i) for i in range(PREPARED)) if item.enumerate else ()
            for item in styles.option_items
        }
        self._bullets = [i for i, item in enumerate(styles.option_items) if not item.enumerate]
        self.bare_labels = [
            frozenset("".join(c for c in label if c.isalnum()) for label in self.labels[item.id])
            for item in styles.option_items
        ]
        self._exemplar_styles = {
            questions: styles.exemplar_styles(questions=questions) for questions in (False, True)
        }

    def option_style(self, number: int) -> OptionStyle:
        """The option style with a number in [0, option_styles)."""
        return self.styles.option_style(number)

    def unambiguous(self, number: int, options: Sequence[str]) -> int:
        """A style number whose labels are no options: itself, or one of a plain bullet.

        Where the options are themselves 0 to 5, or A and B, a label of that kind would stand
        for one option and read as another.
        """
        lead_ins, items = len(self.styles.option_lead_ins), len(self.styles.option_items)
        item = number // lead_ins % items
        if self.bare_labels[item].isdisjoint(options) or not self._bullets:
            return number
        bullet = self._bullets[item % len(self._bullets)]
        return number + (bullet - item) * lead_ins

    def separator_indices(self, rest: Indices, endings: Indices) -> Indices:
        """Which separator each option style has, as an index into the pool.

        Args:
          rest: what is left of the style numbers once lead-in, item and ending are taken out.
          endings: indices of the endings.
        """
        pool = self.styles.option_separators
        lines = np.asarray([i for i, s in enumerate(pool) if not s.inline] or [*range(len(pool))])
        inline = np.asarray([i for i, s in enumerate(pool) if s.inline] or [0])
        ended = np.asarray([bool(e.text) for e in self.styles.option_endings])[endings]
        on_one_line = bool(self.inline) & ~ended & (rest % INLINE_ONE_IN == 0)
        turn = rest // INLINE_ONE_IN
        chosen: Indices = np.where(
            on_one_line, inline[turn % len(inline)], lines[turn % len(lines)]
        )
        return chosen

    def option_id(self, number: int) -> str:
        """`option_style(number).id`, without making the style."""
        lead_in, item, ending, separator = self._parts(number)
        text = f"{lead_in.id}/{item.id}/{ending.id}"
        return f"{text}/{separator.id}" if separator.inline else text

    def options_text(self, number: int, options: Sequence[str]) -> str:
        """`option_style(number).text(options)`, without making the style."""
        lead_in, item, ending, separator = self._parts(number)
        prefixes: Sequence[str] = self.prefixes[item.id]
        if len(options) > PREPARED:
            prefixes = [item.prefix_of(i) for i in range(len(options))]
        return listed(
            options,
            lead_in=lead_in.text,
            prefixes=prefixes,
            ending=ending.text,
            separator=separator.text,
        )

    def _parts(self, number: int) -> tuple[Piece, OptionItem, Piece, Separator]:
        styles = self.styles
        number, lead_in = divmod(number, len(styles.option_lead_ins))
        number, item = divmod(number, len(styles.option_items))
        number, place = divmod(number, len(styles.option_endings))
        ending = styles.option_endings[place]
        if self.inline and not ending.text and number % INLINE_ONE_IN == 0:
            separators = self.inline
        else:
            separators = self.lines or self.inline
        separator = separators[(number // INLINE_ONE_IN) % len(separators)]
        return styles.option_lead_ins[lead_in], styles.option_items[item], ending, separator

    def target(self, number: int, options: Sequence[str], index: int) -> str:
        """`option_style(number).target(options, index)`, without making the style."""
        item = number // len(self.styles.option_lead_ins) % len(self.styles.option_items)
        labels = self.labels[self.styles.option_items[item].id]
        if not labels:
            return options[index]
        if index < PREPARED:
            return labels[index]
        return self.styles.option_items[item].label_of(index)

    def exemplar_pool(self, *, questions: bool) -> Sequence[tuple[ExemplarLabels, Separator]]:
        """Labels and separators that fit each other, and tasks of that kind."""
        return self._exemplar_styles[questions]

    def dialog_style(self, bits: int) -> DialogStyle:
        """The dialog style that random bits choose."""
        return self.styles.dialog_style(bits)


PREPARED = 26
"""Prefixes and labels that are made beforehand; longer lists of options are rare."""
