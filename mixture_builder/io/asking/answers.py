"""What an address says when it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

HEAD_BYTES = 1024
"""How much of a file is read to see that it is no web page and no Git LFS pointer."""

Reason = Literal[
    "dns",
    "connection",
    "timeout",
    "unreachable",
    "not_found",
    "forbidden",
    "too_many_requests",
    "status",
    "content",
    "configuration",
    "split",
    "script",
    "package",
    "refused",
    "error",
]
"""Why an address is of no use.

`unreachable`: not asked, because its host was given up. `content`: something else stands there
than the card says, such as a web page. `configuration`, `split`, `script`: the Hub has the
dataset, but not so that it can be read as the card says. `refused`: a card may not name it.
"""

NO_CONNECTION: frozenset[Reason] = frozenset(["dns", "connection", "timeout"])
"""Reasons that speak of the host rather than of the address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """A dataset repository of the Hub, as its API describes it.

    Attributes:
      files: all paths in it.
      configurations: the splits of each configuration that its card lists; a configuration
        whose splits the card does not list has none here.
      default: the configuration that is taken where none is named; empty if not known.
    """

    files: tuple[str, ...]
    configurations: Mapping[str, frozenset[str]]
    default: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What became of asking one address.

    Attributes:
      reason: why it is of no use; empty where it answers.
      detail: the same in words.
      head: the first bytes that stand there.
      repository: what the Hub says of a dataset.
    """

    reason: Reason | Literal[""] = ""
    detail: str = ""
    head: bytes = b""
    repository: Repository | None = None
