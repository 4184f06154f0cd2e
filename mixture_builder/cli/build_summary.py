"""What a build says at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from mixture_builder.cli.output import byte_size, counted, facts, many


def summarise(
    manifest: Mapping[str, Any],
    *,
    out: str,
    left_out: Mapping[str, str],
    filtered: Mapping[str, str],
    kept: int = 0,
) -> dict[str, Any]:
    """Plain data about a finished mixture, of whose shards some were there before."""
    redrawn: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    fewer: Counter[str] = Counter()
    for task in manifest["tasks"].values():
        redrawn.update(task["redrawn"])
        dropped.update(task["dropped"])
        fewer.update(task.get("fewer_exemplars", {}))
    return {
        "name": manifest["name"],
        "out": out,
        "fingerprint": manifest["fingerprint"],
        "content_digest": manifest["content_digest"],
        "format": manifest["format"],
        "seed": manifest["seed"],
        "shards": len(manifest["shards"]),
        "kept_shards": kept,
        **({"prefix": manifest["prefix"]} if "prefix" in manifest else {}),
        "tasks": len(manifest["tasks"]),
        "asked": manifest["asked"],
        "examples": manifest["realised"],
        "bytes": manifest["bytes"],
        "redrawn": dict(redrawn),
        "dropped": dict(dropped),
        **({"fewer_exemplars": dict(fewer)} if fewer else {}),
        "left_out": dict(left_out),
        "filtered_tasks": len(filtered),
    }


def summary_text(summary: Mapping[str, Any]) -> str:
    """The summary of a build, for people."""
    missing = summary["asked"] - summary["examples"]
    lines = [
        ("folder", summary["out"]),
        (
            "shards",
            f"{summary['shards']:,}{_of(summary)} ({summary['format']}, "
            f"{byte_size(summary['bytes'])})" + _kept(summary),
        ),
        (
            "examples",
            f"{summary['examples']:,} of {many(summary['tasks'], 'task')}"
            + (f"; {missing:,} fewer than asked" if missing else ""),
        ),
        ("redrawn", counted(summary["redrawn"])),
        ("dropped", counted(summary["dropped"])),
        *_fewer_exemplars(summary),
        ("left out", _left_out(summary["left_out"])),
        *(
            [("filtered", many(summary["filtered_tasks"], "task"))]
            if summary["filtered_tasks"]
            else []
        ),
        (
            "digest",
            summary["content_digest"]
            + (f", as in {summary['checked']}" if summary.get("checked") else ""),
        ),
    ]
    return f"{summary['name']}: built\n{facts(lines)}"


def _fewer_exemplars(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    fewer = summary.get("fewer_exemplars")
    if not fewer:
        return []
    prompts, exemplars = many(fewer["prompts"], "prompt"), many(fewer["exemplars"], "exemplar")
    return [("shortened", f"{prompts} by {exemplars}: too long, or too few rows to show")]


def _of(summary: Mapping[str, Any]) -> str:
    """What the shards are the first ones of."""
    return f" of {summary['prefix']['of_shards']:,}" if "prefix" in summary else ""


def _kept(summary: Mapping[str, Any]) -> str:
    kept = summary["kept_shards"]
    return f"; {summary['shards'] - kept:,} built, {kept:,} kept" if kept else ""


def _left_out(left_out: Mapping[str, str]) -> str:
    if not left_out:
        return "0"
    named = ", ".join(sorted(left_out)[:5])
    return f"{len(left_out):,}: {named}" + (", ..." if len(left_out) > 5 else "")
