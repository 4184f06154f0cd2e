"""Many short lists of numbers as two arrays: all values one after the other, and the lengths.

Tokens of a shard are millions of small lists. Held like this they cost four bytes a token,
and each operation here runs over all lists at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int32]
Lengths = npt.NDArray[np.int64]

# Where a token goes is a number of 8 bytes beside the token's 4, so not of all at once.
_LISTS = 4_096


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenLists:
    """Lists of token ids.

    Attributes:
      values: the tokens of all lists, in order.
      lengths: how many of them each list has; they sum to the number of values.
    """

    values: Tokens
    lengths: Lengths

    def __post_init__(self) -> None:
        if int(self.lengths.sum()) != len(self.values) or int(self.lengths.min(initial=0)) < 0:
            raise ValueError("the lengths of the lists must sum to the number of values")

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def starts(self) -> Lengths:
        """Where each list begins in `values`."""
        return starts_of(self.lengths)

    def to_lists(self) -> list[list[int]]:
        """Plain lists, for tests and small inputs."""
        return [part.tolist() for part in np.split(self.values, np.cumsum(self.lengths)[:-1])][
            : len(self)
        ]


def token_lists(lists: Sequence[Sequence[int]]) -> TokenLists:
    """The same lists, held together.

    >>> token_lists([[1, 2], [], [3]]).lengths.tolist()
    [2, 0, 1]
    """
    lengths = np.array([len(item) for item in lists], dtype=np.int64)
    values = np.fromiter(
        (value for item in lists for value in item), dtype=np.int32, count=int(lengths.sum())
    )
    return TokenLists(values=values, lengths=lengths)


def constant_lists(items: Sequence[int], *, count: int) -> TokenLists:
    """The same list `count` times.

    >>> constant_lists([7], count=3).to_lists()
    [[7], [7], [7]]
    """
    return TokenLists(
        values=np.tile(np.array(items, dtype=np.int32), count),
        lengths=np.full(count, len(items), dtype=np.int64),
    )


def one_after_the_other(parts: Sequence[TokenLists]) -> TokenLists:
    """The lists of all parts: those of the first, then those of the second, ...

    >>> one_after_the_other([token_lists([[1], [2]]), token_lists([[3]])]).to_lists()
    [[1], [2], [3]]
    """
    nothing = np.zeros(0, dtype=np.int32)
    return TokenLists(
        values=np.concatenate([nothing, *(part.values for part in parts)]),
        lengths=np.concatenate(
            [np.zeros(0, dtype=np.int64), *(part.lengths for part in parts)], dtype=np.int64
        ),
    )


def joined(parts: Sequence[TokenLists]) -> TokenLists:
    """List by list, the tokens of all parts in one list.

    Args:
      parts: at least one, all with as many lists.

    >>> joined([token_lists([[1], [2, 3]]), token_lists([[9], [9]])]).to_lists()
    [[1, 9], [2, 3, 9]]
    """
    lengths: Lengths = np.sum(np.stack([part.lengths for part in parts]), axis=0)
    values = np.empty(int(lengths.sum()), dtype=np.int32)
    places = starts_of(lengths)
    for part in parts:
        first = 0
        for start in range(0, len(part), _LISTS):
            some = slice(start, start + _LISTS)
            last = first + int(part.lengths[some].sum())
            values[spans(places[some], part.lengths[some])] = part.values[first:last]
            first = last
        places = places + part.lengths
    return TokenLists(values=values, lengths=lengths)


def starts_of(lengths: Lengths) -> Lengths:
    """Where lists of these lengths begin when they stand one after the other."""
    starts: Lengths = np.cumsum(lengths) - lengths
    return starts


def spans(starts: Lengths, lengths: Lengths) -> Lengths:
    """The whole numbers from each start on, as many as its length says, one after the other.

    >>> spans(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    inside: Lengths = np.arange(int(lengths.sum()), dtype=np.int64)
    inside += np.repeat(starts - starts_of(lengths), lengths)
    return inside
