"""What the page's script reads of tasks: figures of all of them, and details some at a time.

Both are packed, so that the page of 1,836 tasks stays small: `pack` says how. Long texts of
records are cut in their middle until the whole fits.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from mixture_builder.audit.context import AuditContext, AuditedTask
from mixture_builder.audit.report_page.records import SampleRecord
from mixture_builder.render.parts import PART_KINDS, Part

CHUNK = 48
"""Tasks whose details are unpacked together, when the first of them is opened."""

PAGE_BYTES = 4_600_000
"""What a page may take; a report can be sent by mail then, and be attached to an issue."""

SHOWN_LENGTHS = (20_000, 8_000, 4_000, 2_500, 1_600, 1_000, 700, 450, 300, 0)
"""Most characters of a prompt that are shown: the first with which the page is small enough.

With none, sample records are left out."""

SHOWN_FIELD = 0.25
"""So much of a prompt's length is shown of a field of its row."""

RANKS = {"error": 0, "warning": 1, "note": 2}


def pack(data: Any) -> str:
    """JSON, deflated with zlib's header, as base64: what `DecompressionStream` takes apart."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str)
    packed = zlib.compress(text.encode("utf-8", "replace"), 9)
    return base64.b64encode(packed).decode("ascii")


def overview(told: Mapping[str, Any], context: AuditContext) -> list[dict[str, Any]]:
    """A line for each task, in the order of their ids."""
    marks: dict[str, dict[str, str]] = {}
    for finding in told["findings"]:
        if finding["task"]:
            found = marks.setdefault(finding["task"], {})
            level = min(
                finding["severity"], found.get(finding["check"], "note"), key=RANKS.__getitem__
            )
            found[finding["check"]] = level
    return [
        _line(name, facts, context.tasks.get(name), marks.get(name, {}))
        for name, facts in told["tasks"].items()
    ]


def _line(
    name: str, facts: Mapping[str, Any], task: AuditedTask | None, marks: Mapping[str, str]
) -> dict[str, Any]:
    lengths = facts.get("lengths", {})
    found = facts.get("templates", {})
    return {
        "id": name,
        "part": facts.get("submixture", ""),
        "title": facts.get("title") or "",
        "kind": facts.get("kind") or "",
        "languages": facts.get("languages", []),
        "licence": facts.get("licence", ""),
        "asked": facts.get("asked", 0),
        "found": facts.get("found", 0),
        "templates": [
            (template, round(asked, 1), sum(found.get(template, {}).values()))
            for template, asked in asked_of_templates(task, found).items()
        ],
        "variants": [(v, n["asked"], n["found"]) for v, n in facts.get("variants", {}).items()],
        "shots": mean_shots(facts.get("shots", {})),
        "chars": [lengths.get(f"{what}_chars", {}).get("p50") for what in ("input", "target")],
        "checks": [(check, RANKS[level]) for check, level in marks.items()],
    }


def asked_of_templates(
    task: AuditedTask | None, found: Mapping[str, Mapping[str, int]]
) -> dict[str, float]:
    """Examples that the plan has for each template of a task: equal shares within each cell.

    Templates that it has no room for, or that it does not name, are asked for none.
    """
    asked: dict[str, float] = {}
    if task is not None:
        used = {place for cell in task.plan.cells if cell.quota for place in cell.templates}
        asked = {task.templates[place].id: 0.0 for place in sorted(used)}
        for cell in task.plan.cells:
            for place in cell.templates if cell.quota else ():
                asked[task.templates[place].id] += cell.quota / len(cell.templates)
    return {**asked, **{name: 0.0 for name in found if name not in asked}}


def mean_shots(shots: Mapping[str, int]) -> float | None:
    """Exemplars of a few-shot prompt in the mean; `None` if there is no such prompt."""
    few = {int(n): count for n, count in shots.items() if int(n)}
    if not few:
        return None
    return round(sum(n * count for n, count in few.items()) / sum(few.values()), 2)


def details(
    told: Mapping[str, Any],
    samples: Mapping[str, Sequence[SampleRecord]],
    *,
    room: int,
) -> tuple[list[str], int]:
    """Packed details of `CHUNK` tasks each, in the order of `overview`.

    Args:
      told: the document of the audit.
      samples: records by task.
      room: characters that all may take.

    Returns:
      The chunks, and how many characters of a prompt are shown at most.
    """
    findings: dict[str, list[Mapping[str, Any]]] = {}
    for finding in told["findings"]:
        if finding["task"]:
            findings.setdefault(finding["task"], []).append(finding)
    names = list(told["tasks"])
    chunks: list[str] = []
    longest = 0
    for longest in SHOWN_LENGTHS:
        chunks = []
        for start in range(0, len(names), CHUNK):
            chunks.append(
                pack(
                    [
                        _detail(
                            told["tasks"][name],
                            findings.get(name, ()),
                            samples.get(name, ()),
                            longest,
                        )
                        for name in names[start : start + CHUNK]
                    ]
                )
            )
            if longest and sum(map(len, chunks)) > room:
                break
        else:
            break
    return chunks, longest


def _detail(
    facts: Mapping[str, Any],
    findings: Sequence[Mapping[str, Any]],
    samples: Sequence[SampleRecord],
    longest: int,
) -> dict[str, Any]:
    kept = ("rows", "licence_read_at", "citation", "templates", "shots", "lengths", "scripts")
    return {
        **{key: facts[key] for key in kept if facts.get(key)},
        "positions": facts.get("option_positions"),
        "labels": facts.get("labels", []),
        "findings": [
            {k: finding[k] for k in ("check", "severity", "message", "remedy", "evidence")}
            for finding in findings
        ],
        "samples": [_sample(sample, longest) for sample in samples if longest],
    }


def _sample(sample: SampleRecord, longest: int) -> dict[str, Any]:
    record = sample.record
    field = max(80, int(longest * SHOWN_FIELD))
    return {
        "at": f"{sample.shard}:{sample.row}",
        "variant": record["variant"],
        "template": record["template_id"],
        "style": record["style"],
        "exemplars": record["num_exemplars"],
        "apart": sample.parts.told_apart,
        "prompt": cut(sample.parts.prompt, longest),
        "target": cut(sample.parts.target, longest),
        "place": sample.place,
        "row": str(record["row"]),  # beyond what a script holds exactly as a number
        "fields": [(name, _shown(value, field)) for name, value in sample.fields.items()],
    }


def _shown(value: Any, longest: int) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if len(text) <= longest:
        return text
    return f"{text[:longest]} … ({len(text) - longest:,} characters more)"


def cut(parts: Sequence[Part], longest: int) -> list[tuple[int, str, str, int]]:
    """Parts as kind, text, field and exemplar; long ones without their middle.

    What is left out stands as a part of kind -1, whose text says how many characters it has. So
    no letter is shown that is not the record's, and every part is still seen.
    """
    sizes = [len(part.text) for part in parts]
    bound = _bound(sizes, longest)
    shown: list[tuple[int, str, str, int]] = []
    for part in parts:
        kind = PART_KINDS.index(part.kind)
        if len(part.text) <= bound + 30:
            shown.append((kind, part.text, part.field, part.exemplar))
            continue
        tail = bound // 3
        pieces = (part.text[: bound - tail], part.text[len(part.text) - tail :])
        shown.append((kind, pieces[0], part.field, part.exemplar))
        shown.append((-1, f"{len(part.text) - bound:,}", "", 0))
        shown.append((kind, pieces[1], part.field, part.exemplar))
    return shown


def _bound(sizes: Sequence[int], longest: int) -> int:
    """The size to which long parts are cut so that all together have `longest` characters."""
    if sum(sizes) <= longest:
        return max(sizes, default=0)
    room, left = longest, len(sizes)
    for size in sorted(sizes):
        if size * left > room:
            return max(24, room // left)
        room -= size
        left -= 1
    return max(sizes, default=0)
