"""Prompts and targets as texts: empty, damaged, cut, not rendered, or values of a program."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from mixture_builder.audit.checks import NOTE, AuditFinding, from_hits
from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.hits import Hits
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.text_column import Bytes, Flags, Numbers, TextColumn
from mixture_builder.audit.view import ShardView

_SOMETHING = r"[^\s\p{Z}\x{200B}\x{FEFF}]"
"""A character that can be seen."""

_C1 = 0xC2

_LEADS = np.zeros(256, dtype=np.bool_)
_LEADS[[_C1, 0xEF]] = True

_ACCENTED = 0xC3
"""What letters of Western European languages beyond ASCII begin with."""

_BAD = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\ufeff-\\U0010ffff]"
    "|\\xe2\\u20ac|\\xc3[\\xa0-\\xbf]|\\xc2[\\xa0\\xa3\\xa9\\xae\\xb0\\xb1\\xbd]"
)

_DAMAGED = (
    r"[\x{80}-\x{9F}\x{FFFD}\x{FFFE}\x{FEFF}]"
    r"|\x{E2}\x{20AC}|\x{C3}[\x{A0}-\x{BF}]|\x{C2}[\x{A0}\x{A3}\x{A9}\x{AE}\x{B0}\x{B1}\x{BD}]"
)
"""The last ones are UTF-8 read as Windows-1252: of quotation marks and dashes, of letters with
accents, of signs. No language writes them so."""

_JINJA = re.compile(
    r"\{\{-?\s*([a-z_][a-z0-9_]*)[^{}]*\}\}|\{%-?\s*(?:if|elif|else|endif|for|endfor)\b"
)

_BRACE, _PERCENT = b"{%"

_PROGRAM_VALUES = ("None", "nan", "NaN", "null", "undefined", "<NA>", "NaT", "[]")

_SENTENCE_END = tuple(".!?…。！？।؟\"'”’»)]}:;*`|>")
_ENDING = np.zeros(256, dtype=np.bool_)
_ENDING[[ord(mark) for mark in _SENTENCE_END if mark.isascii()]] = True

FEWEST_TARGETS, SHARE_ENDED = 50, 0.98
"""Of a task with so many long targets, of which so many end a sentence, the others are cut."""

LONG_TARGET = 40

FEWEST_AT_END, SHARE_AT_END, LONG_TEXT = 5, 0.02, 200
"""So many different targets of the same, largest size, and such a share of a task's, are cut
there."""

MOST_HASHES = 64

SHARE_DAMAGED, FEWEST_DAMAGED = 0.01, 10
"""From this share of a task's records and so many on, characters that should not be there are a
warning."""


@dataclass(kw_only=True, slots=True)
class Texts:
    """What was seen of some records.

    Attributes:
      hits: records with a fault.
      endings: by task, long targets, and those of them that end no sentence.
      longest: by task, the size of the longest target in characters, and hashes of those that
        have it, as many as matter.
    """

    hits: Hits = field(default_factory=Hits)
    endings: dict[str, tuple[int, int]] = field(default_factory=dict)
    longest: dict[str, tuple[int, frozenset[int]]] = field(default_factory=dict)


def observe(view: ShardView) -> Texts:
    """Looks at the texts of a stretch."""
    state = Texts()
    if not view.rows:
        return state
    for name, column in (("inputs", view.inputs), ("targets", view.targets)):
        view.hit(state.hits, f"text/empty_{name[:-1]}", _empty(column), column=name)
        _control_characters(state, view, name, column)
        _unrendered(state, view, name, column)
    _program_values(state, view)
    _endings(state, view)
    return state


def _matches(texts: pa.Array, pattern: str) -> Flags:
    found: Flags = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return found


def _empty(column: TextColumn) -> Numbers:
    # Nearly all texts begin with a character of ASCII that can be seen.
    first = column.byte_at(column.offsets[:-1])
    rows = np.flatnonzero((first <= 0x20) | (first >= 0x7F) | (column.sizes == 0))
    if not len(rows):
        return rows
    return rows[~_matches(column.array.take(pa.array(rows)), _SOMETHING)]


def _control_characters(state: Texts, view: ShardView, name: str, column: TextColumn) -> None:
    rows = np.unique(column.rows_of(column.marks.controls))
    view.hit(state.hits, "text/control_character", rows, column=name, at=_first(column, rows))
    data, leads = column.numbers, column.marks.leads
    first = data[leads]
    suspicious = leads[_maybe_damaged(column, leads, first) | _misread(column, leads, first)]
    leading = np.unique(column.rows_of(suspicious))
    if len(leading):
        damaged = _matches(column.array.take(pa.array(leading)), _DAMAGED)
        found = leading[damaged]
        view.hit(state.hits, "text/damaged_character", found, column=name, at=_first(column, found))


def _maybe_damaged(column: TextColumn, leads: Numbers, first: Bytes) -> Flags:
    """Characters that may be C1 controls, the replacement character or the byte order mark."""
    marks = _LEADS[first]
    found = np.flatnonzero(marks)
    second = column.byte_at(leads[found] + 1)
    marks[found] = np.where(first[found] == _C1, second < 0xA0, (second == 0xBB) | (second == 0xBF))
    return marks


def _misread(column: TextColumn, leads: Numbers, first: Bytes) -> Flags:
    """Characters that may be the first byte of one in UTF-8, read as Windows-1252."""
    marks = np.zeros(len(leads), dtype=np.bool_)
    letters = np.flatnonzero(first == _ACCENTED)
    second, third = (column.byte_at(leads[letters] + further) for further in (1, 2))
    low = (second == 0x82) | (second == 0x83)
    marks[letters] = (low & (third == 0xC2)) | ((second == 0xA2) & (third == 0xE2))
    return marks


def _first(column: TextColumn, rows: Numbers) -> list[int]:
    return [
        found.start() if (found := _BAD.search(column.text(row))) else 0 for row in rows.tolist()
    ]


def _unrendered(state: Texts, view: ShardView, name: str, column: TextColumn) -> None:
    braces = column.marks.braces
    after = column.byte_at(braces + 1)
    braces = braces[(after == _BRACE) | (after == _PERCENT)]
    marked = np.unique(column.rows_of(braces))
    found, places = [], []
    for row in marked.tolist():
        task = view.tasks[int(view.task_codes[row])]
        for match in _JINJA.finditer(column.text(row)):
            # Rows may hold such marks of their own; the names of the task's fields they do not.
            if match[1] is None or (task is not None and match[1] in _names(task.templates)):
                found.append(row)
                places.append(match.start())
                break
    view.hit(state.hits, "text/unrendered", found, column=name, at=places)


@lru_cache(maxsize=10_000)
def _names(templates: tuple[object, ...]) -> frozenset[str]:
    return frozenset(name for t in templates for name in t.names)  # type: ignore[attr-defined]


def _program_values(state: Texts, view: ShardView) -> None:
    suspicious = pc.is_in(view.targets.array, value_set=pa.array(_PROGRAM_VALUES))
    found = []
    for row in np.flatnonzero(suspicious.to_numpy(zero_copy_only=False)).tolist():
        # A label that the prompt itself names is one.
        if view.targets.text(row) not in view.inputs.text(row):
            found.append(row)
    view.hit(state.hits, "text/program_value", found, column="targets")


def _endings(state: Texts, view: ShardView) -> None:
    sizes = view.targets.lengths
    longest = np.zeros(len(view.task_names), dtype=sizes.dtype)
    np.maximum.at(longest, view.task_codes, sizes)
    largest = np.flatnonzero((sizes >= LONG_TEXT) & (sizes == longest[view.task_codes]))
    hashes: dict[int, set[int]] = {}
    for row, code in zip(largest.tolist(), view.task_codes[largest].tolist(), strict=True):
        text = view.targets.text(row).encode()
        hashes.setdefault(code, set()).add(xxhash.xxh3_64_intdigest(text))
    for code, found in hashes.items():
        state.longest[view.task_names[code]] = (int(longest[code]), _some(found))
    long = np.flatnonzero(sizes >= LONG_TARGET)
    last = view.targets.byte_at(view.targets.offsets[1:][long] - 1)
    unsure = long[~_ENDING[last]]
    wide = last[~_ENDING[last]] >= 0x80
    ended = [view.targets.text(row).endswith(_SENTENCE_END) for row in unsure[wide].tolist()]
    opens_at = np.sort(
        np.concatenate([unsure[~wide], unsure[wide][~np.asarray(ended, dtype=bool)]])
    )
    codes = view.task_codes
    totals = np.bincount(codes[long], minlength=len(view.task_names))
    opens = np.bincount(codes[opens_at], minlength=len(view.task_names))
    for code in np.flatnonzero(totals).tolist():
        state.endings[view.task_names[code]] = (int(totals[code]), int(opens[code]))
    view.hit(state.hits, "text/cut_target", opens_at, column="targets", tail=True)


def _some(hashes: Iterable[int]) -> frozenset[int]:
    return frozenset(sorted(hashes)[:MOST_HASHES])


def merge(one: Texts, other: Texts) -> Texts:
    """What was seen of both."""
    endings = dict(one.endings)
    for task, (long, left) in other.endings.items():
        before = endings.get(task, (0, 0))
        endings[task] = (before[0] + long, before[1] + left)
    longest = dict(one.longest)
    for task, (size, hashes) in other.longest.items():
        there, mine = longest.get(task, (-1, frozenset()))
        if size > there:
            longest[task] = (size, hashes)
        elif size == there:
            longest[task] = (size, _some(hashes | mine))
    return Texts(hits=one.hits.merged(other.hits), endings=endings, longest=longest)


_MESSAGES = {
    "text/empty_input": "{count} with nothing but white space as the prompt",
    "text/empty_target": "{count} with nothing but white space as the target",
    "text/control_character": "{count} with control characters",
    "text/damaged_character": "{count} with characters that a wrong encoding leaves",
    "text/unrendered": "{count} with Jinja that was not rendered",
    "text/program_value": "{count} whose target is how a program writes a missing value",
}


def report(state: Texts, context: AuditContext) -> SectionReport:
    """What there is to say of texts."""
    findings: list[AuditFinding] = []
    for check, message in _MESSAGES.items():
        found = from_hits(state.hits, check, message)
        if check in {"text/control_character", "text/damaged_character"}:
            found = [_by_share(finding, context) for finding in found]
        findings += found
    for task, (long, left) in sorted(state.endings.items()):
        code = task in context.tasks and context.tasks[task].kind == "code"
        if left and not code and long >= FEWEST_TARGETS and left <= (1 - SHARE_ENDED) * long:
            findings.append(
                AuditFinding(
                    check="text/cut_target",
                    task=task,
                    message=f"{left:,} of {long:,} long targets end in the middle of a sentence; "
                    "all others end one",
                    count=left,
                    evidence=state.hits.kept["text/cut_target", task],
                )
            )
    for task, (size, hashes) in sorted(state.longest.items()):
        quota = context.tasks[task].plan.quota if task in context.tasks else 0
        fewest = max(FEWEST_AT_END, min(MOST_HASHES, SHARE_AT_END * quota))
        if size >= LONG_TEXT and len(hashes) >= fewest:
            some = f"{MOST_HASHES} or more" if len(hashes) == MOST_HASHES else str(len(hashes))
            findings.append(
                AuditFinding(
                    check="text/cut_at_size",
                    task=task,
                    message=f"{some} different targets have exactly {size:,} characters, and none "
                    "has more",
                    count=len(hashes),
                    found=size,
                )
            )
    return SectionReport(findings=findings)


def _by_share(finding: AuditFinding, context: AuditContext) -> AuditFinding:
    task = context.tasks.get(finding.task)
    quota = task.plan.quota if task else 0
    few = finding.count < max(FEWEST_DAMAGED, SHARE_DAMAGED * quota)
    return replace(finding, severity=NOTE) if few else finding
