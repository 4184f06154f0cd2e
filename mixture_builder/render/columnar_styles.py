"""Exemplar styles as Arrow arrays and numbers, made once for the same pools."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
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
      beginnings: for the labels of each, by the first two bytes of a text, whether one of them may
        stand at its beginning.
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
        self.beginnings = [_beginnings(part) for part in self.labels]
        self.longest = FOLDED * max(
            (len(label) for part in self.labels for label in part), default=0
        )


def may_begin_with_label(texts: pa.Array, beginnings: npt.NDArray[np.bool_]) -> Indices:
    """Places of texts at whose beginning a label may stand; all others have none.

    Args:
      texts: any.
      beginnings: of the labels, see `ExemplarPieces`.
    """
    _, offsets, data = texts.buffers()
    if data is None or not len(data):
        return np.zeros(0, dtype=np.int64)
    starts = np.frombuffer(offsets, dtype=np.int32)[texts.offset : texts.offset + len(texts)]
    # What stands after a text of one byte may be taken for its second: one more look, no harm.
    held = np.frombuffer(data, dtype=np.uint8)
    last = len(held) - 1
    first, second = held[np.minimum(starts, last)], held[np.minimum(starts + 1, last)]
    return np.flatnonzero(beginnings[first * np.int64(256) + second])


def _beginnings(labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """By two bytes, whether a text that begins with them may begin with a folded label.

    A byte above ASCII says nothing: what it belongs to may fold into anything.
    """
    result = np.zeros((256, 256), dtype=bool)
    result[128:] = True
    for label in labels:
        first = label[0]
        if not first.isascii():
            continue
        seconds = [label[1], label[1].upper()] if len(label) > 1 and label[1].isascii() else []
        for byte in {ord(first), ord(first.upper())}:
            result[byte, 128:] = True
            if len(label) == 1:
                result[byte] = True
            for second in seconds:
                result[byte, ord(second)] = True
    flat: npt.NDArray[np.bool_] = result.ravel()
    return flat


def _lengths(texts: Sequence[str]) -> Indices:
    return np.asarray([len(text) for text in texts], dtype=np.int64)
