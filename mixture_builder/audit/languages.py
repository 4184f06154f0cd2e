"""Whether texts are in the scripts of the languages that the card names.

Scripts are told apart by the first two bytes of a character in UTF-8, which name its block.
Languages of one script are not told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mixture_builder.audit.checks import AuditFinding
from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.hits import Hits
from mixture_builder.audit.report import SectionReport
from mixture_builder.audit.text_column import Numbers, TextColumn
from mixture_builder.audit.view import ShardView

SCRIPTS = (
    "Other",
    "Latin",
    "Greek",
    "Cyrillic",
    "Armenian",
    "Hebrew",
    "Arabic",
    "Indic",
    "Thai",
    "Lao",
    "Tibetan",
    "Burmese",
    "Georgian",
    "Ethiopic",
    "Khmer",
    "Kana",
    "Han",
    "Hangul",
)

_BLOCKS: tuple[tuple[str, int, int], ...] = (
    ("Latin", 0x00C0, 0x024F),
    ("Greek", 0x0370, 0x03FF),
    ("Cyrillic", 0x0400, 0x052F),
    ("Armenian", 0x0530, 0x058F),
    ("Hebrew", 0x0590, 0x05FF),
    ("Arabic", 0x0600, 0x07BF),
    ("Arabic", 0x08C0, 0x08FF),
    ("Indic", 0x0900, 0x0DFF),
    ("Thai", 0x0E00, 0x0E7F),
    ("Lao", 0x0E80, 0x0EFF),
    ("Tibetan", 0x0F00, 0x0FFF),
    ("Burmese", 0x1000, 0x107F),
    ("Georgian", 0x1080, 0x10FF),
    ("Hangul", 0x1100, 0x11FF),
    ("Ethiopic", 0x1200, 0x13BF),
    ("Khmer", 0x1780, 0x17FF),
    ("Latin", 0x1E00, 0x1EFF),
    ("Kana", 0x3040, 0x30FF),
    ("Han", 0x3400, 0x9FFF),
    ("Hangul", 0xAC00, 0xD7BF),
    ("Han", 0xF900, 0xFABF),
    ("Arabic", 0xFB40, 0xFDFF),
    ("Arabic", 0xFE80, 0xFEBF),
)
"""Blocks by code points; borders are those of 64, which is what two bytes can tell."""

_OF_LANGUAGES: Mapping[str, tuple[str, ...]] = {
    "Greek": ("el",),
    "Cyrillic": tuple("ru uk bg be mk sr kk ky mn tg tt ba cv ce os ab sah uz az".split()),
    "Armenian": ("hy",),
    "Hebrew": ("he", "yi", "iw"),
    "Arabic": tuple("ar fa ur ps ckb ug sd ku az ks ms".split()),
    "Indic": tuple("hi mr ne sa bn as pa gu or ta te kn ml si gom kok mai bho sd ks".split()),
    "Thai": ("th",),
    "Lao": ("lo",),
    "Tibetan": ("bo", "dz"),
    "Burmese": ("my",),
    "Georgian": ("ka",),
    "Ethiopic": ("am", "ti"),
    "Khmer": ("km",),
    "Kana": ("ja",),
    "Han": ("zh", "ja", "ko", "yue", "wuu"),
    "Hangul": ("ko",),
}
"""Languages of each script but Latin; those named more than once are written in several."""

LATIN_TOO = frozenset("sr kk ky mn tg tt uz az ku ug sd ks ms bho pa".split())

FOREIGN_SHARE, FOREIGN_LETTERS = 0.3, 20
"""A text is in a foreign script if such a share of its letters is, and at least so many."""

FOREIGN_RECORDS = 0.05
"""From this share of a task's records on it is a finding."""

MISSING_SHARE, MISSING_RECORDS = 0.01, 20
"""Of a task with so many records, at least so many letters must be of a script of its languages."""


def scripts_of(languages: Iterable[str]) -> frozenset[str]:
    """The scripts in which languages are written.

    Args:
      languages: BCP-47 codes.

    >>> sorted(scripts_of(["ja", "en-GB"]))
    ['Han', 'Kana', 'Latin']
    """
    found: set[str] = set()
    for code in languages:
        base = code.lower().split("-")[0]
        named = {script for script, codes in _OF_LANGUAGES.items() if base in codes}
        found |= named or {"Latin"}
        if base in LATIN_TOO:
            found.add("Latin")
    return frozenset(found)


def _table() -> npt.NDArray[np.uint8]:
    table = np.zeros(1 << 16, dtype=np.uint8)
    for script, first, last in _BLOCKS:
        for code in range(first & ~63, last + 1, 64):
            pair = chr(code).encode()[:2]
            number = SCRIPTS.index(script)
            if len(chr(code).encode()) == 2:
                low = pair[0] << 8
                # Of two bytes the second names the letter: all 64 are of the block.
                table[low + 0x80 : low + 0xC0] = number
            else:
                table[(pair[0] << 8) | pair[1]] = number
    return table


_SCRIPT_OF_PAIR = _table()

_LATIN = SCRIPTS.index("Latin")


@dataclass(kw_only=True, slots=True)
class Languages:
    """What was seen of some records.

    Attributes:
      letters: by task, letters of each of `SCRIPTS`, in prompts and targets.
      records: by task.
      hits: records in a foreign script.
    """

    letters: dict[str, tuple[int, ...]] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    hits: Hits = field(default_factory=Hits)


