"""The manifest: what a finished mixture holds, asked against realised. Written last.

A folder with `manifest.json` is complete. The manifest names every shard with its rows,
bytes, SHA-256 and content digest, and every task with what it asked for and what it got.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from mixture_builder.certificate import make_certificate
from mixture_builder.variants import cell_name

MANIFEST_NAME = "manifest.json"
LOCK_NAME = "recipe.lock.yaml"
MANIFEST_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardResult:
    """One written shard.

    Attributes:
      file: path below the mixture's folder.
      content_digest: of its records, whatever the format.
      cells: examples by task and cell.
      redrawn: draws that took another row, by task and reason.
      dropped: draws that came to nothing, by task and reason.
      dropped_draws: the numbers of these draws.
      entries: dropped draws in full, for quarantine.
      fewer_exemplars: by task, how many few-shot prompts show fewer exemplars than they ask for,
        and how many exemplars they lack in all.
    """

    shard: int
    file: str
    rows: int
    bytes: int
    sha256: str
    content_digest: str
    cells: Mapping[str, Mapping[str, int]]
    redrawn: Mapping[str, Mapping[str, int]]
    dropped: Mapping[str, Mapping[str, int]]
    entries: Sequence[Mapping[str, Any]] = ()
    dropped_draws: Mapping[str, Mapping[str, Sequence[int]]] = field(default_factory=dict)
    fewer_exemplars: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data; not a copy, as a shard of a thousand tasks holds thousands of numbers."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def make_manifest(
    *,
    lock: Mapping[str, Any],
    fingerprint: str,
    shards: Sequence[ShardResult],
    content_digest: str,
    sources: Mapping[str, Mapping[str, Any]],
    versions: Mapping[str, str],
    columns: Mapping[str, str],
    cards: Mapping[str, Any] | None = None,
    fingerprints: Sequence[str] = (),
    prefix: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, Any]:
    """Plain data of the manifest.

    Args:
      lock: plain data of the lock.
      fingerprint: of the lock.
      shards: all of them, in order.
      content_digest: of all shards together.
      sources: for each task, what ingest counted and which files it read.
      versions: of the packages that decide bytes.
      columns: what each column holds.
      cards: from `card_facts`: what the cards say about the tasks.
      fingerprints: of the shards: what decides the bytes of each.
      prefix: where `shards` are only the first ones of the lock's, what each cell of each task asks
        of them.
    """
    facts = cards or {"tasks": {}, "citations": {}}
    realised = _sum(s.cells for s in shards)
    redrawn = _sum(s.redrawn for s in shards)
    dropped = _sum(s.dropped for s in shards)
    fewer = _sum(s.fewer_exemplars for s in shards)
    tasks = {}
    for task, planned in lock["tasks"].items():
        cells = realised.get(task, {})
        asked = {_cell_name(cell): cell["quota"] for cell in planned["cells"]}
        if prefix is not None:
            asked = {name: prefix.get(task, {}).get(name, 0) for name in asked}
        tasks[task] = {
            "submixture": planned["submixture"],
            "rate": planned["rate"],
            "share": planned["share"],
            "quota": planned["quota"] if prefix is None else sum(asked.values()),
            "realised": sum(cells.values()),
            "rows": planned["rows"],
            "variants": {
                name: {"quota": quota, "realised": cells.get(name, 0)}
                for name, quota in asked.items()
            },
            "redrawn": redrawn.get(task, {}),
            "dropped": dropped.get(task, {}),
            **({"fewer_exemplars": fewer[task]} if task in fewer else {}),
            "source": dict(sources.get(task, {})),
            **({"card": dict(facts["tasks"][task])} if task in facts["tasks"] else {}),
        }
    return {
        "manifest_version": MANIFEST_VERSION,
        "name": lock["recipe"]["name"],
        "fingerprint": fingerprint,
        "content_digest": content_digest,
        "seed": lock["seed"],
        "format": lock["format"],
        "asked": lock["examples"] if prefix is None else sum(t["quota"] for t in tasks.values()),
        "realised": sum(s.rows for s in shards),
        **(
            {
                "prefix": {
                    "shards": len(shards),
                    "of_shards": lock["shards"],
                    "of_examples": lock["examples"],
                }
            }
            if prefix is not None
            else {}
        ),
        "bytes": sum(s.bytes for s in shards),
        "versions": dict(versions),
        "columns": dict(columns),
        "shards": [
            {
                "file": s.file,
                "rows": s.rows,
                "bytes": s.bytes,
                "sha256": s.sha256,
                "content_digest": s.content_digest,
                **({"fingerprint": fingerprints[s.shard]} if fingerprints else {}),
                # Most shards have neither: what would be empty is left away.
                **({"redrawn": s.redrawn} if s.redrawn else {}),
                **({"dropped": s.dropped_draws} if s.dropped_draws else {}),
                **({"fewer_exemplars": s.fewer_exemplars} if s.fewer_exemplars else {}),
            }
            for s in shards
        ],
        "tasks": tasks,
        "certificate": make_certificate(
            tasks,
            cells=[s.cells for s in shards],
            dropped=[s.dropped for s in shards],
            shards=lock["shards"],
            quotas=None
            if prefix is None
            else {
                task: {_cell_name(cell): cell["quota"] for cell in planned["cells"]}
                for task, planned in lock["tasks"].items()
            },
        ),
        **({"citations": dict(facts["citations"])} if facts["tasks"] else {}),
        "left_out": dict(lock["left_out"]),
    }


_ON_LINES = ("shards", "tasks")


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """The manifest as its file holds it: each shard and each task on a line of its own.

    So lines can be looked for and compared; a word a line would be a hundred thousand lines for a
    thousand tasks.
    """
    parts = []
    for key, value in manifest.items():
        if key not in _ON_LINES or not value:
            text = json.dumps(value, ensure_ascii=False, indent=1).replace("\n", "\n ")
        elif isinstance(value, Mapping):
            lines = (f"  {_line(name)}: {_line(facts)}" for name, facts in value.items())
            text = "{\n" + ",\n".join(lines) + "\n }"
        else:
            text = "[\n" + ",\n".join(f"  {_line(each)}" for each in value) + "\n ]"
        parts.append(f" {_line(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


_line = json.JSONEncoder(ensure_ascii=False).encode


def _cell_name(cell: Mapping[str, Any]) -> str:
    return cell_name(
        cell["variant"],
        cell["direction"],
        form=cell.get("form", ""),
        own_lists=cell.get("own_lists", False),
    )


def _sum(parts: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    result: dict[str, dict[str, int]] = {}
    for part in parts:
        for task, counts in part.items():
            held = result.setdefault(task, {})
            for name, count in counts.items():
                held[name] = held.get(name, 0) + count
    return {task: dict(sorted(counts.items())) for task, counts in sorted(result.items())}
