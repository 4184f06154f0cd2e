"""The checks of an audit: what each finds, how it decides, how bad it is, and the way out.

The page `docs/reference/audit.md` is made from this list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from mixture_builder.audit.hits import Evidence, Hits
from mixture_builder.findings import Severity

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that is looked for.

    Attributes:
      id: `<group>/<name>`.
      severity: of its findings.
      finds: what a finding means, a sentence.
      decides: when it is one: a rule, or a threshold with its statistics.
      remedy: what to do about it, an imperative sentence.
    """

    id: str
    severity: Severity
    finds: str
    decides: str
    remedy: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFinding:
    """What a check has to say of a task, or of the mixture.

    Attributes:
      check: its id.
      message: what was found, and what was expected.
      count: records, templates or tasks that it is about.
      task: id; empty if it is about more than one.
      asked, found: numbers or names to be compared, where there are any.
      evidence: records.
      severity: where it is not the check's.
    """

    check: str
    message: str
    count: int
    task: str = ""
    asked: Any = None
    found: Any = None
    evidence: Sequence[Evidence] = field(default_factory=tuple)
    severity: Severity | None = None

    @property
    def level(self) -> Severity:
        """How bad it is."""
        return self.severity or CHECKS[self.check].severity

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "check": self.check,
            "severity": self.level.value,
            "task": self.task or None,
            "message": self.message,
            "count": self.count,
            "asked": self.asked,
            "found": self.found,
            "remedy": CHECKS[self.check].remedy,
            "evidence": [entry.to_json() for entry in self.evidence],
        }


def from_hits(hits: Hits, check: str, message: str) -> list[AuditFinding]:
    """A finding for each task in which a check found records.

    Args:
      hits: of all shards.
      check: its id.
      message: with `{count}` where their number stands.
    """
    return [
        AuditFinding(
            check=check,
            task=task,
            count=count,
            message=message.format(count=f"{count:,} record" + ("" if count == 1 else "s")),
            evidence=hits.kept[check, task],
        )
        for task, count in hits.of(check).items()
    ]


_REBUILD = "Run `verify`; build the mixture again if its files were changed."

_ALL = (
    Check(
        id="coverage/task_count",
        severity=ERROR,
        finds="A task has more or fewer examples than the plan gives it.",
        decides="Its records are counted; the plan asks for its quota, less the dropped draws that "
        "the manifest counts.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/unplanned_task",
        severity=ERROR,
        finds="There are examples of a task that the plan does not name.",
        decides="Any record is a finding.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/variant_count",
        severity=ERROR,
        finds="A task has more or fewer examples of a variant than the plan gives it.",
        decides="As for the task; where draws were dropped, so many fewer are allowed.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/draws",
        severity=ERROR,
        finds="Draws of a task are missing, come twice, or are none of the plan's.",
        decides="The number of draws and a sum of hashes of them are compared with those of the "
        "plan; draws that come twice in a shard are shown. Where draws were dropped, only double "
        "ones are found.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/unplanned_template",
        severity=ERROR,
        finds="A template is used in a variant that it does not serve, or is none of the task's.",
        decides="Any record is a finding.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/template_count",
        severity=ERROR,
        finds="A template is used more or less often than the others of its variant.",
        decides="Templates are gone through in turn, so counts in a cell differ by at most one: "
        "between the quota over the number of templates rounded down, less dropped draws, and the "
        "same rounded up. Left aside where a template needs an optional field.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/unused_template",
        severity=WARNING,
        finds="A template that should be used is not.",
        decides="The plan has room for it, it needs no optional field, and no record has it.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/unmet_field",
        severity=NOTE,
        finds="Templates are not used, and need a field that may be empty.",
        decides="No record has them, and they name a field in `requires`.",
        remedy="See in the row store whether the field is empty in all rows of the task.",
    ),
    Check(
        id="coverage/no_room",
        severity=NOTE,
        finds="Templates are not used because their tasks get fewer examples than templates.",
        decides="No record has them, and no cell that they serve has as many examples as "
        "templates.",
        remedy="Ask for more examples if every template should be seen.",
    ),
    Check(
        id="coverage/shots_of_variant",
        severity=ERROR,
        finds="A zero-shot record shows exemplars, a few-shot one shows none, or the number of "
        "exemplars is not that of their rows.",
        decides="Any record is a finding.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/unplanned_shots",
        severity=ERROR,
        finds="Prompts show more exemplars than the recipe asks for.",
        decides="Any record is a finding.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/shots",
        severity=WARNING,
        finds="Numbers of exemplars in a part of the mixture are not those the recipe asks for.",
        decides="Chi-square against the recipe's rates over all tasks of the part: p below 0.001 "
        "after Holm's correction for all parts, and Cohen's w of 0.1 or more.",
        remedy="Raise limits.input_chars if prompts are too long for their exemplars; tasks of a "
        "few rows cannot show many.",
    ),
)

CHECKS: Mapping[str, Check] = MappingProxyType({check.id: check for check in _ALL})
"""All checks by id, in the order in which the reference lists them."""
