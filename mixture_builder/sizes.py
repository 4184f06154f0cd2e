"""How large a mixture is asked to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from mixture_builder.rates import exact

KINDS = ("examples", "no_repeat", "passes", "bytes", "tokens")
"""Ways to say it; a recipe has exactly one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """The size that a recipe asks for; one of the attributes is set.

    Attributes:
      examples: so many.
      passes: as many as there are before the rows of any task were gone through so often.
      bytes: of prompts and targets in UTF-8; so many at most.
      tokens: of prompts and targets; so many at most.
      tokenizer: SHA-256 of the file that `tokens` are counted with.
      supervised: whether only tokens of targets count.
    """

    examples: int = 0
    passes: Fraction = Fraction(0)
    bytes: int = 0
    tokens: int = 0
    tokenizer: str = ""
    supervised: bool = False

    @property
    def measured(self) -> bool:
        """Whether it is known only once lengths of examples are."""
        return bool(self.bytes or self.tokens)


def size_from(raw: Mapping[str, Any], *, tokenizers: Mapping[str, str]) -> Size:
    """The size that the key `size` of a recipe says.

    Args:
      raw: the key's checked value.
      tokenizers: SHA-256 of the tokenizers that a recipe names, by what it calls them.
    """
    name = raw.get("tokenizer", "")
    return Size(
        examples=raw.get("examples", 0),
        passes=Fraction(1) if raw.get("no_repeat") else exact(raw.get("passes", 0)),
        bytes=raw.get("bytes", 0),
        tokens=raw.get("tokens", 0),
        tokenizer=tokenizers.get(name, name),
        supervised=raw.get("count", "all") == "targets",
    )
