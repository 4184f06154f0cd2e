"""Answer options of examples: their order, their layout, and what the target becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixture_builder.draw import Indices, order_of, random_bits
from mixture_builder.style_pools import StylePools


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedOptions:
    """Options of some examples, each list as long as there are examples.

    Attributes:
      options: the answers, in the order they are listed.
      places: where in that order the right answer stands, from 0.
      texts: the list as it stands in the prompt; empty where it is not shown.
      answers: text of the right answer.
      targets: what is to be predicted: the answer, or its label.
    """

    options: list[list[str]]
    places: list[int]
    texts: list[str]
    answers: list[str]
    targets: list[str]


def orders(seed: int, counters: Indices, sizes: Sequence[int]) -> list[list[int]]:
    """A permutation of [0, size) for each counter, the same whenever the counter is.

    Args:
      seed: of the purpose.
      counters: what each permutation belongs to: a draw or a row.
      sizes: how many options each has.
    """
    result: list[list[int]] = [[]] * len(sizes)
    lengths = np.asarray(sizes, dtype=np.int64)
    for size in np.unique(lengths):
        chosen = np.flatnonzero(lengths == size)
        # 64 places a counter keep the streams of neighbouring counters apart; a longer
        # list only shares bits with a neighbour, which no draw depends on.
        places = counters[chosen, None].astype(np.uint64) * np.uint64(64) + np.arange(
            int(size), dtype=np.uint64
        )
        permuted = order_of(random_bits(seed, places)).tolist()
        for at, order in zip(chosen.tolist(), permuted, strict=True):
            result[at] = order
    return result


def list_options(
    options: Sequence[list[str]],
    answer_index: Sequence[int],
    *,
    styles: StylePools,
    numbers: Sequence[int],
    order: Sequence[list[int]] | None,
) -> ListedOptions:
    """Lays out the options of examples.

    Args:
      options: the row's answers.
      answer_index: the right one.
      styles: all pools.
      numbers: of the option styles; -1 where the list is not shown.
      order: the order in which answers are listed; `None` leaves them as they are.
    """
    ordered: list[list[str]] = []
    rights: list[int] = []
    texts: list[str] = []
    answers: list[str] = []
    targets: list[str] = []
    for at, found in enumerate(options):
        row, right = found, answer_index[at]
        answers.append(row[right])
        if order is not None:
            places = order[at]
            row = [found[p] for p in places]
            right = places.index(right)
        ordered.append(row)
        rights.append(right)
        number = numbers[at]
        if number < 0:
            texts.append("")
            targets.append(row[right])
        else:
            texts.append(styles.options_text(number, row))
            targets.append(styles.target(number, row, right))
    return ListedOptions(
        options=ordered, places=rights, texts=texts, answers=answers, targets=targets
    )
