"""`verify`: is a finished mixture, or an export of one, what its manifest says?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli.options import json_option, store_option, workers_option
from mixture_builder.cli.output import byte_size, many, show_json

if TYPE_CHECKING:
    from mixture_builder.findings import Finding

FEW_BYTES = 50_000_000
"""Mixtures up to this size are read in this process: starting workers would take longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What reading a whole mixture gave.

    Attributes:
      findings: all that is wrong, and notes.
      loaded: bytes of its records as Arrow tables.
    """

    findings: list[Finding]
    loaded: int


def check_all(out: str, manifest: dict[str, Any], *, workers: int | None) -> Checked:
    """Reads every shard of a finished mixture and compares all with its manifest."""
    from mixture_builder.cli.progress import JobLog
    from mixture_builder.drivers.pool import Job, WorkerPool, available_cores
    from mixture_builder.jobs.inspect import verify as checks

    findings = checks.check_folder(out, manifest)
    if workers is None:
        workers = 0 if manifest["bytes"] <= FEW_BYTES else available_cores()
    jobs = [
        Job(label=check.entry["file"], function=checks.check_shard, argument=check)
        for check in checks.shard_checks(out, manifest)
    ]
    checked = []
    with (
        JobLog(as_json=False).bar("verify", total=manifest["realised"], unit="examples") as bar,
        WorkerPool(min(workers, len(jobs))) as pool,
    ):
        for _, result in pool.run(jobs):
            checked.append(result)
            findings.extend(result.findings)
            bar.advance(result.rows)
    findings += checks.check_counts(out, manifest, checked)
    findings += checks.check_prefixes(out, manifest, checked)
    return Checked(findings=findings, loaded=sum(shard.loaded for shard in checked))


@click.command(short_help="Check a finished mixture or export against its manifest.")
@click.argument("out", metavar="DIR")
@click.option(
    "--rebuild",
    type=click.IntRange(min=0),
    metavar="N",
    help="Also build shard N anew from the lock and the store, and compare.",
)
@store_option
@workers_option
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    *,
    out: str,
    rebuild: int | None,
    store: Path,
    workers: int | None,
    as_json: bool,
) -> None:
    """Check every byte and record of a finished mixture, or every byte of an export.

    DIR may be a published mixture: hf://datasets/OWNER/NAME, or hf://datasets/OWNER/NAME@REVISION.

    Each shard of a mixture must have the bytes, SHA-256, rows and content that the manifest
    names; there must be no other file in data/; rows, bytes, quotas and counts by task and variant
    must come out; the lock must be the manifest's. Every prefix of the shards must have each task
    at its rate, as the certificate in the manifest says. Each file of an export must have the
    bytes and SHA-256 that export.json names, and no reader may find more of them.
    """
    from mixture_builder.export.verify import is_export

    out = out.rstrip("/") or out
    if is_export(out):
        if rebuild is not None:
            raise click.UsageError(
                f"--rebuild: {out} is an export, which has no shards to build. Leave it out, or "
                "name the mixture."
            )
        _verify_export(ctx, out, workers=workers, as_json=as_json)
        return
    from mixture_builder.release.checking import recipe_release

    recipe = recipe_release(out)
    if recipe is not None:
        _verify_recipe(ctx, out, recipe, as_json=as_json)
        return
    _verify_mixture(ctx, out, rebuild=rebuild, store=store, workers=workers, as_json=as_json)


def _verify_export(ctx: click.Context, out: str, *, workers: int | None, as_json: bool) -> None:
    from mixture_builder.cli.progress import JobLog
    from mixture_builder.drivers.pool import Job, WorkerPool, available_cores
    from mixture_builder.export import verify as checks
    from mixture_builder.findings import Report

    manifest = checks.load_export(out)
    findings = checks.check_export(out, manifest)
    if workers is None:
        workers = 0 if manifest["bytes"] <= FEW_BYTES else available_cores()
    jobs = [
        Job(label=check.entry["file"], function=checks.check_file, argument=check)
        for check in checks.file_checks(out, manifest)
    ]
    with (
        JobLog(as_json=False).bar("verify", total=manifest["bytes"], unit="bytes") as bar,
        WorkerPool(min(workers, len(jobs))) as pool,
    ):
        for _, result in pool.run(jobs):
            findings.extend(result.findings)
            bar.advance(result.bytes)
    report = Report(findings=tuple(findings))
    name, examples = manifest["mixture"]["name"], manifest["examples"]
    if as_json:
        show_json(
            {
                "out": out,
                "name": name,
                "target": manifest["target"],
                "files": len(manifest["files"]),
                "examples": examples,
                "bytes": manifest["bytes"],
                "mixture": manifest["mixture"],
                "sound": not report.errors,
                "findings": [f.to_json() for f in findings],
            }
        )
    else:
        if findings:
            click.echo(report.format())
        verdict = many(len(report.errors), "error") if report.errors else "sound"
        counted = ", ".join(
            f"{count:,} {split.replace('_', ' ')}" for split, count in examples.items()
        )
        click.echo(
            f"{name}, exported for {manifest['target']}: {verdict}; {counted} in "
            f"{many(len(manifest['files']), 'file')}, {byte_size(manifest['bytes'])}"
        )
    if report.errors:
        ctx.exit(1)


def _verify_mixture(
    ctx: click.Context,
    out: str,
    *,
    rebuild: int | None,
    store: Path,
    workers: int | None,
    as_json: bool,
) -> None:
    from mixture_builder.findings import Report
    from mixture_builder.jobs.inspect import verify as checks
    from mixture_builder.jobs.inspect.records import load_manifest
    from mixture_builder.release.checking import check_release

    manifest = load_manifest(out)
    findings = check_all(out, manifest, workers=workers).findings
    findings += check_release(out, manifest)
    rebuilt = None
    if rebuild is not None:
        rebuilt = checks.rebuild_shard(out, manifest, store=store, shard=rebuild)
        findings += rebuilt.findings
    report = Report(findings=tuple(findings))
    summary = {
        "out": out,
        "name": manifest["name"],
        "shards": len(manifest["shards"]),
        "examples": manifest["realised"],
        "bytes": manifest["bytes"],
        "content_digest": manifest["content_digest"],
        "sound": not report.errors,
        "rebuilt": rebuilt
        and {"shard": rebuilt.shard, "same": rebuilt.same, "compared": rebuilt.compared},
        "findings": [f.to_json() for f in findings],
    }
    if as_json:
        show_json(summary)
    else:
        if findings:
            click.echo(report.format())
        if rebuilt is not None and rebuilt.same:
            click.echo(f"{rebuilt.file}: built anew, the same {rebuilt.compared}")
        verdict = many(len(report.errors), "error") if report.errors else "sound"
        click.echo(
            f"{manifest['name']}: {verdict}; {many(manifest['realised'], 'example')} in "
            f"{many(len(manifest['shards']), 'shard')}, {byte_size(manifest['bytes'])}"
        )
    if report.errors:
        ctx.exit(1)


def _verify_recipe(ctx: click.Context, out: str, recipe: dict[str, Any], *, as_json: bool) -> None:
    """The same for a release without data: its files are all there is to be checked."""
    from mixture_builder.findings import Report
    from mixture_builder.release.checking import check_release

    report = Report(findings=tuple(check_release(out, None)))
    if as_json:
        show_json(
            {
                "out": out,
                "name": recipe["name"],
                "files": len(recipe["files"]),
                "sound": not report.errors,
                "findings": [f.to_json() for f in report.findings],
            }
        )
    else:
        if report.findings:
            click.echo(report.format())
        verdict = many(len(report.errors), "error") if report.errors else "sound"
        click.echo(
            f"{recipe['name']}: {verdict}; a release without data, "
            f"{many(len(recipe['files']), 'file')}. `build --lock` makes the mixture."
        )
    if report.errors:
        ctx.exit(1)
