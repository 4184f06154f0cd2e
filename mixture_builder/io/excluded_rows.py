"""Lists of rows that a mixture leaves out: JSON Lines, sorted, named by their digest.

The first line is a header, each further line a row of one task:

    {"excluded_rows": 1, "rows": 2, "digest": "..."}
    {"task": "cot/gsm8k", "row": 123, "reason": "held_out", "evidence": {...}}

Lines stand in the order of task and row, and the digest is that of the lines: equal lists are
equal files, whoever made them. `jobs.sieve` leaves the rows out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mixture_builder.errors import InvalidFilesError
from mixture_builder.findings import Finding, error
from mixture_builder.io.atomic import atomic_output

LIST_VERSION = 1

MOST_FINDINGS = 20
"""Lines that are reported one by one; a file of another kind would give one for each."""

_REASON = re.compile(r"[a-z][a-z0-9_]{0,39}")
_HEADER_KEYS = {"excluded_rows", "rows", "digest"}
_KEYS = {"task", "row", "reason", "evidence"}
_REMEDY = "`mixture-builder dedupe` and `contamination` write such lists."


@dataclass(frozen=True, kw_only=True, slots=True)
class ExcludedRow:
    """One row that is to be left out.

    Attributes:
      task: its id.
      row: identity, as the store and the column `row` of a mixture have it.
      reason: a name, such as `duplicate`; rows are counted by it.
      evidence: what was found, as plain data.
    """

    task: str
    row: int
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExcludedOfTask:
    """What lists say of one task.

    Attributes:
      rows: identities, sorted, each once.
      reasons: of each row. Where several lists name a row, the reason that sorts first: the order
        of lists decides nothing.
      evidence: of each row, as JSON.
    """

    rows: npt.NDArray[np.int64]
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]

    def without(self, found: npt.NDArray[np.bool_]) -> ExcludedOfTask:
        """Only those rows for which `found` holds."""
        places = np.flatnonzero(found).tolist()
        return ExcludedOfTask(
            rows=self.rows[found],
            reasons=tuple(self.reasons[p] for p in places),
            evidence=tuple(self.evidence[p] for p in places),
        )

    @property
    def by_reason(self) -> dict[str, int]:
        """How many rows there are of each reason."""
        return dict(sorted(Counter(self.reasons).items()))


def write_excluded_rows(url: str, rows: Iterable[ExcludedRow]) -> str:
    """Writes a list and gives its digest.

    Args:
      url: where it goes.
      rows: in any order; a row that is named twice keeps the reason that sorts first.

    Raises:
      BuildError: if the storage refuses.
    """
    ordered = sorted(rows, key=lambda r: (r.task, r.row, r.reason))
    lines = []
    last: tuple[str, int] | None = None
    for row in ordered:
        if (row.task, row.row) != last:
            plain = {"task": row.task, "row": row.row, "reason": row.reason}
            lines.append(_line({**plain, "evidence": dict(row.evidence)}))
            last = (row.task, row.row)
    digest = _digest(lines)
    header = _line({"excluded_rows": LIST_VERSION, "rows": len(lines), "digest": digest})
    with atomic_output(url) as output:
        output.write(header)
        output.writelines(lines)
    return digest


def _line(plain: Mapping[str, Any]) -> bytes:
    return json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _digest(lines: Iterable[bytes]) -> str:
    hashed = hashlib.sha256()
    for line in lines:
        hashed.update(line)
    return hashed.hexdigest()[:32]


def read_excluded_rows(
    lists: Sequence[tuple[Path, str]],
) -> dict[str, ExcludedOfTask]:
    """What lists say, by task, sorted by task.

    Args:
      lists: path of each, and how messages name it.

    Raises:
      InvalidFilesError: with everything that is wrong with the files.
    """
    findings: list[Finding] = []
    named: dict[str, dict[int, tuple[str, str]]] = {}
    for path, shown_as in lists:
        for row in _read(path, shown_as, findings):
            known = named.setdefault(row.task, {})
            told = (row.reason, json.dumps(dict(row.evidence), ensure_ascii=False))
            known[row.row] = min(told, known.get(row.row, told))
    if findings:
        raise InvalidFilesError(tuple(findings))
    result = {}
    for task, rows in sorted(named.items()):
        ordered = sorted(rows)
        result[task] = ExcludedOfTask(
            rows=np.asarray(ordered, dtype=np.int64),
            reasons=tuple(rows[row][0] for row in ordered),
            evidence=tuple(rows[row][1] for row in ordered),
        )
    return result


def _read(path: Path, shown_as: str, findings: list[Finding]) -> Iterator[ExcludedRow]:
    """The rows of one list; what is wrong with it goes to `findings`."""
    found_before = len(findings)

    def wrong(place: str, message: str, remedy: str = _REMEDY) -> None:
        if len(findings) - found_before < MOST_FINDINGS:
            findings.append(error(shown_as, place, message, remedy))

    try:
        stream = path.open("rb")
    except OSError as problem:
        wrong("", f"cannot be read: {problem.strerror}.", "Name a list of rows, or remove it.")
        return
    hashed = hashlib.sha256()
    rows = 0
    header: Mapping[str, Any] = {}
    with stream:
        for number, line in enumerate(stream, start=1):
            plain = _plain(line)
            if number == 1:
                if plain is None or set(plain) != _HEADER_KEYS:
                    wrong("line 1", "found no header of a list of excluded rows.")
                    return
                if plain["excluded_rows"] != LIST_VERSION:
                    wrong(
                        "line 1",
                        f"found version {plain['excluded_rows']!r}; expected {LIST_VERSION}.",
                    )
                    return
                header = plain
                continue
            hashed.update(line)
            rows += 1
            row = _row(plain)
            if isinstance(row, str):
                wrong(f"line {number}", row)
            else:
                yield row
    if not header:
        wrong("", "found an empty file; expected a list of excluded rows.")
    elif header["rows"] != rows or header["digest"] != hashed.hexdigest()[:32]:
        wrong(
            "line 1",
            f"found {rows:,} rows that are not those the header was written for.",
            "The file was cut or changed by hand: write it anew.",
        )


def _plain(line: bytes) -> dict[str, Any] | None:
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return plain if isinstance(plain, dict) else None


def _row(plain: Mapping[str, Any] | None) -> ExcludedRow | str:
    if plain is None or set(plain) != _KEYS:
        return f"expected a JSON object of {', '.join(sorted(_KEYS))}."
    task, row, reason, evidence = (plain[k] for k in ("task", "row", "reason", "evidence"))
    if not isinstance(task, str) or not isinstance(evidence, dict):
        return "expected a text as task and an object as evidence."
    if not isinstance(row, int) or isinstance(row, bool) or not -(2**63) <= row < 2**63:
        return "expected a whole number of 64 bits as row."
    if not isinstance(reason, str) or not _REASON.fullmatch(reason):
        return "expected a reason of at most 40 small letters, digits and underscores."
    return ExcludedRow(task=task, row=row, reason=reason, evidence=evidence)
