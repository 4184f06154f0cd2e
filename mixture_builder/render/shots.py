"""How many exemplars few-shot prompts ask for, whatever they come to have."""

from __future__ import annotations

import numpy as np

from mixture_builder.draw import Bits, Indices, below, derive_seed, random_bits_of
from mixture_builder.rates import whole_weights
from mixture_builder.shot_forms import Counts

_MASK = (1 << 64) - 1


def shots_seed(task_seed: int) -> np.uint64:
    """The seed of the numbers that are drawn for a task's prompts.

    Args:
      task_seed: of the task.
    """
    seed: np.uint64 = np.uint64(derive_seed(task_seed, "shots") & _MASK)
    return seed


def shots_asked(seeds: Bits | np.uint64, draws: Indices, counts: Counts) -> Indices:
    """How many exemplars each of some prompts of one form asks for.

    Args:
      seeds: from `shots_seed`: one for all prompts, or one for each.
      draws: of the prompts.
      counts: of their form.
    """
    weights = np.cumsum(whole_weights([rate for _, rate in counts]))
    bits = random_bits_of(seeds, draws)
    index = np.searchsorted(weights, below(bits, int(weights[-1])), side="right")
    asked: Indices = np.asarray([number for number, _ in counts], dtype=np.int64)[index]
    return asked
