"""The loss-mask certificate: a trainer that counts the tokens of the prompt masks the prompt.

Trainers tokenise the prompt alone and the prompt with its target, and take as many tokens of
the second for prompt as the first has. That is right if the ids of the prompt are a prefix of
the ids of the whole. Where a token reaches over the border, part of the prompt is trained on
or part of the target is not. Whether that happens depends on tokenizer, separator and text, so
it is looked up for every example, not estimated.

Begin and end tokens are left aside: they stand outside of both texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mixture_builder.export.columns import joined
from mixture_builder.export.reading import read_shard
from mixture_builder.io.tokenizer import Tokenizer, load_tokenizer
from mixture_builder.token_lists import TokenLists

Flags = npt.NDArray[np.bool_]

SEPARATORS: tuple[str, ...] = ("", " ", "\n", "\n\n")
"""Tried on examples that the chosen separator fails."""

LISTED = 100
"""Violations that are kept in full of each shard; all are counted."""

_BORDER = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """An example whose prompt is no prefix of the whole, in tokens.

    Attributes:
      file: the shard, below the mixture's folder.
      place: of the example in it, from 0.
      task_id, draw: name the example.
      token: the first token, from 0, in which the two differ.
      border: the texts around the place where the prompt ends, with a bar there.
    """

    file: str
    place: int
    task_id: str
    draw: int
    token: int
    border: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """What was found for some examples; those of several shards can be added up.

    Attributes:
      examples: looked at.
      violations: how many of them fail, by task.
      cured: for each other separator, how many of the failing ones would not fail with it.
      listed: the first ones in full.
    """

    examples: int
    violations: Mapping[str, int]
    cured: Mapping[str, int]
    listed: Sequence[Violation]

    @property
    def failed(self) -> int:
        """Examples that fail."""
        return sum(self.violations.values())

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "examples": self.examples,
            "violations": self.failed,
            "by_task": dict(self.violations),
            "cured_by_separator": dict(self.cured),
            "listed": [violation.to_json() for violation in self.listed],
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Certificate:
        """What `to_json` described.

        Raises:
          TypeError, KeyError: if it is another kind of data.
        """
        return cls(
            examples=plain["examples"],
            violations=plain["by_task"],
            cured=plain["cured_by_separator"],
            listed=[Violation(**violation) for violation in plain["listed"]],
        )


def total(parts: Iterable[Certificate]) -> Certificate:
    """One certificate for all."""
    certificates = list(parts)
    violations: Counter[str] = Counter()
    cured: Counter[str] = Counter()
    for part in certificates:
        violations.update(part.violations)
        cured.update(part.cured)
    return Certificate(
        examples=sum(part.examples for part in certificates),
        violations=dict(sorted(violations.items())),
        cured=dict(cured),
        listed=[violation for part in certificates for violation in part.listed],
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardToCertify:
    """One shard of a mixture; small and picklable, for workers.

    Attributes:
      mixture: folder or URL of the mixture.
      manifest: plain data of its manifest; `format` and `shards` of it are needed.
      shard: from 0.
      tokenizer: path of a `tokenizer.json`.
      separator: what stands between prompt and target.
    """

    mixture: str
    manifest: Mapping[str, Any]
    shard: int
    tokenizer: str
    separator: str


def certify_shard(asked: ShardToCertify) -> Certificate:
    """Looks at every example of a shard.

    Raises:
      UsageError: if the tokenizer cannot be read.
      VerifyError: if the shard is not what the mixture's manifest says.
    """
    return certify(
        read_shard(asked.mixture, asked.manifest, shard=asked.shard),
        load_tokenizer(asked.tokenizer),
        separator=asked.separator,
        file=asked.manifest["shards"][asked.shard]["file"],
    )


def certify(examples: pa.Table, tokenizer: Tokenizer, *, separator: str, file: str) -> Certificate:
    """Looks at every example of a shard.

    Args:
      examples: with the columns of a finished mixture.
      tokenizer: of the model.
      separator: what stands between prompt and target.
      file: the shard, for the list.
    """
    prompts = tokenizer.encode(examples.column("inputs"))
    wholes = tokenizer.encode(joined(examples, separator))
    agreeing = shared_beginnings(prompts, wholes)
    # A target without a token of its own would leave nothing to learn.
    wrong = (agreeing < prompts.lengths) | (wholes.lengths <= prompts.lengths)
    places = np.flatnonzero(wrong)
    failing = examples.take(pa.array(places))
    tasks = Counter(failing.column("task_id").to_pylist())
    listed = [
        Violation(
            file=file,
            place=place,
            task_id=record["task_id"],
            draw=record["draw"],
            token=int(agreeing[place]),
            border=record["inputs"][-_BORDER:] + "|" + separator + record["targets"][:_BORDER],
        )
        for place, record in zip(
            places[:LISTED].tolist(), failing.slice(0, LISTED).to_pylist(), strict=True
        )
    ]
    return Certificate(
        examples=examples.num_rows,
        violations=dict(sorted(tasks.items())),
        cured=_cured(failing, tokenizer, separator) if len(places) else {},
        listed=listed,
    )


def _cured(failing: pa.Table, tokenizer: Tokenizer, separator: str) -> dict[str, int]:
    prompts = tokenizer.encode(failing.column("inputs"))
    found = {}
    for other in SEPARATORS:
        if other != separator:
            wholes = tokenizer.encode(joined(failing, other))
            agreeing = shared_beginnings(prompts, wholes)
            right = (agreeing >= prompts.lengths) & (wholes.lengths > prompts.lengths)
            found[other] = int(right.sum())
    return found


def shared_beginnings(left: TokenLists, right: TokenLists) -> npt.NDArray[np.int64]:
    """For each pair of lists, how many values they have in common from the start.

    >>> from mixture_builder.token_lists import token_lists
    >>> shared_beginnings(token_lists([[1, 2], [3]]), token_lists([[1, 2, 5], [4]])).tolist()
    [2, 0]
    """
    lengths = np.minimum(left.lengths, right.lengths)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    inside = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(starts, lengths)
    differ = (
        left.values[inside + np.repeat(left.starts, lengths)]
        != right.values[inside + np.repeat(right.starts, lengths)]
    )
    # The first difference of each list, or its whole length.
    result: npt.NDArray[np.int64] = lengths.copy()
    places = np.flatnonzero(differ)
    owners = np.searchsorted(ends, places, side="right")
    first, at = np.unique(owners, return_index=True)
    result[first] = inside[places[at]]
    return result
