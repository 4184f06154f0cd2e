"""Packing: several whole examples in one sequence of a fixed length, so that little is padding.

The method is next-k-fit (D. S. Johnson, "Fast algorithms for bin packing", J. Comput. Syst.
Sci. 8, 1974): at most `window` sequences are open; an example goes into the one opened first
that has room for it (first fit); if none has, the one opened first is closed and a new one
is opened. An example is never cut and never turned away but for being longer than a
sequence, so the mixture keeps its ratio, and it stands at most `window` sequences away from
where the order of the examples would put it. What a window of one sequence (next fit)
wastes, a window of some dozens saves nearly all; see docs/howto/pack.md for figures.

Examples of a sequence stand in their order. They are told apart by segment ids, from 1 in
each sequence; 0 marks padding. Positions count from 0 in each example. This is what T5 does
(Raffel et al. 2020, section 3.1.2) and Flan 2022 after it (Chung et al. 2022, section 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mixture_builder.token_lists import Lengths, TokenLists, Tokens, spans, starts_of

TOO_LONG = -1
"""Stands in place of a sequence's number for examples that fit into none."""

Numbers = npt.NDArray[np.int32]


def assign(lengths: Sequence[Lengths], *, capacities: Sequence[int], window: int) -> Lengths:
    """For each example the number of its sequence, or `TOO_LONG`.

    Sequences are numbered from 0 in the order in which they are opened, which is that of
    their first examples. None of them is empty.

    Args:
      lengths: of all examples, an array for each kind of token that a sequence has room for
        (one for a decoder; inputs and targets for an encoder with a decoder).
      capacities: how many tokens of each kind a sequence holds; at least 1.
      window: how many sequences are open at a time; at least 1.

    >>> assign([np.array([6, 5, 4, 11, 3])], capacities=[10], window=2).tolist()
    [0, 1, 0, -1, 1]
    """
    needs = np.stack(lengths, axis=1)
    fits = (needs <= np.array(capacities)).all(axis=1)
    numbers = np.full(len(needs), TOO_LONG, dtype=np.int64)
    # Sequence s has the room in row s % window; rows not yet used have room for nothing.
    room = np.full((window, len(capacities)), -1, dtype=np.int64)
    opened = 0
    for example in np.flatnonzero(fits).tolist():
        need = needs[example]
        rows = np.flatnonzero((room >= need).all(axis=1))
        if len(rows):
            # The oldest open sequence stands in the row that the next one will take.
            oldest = opened % window if opened >= window else 0
            after = rows[rows >= oldest]
            row = int(after[0] if len(after) else rows[0])
            number = opened - 1 - (opened - 1 - row) % window
        else:
            number, row = opened, opened % window
            room[row] = capacities
            opened += 1
        room[row] -= need
        numbers[example] = number
    return numbers


@dataclass(frozen=True, kw_only=True, slots=True)
class Packed:
    """Sequences of equal length, as matrices with a row for each.

    Attributes:
      tokens: padded at the end.
      segment_ids: which example of the sequence a token belongs to, from 1; 0 for padding.
      positions: of a token in its example, from 0; 0 for padding.
    """

    tokens: Tokens
    segment_ids: Numbers
    positions: Numbers


@dataclass(frozen=True, kw_only=True, slots=True)
class Sequences:
    """Which examples stand in which sequence.

    Attributes:
      members: numbers of the examples, sequence by sequence, in the order of the examples.
      counts: how many of them each sequence has.
    """

    members: Lengths
    counts: Lengths

    def __len__(self) -> int:
        return len(self.counts)

    def slice(self, start: int, stop: int) -> Sequences:
        """The sequences from `start` to before `stop`."""
        first, last = int(self.counts[:start].sum()), int(self.counts[:stop].sum())
        return Sequences(members=self.members[first:last], counts=self.counts[start:stop])


def sequences(numbers: Lengths) -> Sequences:
    """What `assign` decided, from the sequences' side; examples that fit nowhere are not in it.

    >>> sequences(np.array([0, 1, 0, -1, 1])).members.tolist()
    [0, 2, 1, 4]
    """
    order = np.argsort(numbers, kind="stable").astype(np.int64)
    packed = numbers[numbers != TOO_LONG]
    return Sequences(
        members=order[len(numbers) - len(packed) :],
        counts=np.bincount(packed).astype(np.int64) if len(packed) else packed,
    )


def lay_out(tokens: TokenLists, chosen: Sequences, *, capacity: int, padding: int) -> Packed:
    """The tokens of the sequences, side by side and padded.

    Args:
      tokens: of all examples.
      chosen: the sequences to lay out.
      capacity: how long a sequence is; at least what its examples sum to.
      padding: the token id that fills the rest.
    """
    lengths = tokens.lengths[chosen.members]
    firsts = starts_of(chosen.counts)
    owner = np.repeat(np.arange(len(chosen)), chosen.counts)
    before = starts_of(lengths)
    # An empty sequence has no first example; it owns none of the examples below either.
    start = before - before[firsts[owner]] + owner * capacity
    target = spans(start, lengths)
    shape = (len(chosen), capacity)
    filled = np.full(shape, padding, dtype=np.int32)
    segments = np.zeros(shape, dtype=np.int32)
    positions = np.zeros(shape, dtype=np.int32)
    number = np.arange(len(lengths)) - firsts[owner] + 1
    filled.reshape(-1)[target] = tokens.values[spans(tokens.starts[chosen.members], lengths)]
    segments.reshape(-1)[target] = np.repeat(number, lengths)
    positions.reshape(-1)[target] = spans(np.zeros_like(lengths), lengths)
    return Packed(tokens=filled, segment_ids=segments, positions=positions)


def loss_mask(packed: Packed, contexts: Lengths, chosen: Sequences) -> Numbers:
    """1 for the tokens that a model is trained to give, 0 for prompts and padding.

    Args:
      packed: what `lay_out` made of `chosen`.
      contexts: for each example how many of its first tokens are context.
      chosen: the same sequences.
    """
    bounds = np.zeros((len(chosen), int(chosen.counts.max(initial=0)) + 1), dtype=np.int64)
    owner = np.repeat(np.arange(len(chosen)), chosen.counts)
    number = np.arange(len(chosen.members)) - starts_of(chosen.counts)[owner] + 1
    bounds[owner, number] = contexts[chosen.members]
    limit = np.take_along_axis(bounds, packed.segment_ids.astype(np.int64), axis=1)
    mask: Numbers = ((packed.positions >= limit) & (packed.segment_ids > 0)).astype(np.int32)
    return mask
