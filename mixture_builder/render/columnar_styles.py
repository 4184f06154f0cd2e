"""Exemplar styles as Arrow arrays and numbers, made once for the same pools."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from mixture_builder.draw import Indices
from mixture_builder.style_pools import StylePools
from mixture_builder.styles import ExemplarLabels, Separator

FOLDED = 3
"""Folding the case of a character can make so many of it."""


class ExemplarPieces:
    """The texts of all exemplar styles, and how long they are.

    Attributes:
      styles: those for plain prompts, and after them those for questions; a number is a place
        in both.
      sizes: of the two pools.
      literals: an empty text, and then of all styles what stands before an input, between input
        and target, after a target, between exemplars, and at the very end.
      before, between, after, separators, tails: for each style the length of these texts.
      names: as they are noted beside an example.
      labels: of inputs and of targets, as they are looked for in texts.
      longest: characters of a text that have to be looked at for them.

    Args:
      pools: all styles.
    """

    def __init__(self, pools: StylePools) -> None:
        found = [pools.exemplar_pool(questions=asks) for asks in (False, True)]
        self.styles: list[tuple[ExemplarLabels, Separator]] = [*found[0], *found[1]]
        self.sizes = np.asarray([len(pool) for pool in found], dtype=np.uint64)
        between = [s.input_end + s.delimiter + s.target for s, _ in self.styles]
        texts = (
            [s.input for s, _ in self.styles],
            between,
            [s.target_end + separator.text for s, separator in self.styles],
            [separator.text for _, separator in self.styles],
            [text.rstrip() for text in between],
        )
        self.literals = pa.array(["", *(text for part in texts for text in part)], pa.string())
        self.before, self.between, self.after, self.separators, self.tails = (
            _lengths(part) for part in texts
        )
        self.names = pa.array(
            [f"exemplars={s.id}/{separator.id}" for s, separator in self.styles], pa.string()
        )
        labels = ([s.input for s, _ in self.styles], [s.target for s, _ in self.styles])
        self.labels = [tuple({t.strip().casefold() for t in part} - {""}) for part in labels]
        self.longest = FOLDED * max(
            (len(label) for part in self.labels for label in part), default=0
        )


def _lengths(texts: Sequence[str]) -> Indices:
    return np.asarray([len(text) for text in texts], dtype=np.int64)