def observe(view: ShardView) -> Languages:
    """Counts the letters of a stretch."""
    state = Languages()
    if not view.rows:
        return state
    known = np.asarray(
        [_allowed(task.card.get("languages", ()) if task else ()) for task in view.tasks],
        dtype=bool,
    )
    names, codes = view.task_names, view.task_codes
    letters = np.zeros((len(names), len(SCRIPTS)), dtype=np.int64)
    marked = np.zeros(view.rows, dtype=bool)
    for column in (view.inputs, view.targets):
        latin, owners, scripts = _letters(column)
        letters[:, _LATIN] += _summed(codes, latin, len(names))
        letters += _counted(codes[owners], scripts, len(names))
        # Without letters beyond ASCII a text is Latin, which always may be there.
        starts = np.flatnonzero(np.diff(owners, prepend=-1))
        rows = owners[starts]
        sizes = np.diff(starts, append=len(owners))
        found = _counted(np.repeat(np.arange(len(rows)), sizes), scripts, len(rows))
        found[:, _LATIN] += latin[rows]
        foreign = np.where(known[codes[rows]], 0, found).sum(axis=1)
        much = (foreign >= FOREIGN_LETTERS) & (foreign > FOREIGN_SHARE * found.sum(axis=1))
        marked[rows[much]] = True
    records = np.bincount(codes, minlength=len(names))
    for name, of_task, count in zip(names, letters.tolist(), records.tolist(), strict=True):
        state.letters[name] = tuple(of_task)
        state.records[name] = count
    view.hit(state.hits, "language/foreign_script", np.flatnonzero(marked))
    return state


def _summed(codes: Numbers, numbers: Numbers, length: int) -> Numbers:
    # As fractions of 53 bits, which is enough for the letters of a stretch.
    return np.bincount(codes, weights=numbers, minlength=length).astype(np.int64)


def _counted(owners: Numbers, scripts: Numbers, length: int) -> Numbers:
    width = len(SCRIPTS)
    return np.bincount(owners * width + scripts, minlength=length * width).reshape(length, width)


def _allowed(languages: Iterable[str]) -> list[bool]:
    names = list(languages)
    scripts = scripts_of(names)
    # Instructions are English, names and formulas Latin, whatever the language.
    always = {"Other", "Latin", "Greek"}
    return [not names or script in scripts or script in always for script in SCRIPTS]


def _letters(column: TextColumn) -> tuple[Numbers, Numbers, Numbers]:
    """Letters of ASCII in each text, and of each other letter, in order, its text and its script.

    Of ASCII, four in five characters are taken for letters.
    """
    data, leads = column.numbers, column.marks.leads
    leads = leads[leads < len(data) - 1]
    lead = data[leads].astype(np.int64)
    owners = column.rows_of(leads)
    scripts = _SCRIPT_OF_PAIR[(lead << 8) | data[leads + 1]].astype(np.int64)
    sizes = 2 + (lead >= 0xE0).astype(np.int64) + (lead >= 0xF0)
    ascii_bytes = column.sizes - _summed(owners, sizes, len(column.sizes))
    return ascii_bytes * 4 // 5, owners, scripts


def merge(one: Languages, other: Languages) -> Languages:
    """The letters of both."""
    letters, records = dict(one.letters), dict(one.records)
    for task, counts in other.letters.items():
        before = letters.get(task, (0,) * len(SCRIPTS))
        letters[task] = tuple(a + b for a, b in zip(before, counts, strict=True))
        records[task] = records.get(task, 0) + other.records[task]
    return Languages(letters=letters, records=records, hits=one.hits.merged(other.hits))


def report(state: Languages, context: AuditContext) -> SectionReport:
    """Scripts of each task, and what does not go with its languages."""
    findings: list[AuditFinding] = []
    tasks: dict[str, dict[str, Any]] = {}
    whole = [0] * len(SCRIPTS)
    for name, letters in sorted(state.letters.items()):
        whole = [a + b for a, b in zip(whole, letters, strict=True)]
        found = {s: n for s, n in zip(SCRIPTS, letters, strict=True) if n and s != "Other"}
        tasks[name] = {"scripts": found}
        task = context.tasks.get(name)
        languages = list(task.card.get("languages", ())) if task else []
        records, total = state.records[name], sum(found.values())
        if not languages or not total:
            continue
        foreign = state.hits.counts.get(("language/foreign_script", name), 0)
        if foreign >= max(1, FOREIGN_RECORDS * records):
            findings.append(
                AuditFinding(
                    check="language/foreign_script",
                    task=name,
                    message=f"{foreign:,} of {records:,} records are mostly in a script of none of "
                    f"its languages ({', '.join(languages)})",
                    count=foreign,
                    asked=sorted(scripts_of(languages)),
                    found=found,
                    evidence=state.hits.kept["language/foreign_script", name],
                )
            )
        missing = [
            code
            for code in languages
            if sum(found.get(script, 0) for script in scripts_of([code])) < MISSING_SHARE * total
        ]
        if missing and records >= MISSING_RECORDS:
            findings.append(
                AuditFinding(
                    check="language/no_script",
                    task=name,
                    message=f"next to no letters of the script of {', '.join(missing)}",
                    count=records,
                    asked=sorted(scripts_of(missing)),
                    found=found,
                )
            )
    return SectionReport(
        facts={"letters": {s: n for s, n in zip(SCRIPTS, whole, strict=True) if n}},
        findings=findings,
        tasks=tasks,
    )
