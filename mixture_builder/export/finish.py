"""The last step of an export: parts get their names, and the manifest is written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import fsspec

from mixture_builder.export.certify import total
from mixture_builder.export.finished import check_complete
from mixture_builder.export.parts import Part, Placed, PlacedFile
from mixture_builder.export.plan import EXPORT_NAME, EXPORT_VERSION, ExportPlan
from mixture_builder.export.shard import ShardExport
from mixture_builder.export.targets import Target, find_target
from mixture_builder.io.atomic import atomic_output, remove_leftovers
from mixture_builder.jobs.finishing import versions

CERTIFICATE_NAME = "certificate.json"

_BLOCK = 4 << 20


def finish_export(plan: ExportPlan, results: Sequence[ShardExport]) -> dict[str, Any]:
    """Places all parts, writes what goes beside them and, last, the manifest.

    Args:
      plan: of the export.
      results: of all shards.

    Returns:
      Plain data of the manifest.

    Raises:
      BuildError: if a shard is missing, or the storage refuses.
    """
    target = find_target(plan.target)
    ordered = check_complete(plan, results)
    files, beside = _place(plan, target, [part for r in ordered for part in r.parts])
    placed = Placed(out=plan.out, work=plan.work, files=files, beside=beside)
    target.finish(plan.context, placed)
    certificate = total([r.certificate for r in ordered if r.certificate])
    if plan.certify:
        text = json.dumps(certificate.to_json(), ensure_ascii=False, indent=1) + "\n"
        placed.add_text(CERTIFICATE_NAME, text)
    manifest = _manifest(plan, target, ordered, placed)
    if plan.certify:
        manifest["certificate"] = {
            "examples": certificate.examples,
            "violations": certificate.failed,
            "file": CERTIFICATE_NAME,
        }
    text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
    with atomic_output(f"{plan.out}/{EXPORT_NAME}") as output:
        output.write(text.encode())
    remove_work(plan)
    return manifest


def remove_work(plan: ExportPlan) -> None:
    """Deletes what is of no use once the manifest stands: parts, and half-written files."""
    filesystem, root = fsspec.core.url_to_fs(plan.out)
    if filesystem.exists(f"{root}/.work"):
        filesystem.rm(f"{root}/.work", recursive=True)
        remove_leftovers(plan.out)


def _place(
    plan: ExportPlan, target: Target, parts: Sequence[Part]
) -> tuple[list[PlacedFile], list[Part]]:
    groups: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        groups.setdefault((part.series, part.split), []).append(part)
    files: list[PlacedFile] = []
    beside: list[Part] = []
    for (series, split), group in groups.items():
        pattern = target.layout(series, split, plan.context)
        if not pattern:
            beside += group
            continue
        # An empty file says nothing, and some readers stumble over one.
        filled = [part for part in group if part.rows]
        if not filled:
            continue
        if "{index" not in pattern:
            files.append(_join(plan, filled, pattern.format()))
            continue
        for index, part in enumerate(filled):
            name = pattern.format(index=index, count=len(filled))
            _move(f"{plan.work}/{part.file}", f"{plan.out}/{name}")
            files.append(
                PlacedFile(
                    file=name,
                    series=series,
                    split=split,
                    rows=part.rows,
                    bytes=part.bytes,
                    sha256=part.sha256,
                    parts=[part],
                )
            )
    return files, beside


def _move(source: str, target: str) -> None:
    files, start = fsspec.core.url_to_fs(source)
    end = str(fsspec.core.url_to_fs(target)[1])
    files.makedirs(end.rpartition("/")[0], exist_ok=True)
    files.mv(start, end)


def _join(plan: ExportPlan, parts: Sequence[Part], name: str) -> PlacedFile:
    with atomic_output(f"{plan.out}/{name}") as output:
        for part in parts:
            with fsspec.open(f"{plan.work}/{part.file}", "rb") as stream:
                while block := stream.read(_BLOCK):
                    output.write(block)
        rows = sum(part.rows for part in parts)
        done = output.written(rows)
    return PlacedFile(
        file=name,
        series=parts[0].series,
        split=parts[0].split,
        rows=rows,
        bytes=done.bytes,
        sha256=done.sha256,
        parts=parts,
    )


def _manifest(
    plan: ExportPlan, target: Target, results: Sequence[ShardExport], placed: Placed
) -> dict[str, Any]:
    mixture = plan.context.manifest
    tasks = _sum_tasks([r.tasks for r in results])
    return {
        "export_version": EXPORT_VERSION,
        "target": target.name,
        "target_version": target.version,
        "fingerprint": plan.fingerprint,
        "mixture": {
            key: mixture[key] for key in ("name", "fingerprint", "content_digest", "realised")
        },
        "asked": dict(plan.asked),
        "examples": {
            split: sum(counts.get(split, 0) for counts in tasks.values())
            for split in (*plan.context.splits, *(["left_out"] if plan.held.share else []))
        },
        "bytes": sum(f.bytes for f in placed.files),
        "report": placed.report,
        "versions": versions(),
        "files": [
            {
                "file": f.file,
                "series": f.series,
                "split": f.split,
                "rows": f.rows,
                "bytes": f.bytes,
                "sha256": f.sha256,
            }
            for f in placed.files
        ],
        "tasks": tasks,
    }


def _sum_tasks(parts: Sequence[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    total: dict[str, Counter[str]] = {}
    for part in parts:
        for task, counts in part.items():
            total.setdefault(task, Counter()).update(counts)
    return {task: dict(counts) for task, counts in sorted(total.items())}
