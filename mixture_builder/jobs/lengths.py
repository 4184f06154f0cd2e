"""How long examples of a task are, as measured; see `sizing.py`, which measures them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from mixture_builder.sizes import Size


@dataclass(frozen=True, kw_only=True, slots=True)
class Lengths:
    """What the sampled draws of a task came to.

    Attributes:
      draws: how many there were; of some nothing may have come.
      input_bytes, target_bytes: of prompts and targets together, in UTF-8.
      tokens: of prompts and of targets, by what the tokenizer is called.
      cells: by name of the cell, how many examples came of its draws, and the bytes of their
        prompts and targets.
    """

    draws: int
    input_bytes: int
    target_bytes: int
    tokens: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    cells: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def mean_bytes(self) -> Fraction:
        """Bytes of prompt and target that a draw comes to."""
        return Fraction(self.input_bytes + self.target_bytes, self.draws)

    def mean_tokens(self, tokenizer: str) -> tuple[Fraction, Fraction]:
        """Tokens of the prompt and of the target that a draw comes to."""
        inputs, targets = self.tokens[tokenizer]
        return Fraction(inputs, self.draws), Fraction(targets, self.draws)


def mean_lengths(size: Size, measured: Mapping[str, Lengths]) -> dict[str, Fraction]:
    """How much of the unit that a size is in an example of each task has in the mean.

    Args:
      size: in bytes, or in tokens of the tokenizer that is called by the size's SHA-256.
      measured: by task.
    """
    if size.bytes:
        return {task: found.mean_bytes for task, found in measured.items()}
    result = {}
    for task, found in measured.items():
        inputs, targets = found.mean_tokens(size.tokenizer)
        result[task] = targets if size.supervised else inputs + targets
    return result
