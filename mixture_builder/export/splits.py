"""Train and validation: a share of the rows is held back, wherever these rows stand.

A row is held back or not by a hash of its identity and a seed. So the same row is on the
same side in every shard, task and mixture; with a larger share the rows of a smaller one are
among those held back. See docs/decisions/0014-held-back-rows.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mixture_builder.draw import derive_seed, random_bits
from mixture_builder.export.context import TRAIN, VALIDATION

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldBack:
    """Which rows are kept for validation.

    Attributes:
      share: of the rows, from 0 to below 1.
      seed: other seeds hold back other rows.
    """

    share: Fraction
    seed: int

    def holds(self, rows: npt.ArrayLike) -> Flags:
        """For each identity of a row whether it is held back."""
        identities = np.asarray(rows, dtype=np.int64)
        bound = np.uint64(min(int(self.share * 2**64), 2**64 - 1))
        bits = random_bits(derive_seed(self.seed, "held back for validation"), identities)
        held: Flags = bits < bound
        return held


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitExamples:
    """The examples of a shard by split.

    Attributes:
      tables: examples of each split, in the order of the shard.
      left_out: examples in no split, as they ask about a row of one and show one of another.
    """

    tables: Mapping[str, pa.Table]
    left_out: pa.Table


def split_examples(examples: pa.Table, held: HeldBack) -> SplitExamples:
    """Divides examples so that nothing of a held-back row is seen in training.

    An example that asks about a held-back row is for validation. One that asks about another
    row is for training, unless one of its exemplars is held back: then it is left out.

    Args:
      examples: with the columns of a finished mixture.
      held: which rows are held back.
    """
    if not held.share:
        return SplitExamples(tables={TRAIN: examples}, left_out=examples.slice(0, 0))
    table = examples.combine_chunks()
    asked = held.holds(table.column("row").to_numpy())
    shown = _shows_held_back(table.column("exemplar_rows"), held)
    return SplitExamples(
        tables={
            TRAIN: table.filter(pa.array(~asked & ~shown)),
            VALIDATION: table.filter(pa.array(asked)),
        },
        left_out=table.filter(pa.array(~asked & shown)),
    )


def _shows_held_back(column: pa.ChunkedArray, held: HeldBack) -> Flags:
    """For each example whether one of its exemplars is held back."""
    found = [np.zeros(0, dtype=np.bool_)]
    for lists in column.chunks:
        ends = np.cumsum(lists.value_lengths().to_numpy(zero_copy_only=False), dtype=np.int64)
        flags = held.holds(lists.flatten().to_numpy())
        counts = np.concatenate([[0], np.cumsum(flags, dtype=np.int64)])
        starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1]])
        found.append((counts[ends] > counts[starts]) if len(ends) else found[0])
    return np.concatenate(found)
