"""What any check returns: findings, gathered so that all are seen at once.

A finding has a severity, a place, a message (what was found and what was expected)
and a remedy (the way out). Card errors, template errors and dataset audits share it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import Enum


class Severity(str, Enum):
    """How bad a finding is; `ERROR` makes a check exit with 1."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the worst, so that sorting shows errors first."""
        return (Severity.ERROR, Severity.WARNING, Severity.NOTE).index(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing a check has to say.

    Attributes:
      severity: error, warning or note.
      file: the file as the user named it, or the folder or dataset under audit.
      place: where in the file: a path of keys ("fields.answer"), a line, a task id.
      message: what was found and what was expected.
      remedy: the way out, as an imperative sentence; empty when the message says it.
      line: 1-based line in the file, 0 when unknown.
      lint: name of what was looked for, where it has one; it stands behind the message.
    """

    severity: Severity
    file: str
    place: str
    message: str
    remedy: str = ""
    line: int = 0
    lint: str = ""

    def to_json(self) -> dict[str, object]:
        """A plain mapping for `--json` output."""
        return {**asdict(self), "severity": self.severity.value}


def error(file: str, place: str, message: str, remedy: str = "", line: int = 0) -> Finding:
    """A finding that makes a check fail."""
    return Finding(
        severity=Severity.ERROR, file=file, place=place, message=message, remedy=remedy, line=line
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Findings of one check, sorted by file, worst first within a file."""

    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make the check fail."""
        return tuple(f for f in self.findings if f.severity is Severity.ERROR)

    def format(self) -> str:
        """One block a file: a heading with counts, then a line for each finding."""
        blocks: list[str] = []
        by_file: dict[str, list[Finding]] = {}
        for finding in self.findings:
            by_file.setdefault(finding.file, []).append(finding)
        for file in sorted(by_file):
            found = sorted(by_file[file], key=lambda f: (f.severity.rank, f.line, f.place))
            width = max(len(_where(f)) for f in found)
            lines = [f"{file}: {_counts(found)}"]
            for f in found:
                text = f.message if not f.remedy else f"{f.message} {f.remedy}"
                text += f" [{f.lint}]" if f.lint else ""
                lines.append(f"  {f.severity.value:<8} {_where(f):<{width}}  {text}")
            blocks.append("\n".join(lines))
        return "\n".join(blocks)


def _where(finding: Finding) -> str:
    if finding.line:
        return f"line {finding.line}: {finding.place}" if finding.place else f"line {finding.line}"
    return finding.place or "-"


def _counts(findings: Sequence[Finding]) -> str:
    parts = []
    for severity in Severity:
        count = sum(f.severity is severity for f in findings)
        if count:
            parts.append(f"{count} {severity.value}{'s' if count > 1 else ''}")
    return ", ".join(parts)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`"Did you mean 'x'?"` for the nearest known spelling, or an empty string.

    >>> did_you_mean("pasage", ["question", "passage"])
    "Did you mean 'passage'?"
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean '{near[0]}'?" if near else ""
