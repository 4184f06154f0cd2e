"""What a section of an audit has to tell once all shards are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mixture_builder.audit.checks import AuditFinding
from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.view import ShardView


@dataclass(frozen=True, kw_only=True, slots=True)
class SectionReport:
    """Findings and figures of a section, as plain data.

    Attributes:
      facts: of the mixture; they stand under the section's name.
      findings: in any order.
      tasks: figures of each task, by id; they are laid over those of other sections.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    findings: Sequence[AuditFinding] = ()
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """Something that is looked at.

    Attributes:
      observe: what a stretch of a shard has of it: a small state that can be pickled.
      merge: one state for two; the order in which states are merged does not matter.
      report: what there is to say of the state of all shards.
    """

    observe: Callable[[ShardView], Any]
    merge: Callable[[Any, Any], Any]
    report: Callable[[Any, AuditContext], SectionReport]
