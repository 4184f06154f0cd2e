"""`verify`: is a finished mixture, or an export of one, what its manifest says?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli.checking import FEW_BYTES, check_all
from mixture_builder.cli.options import json_option, store_option, workers_option
from mixture_builder.cli.output import byte_size, many, show_json
from mixture_builder.cli.pooled import run_all, workers_for

if TYPE_CHECKING:
    from mixture_builder.findings import Finding


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What is said of one folder.

    Attributes:
      subject: what it is called.
      holds: how much stands in it, in words.
      facts: the same for other programs.
      findings: all that is wrong, and notes.
      notes: what else is said when no program is to read it.
    """

    subject: str
    holds: str
    facts: dict[str, Any]
    findings: list[Finding]
    notes: tuple[str, ...] = ()


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
    from mixture_builder.findings import Report
    from mixture_builder.release.checking import recipe_release

    out = out.rstrip("/") or out
    if is_export(out) and rebuild is not None:
        raise click.UsageError(
            f"--rebuild: {out} is an export, which has no shards to build. Leave it out, or "
            "name the mixture."
        )
    if is_export(out):
        verdict = _of_export(out, workers=workers)
    elif recipe := recipe_release(out):
        verdict = _of_recipe(out, recipe)
    else:
        verdict = _of_mixture(out, rebuild=rebuild, store=store, workers=workers)
    report = Report(findings=tuple(verdict.findings))
    if as_json:
        sound = {"sound": not report.errors, "findings": [f.to_json() for f in verdict.findings]}
        show_json({"out": out, **verdict.facts, **sound})
    else:
        if verdict.findings:
            click.echo(report.format())
        for note in verdict.notes:
            click.echo(note)
        word = many(len(report.errors), "error") if report.errors else "sound"
        click.echo(f"{verdict.subject}: {word}; {verdict.holds}")
    if report.errors:
        ctx.exit(1)


def _of_export(out: str, *, workers: int | None) -> Verdict:
    from mixture_builder.export import verify as checks

    manifest = checks.load_export(out)
    findings = checks.check_export(out, manifest)
    checked = run_all(
        "verify",
        checks.check_file,
        [(check.entry["file"], check) for check in checks.file_checks(out, manifest)],
        workers=workers_for(workers, size=manifest["bytes"], few=FEW_BYTES),
        total=manifest["bytes"],
        unit="bytes",
        done=lambda file: file.bytes,
    )
    findings += [finding for file in checked for finding in file.findings]
    name, examples = manifest["mixture"]["name"], manifest["examples"]
    counted = ", ".join(f"{count:,} {split.replace('_', ' ')}" for split, count in examples.items())
    return Verdict(
        subject=f"{name}, exported for {manifest['target']}",
        holds=f"{counted} in {many(len(manifest['files']), 'file')}, "
        f"{byte_size(manifest['bytes'])}",
        facts={
            "name": name,
            "target": manifest["target"],
            "files": len(manifest["files"]),
            "examples": examples,
            "bytes": manifest["bytes"],
            "mixture": manifest["mixture"],
        },
        findings=findings,
    )


def _of_mixture(out: str, *, rebuild: int | None, store: Path, workers: int | None) -> Verdict:
    from mixture_builder.jobs.inspect.records import load_manifest
    from mixture_builder.jobs.inspect.verify import rebuild_shard
    from mixture_builder.release.checking import check_release

    manifest = load_manifest(out)
    findings = check_all(out, manifest, workers=workers).findings
    findings += check_release(out, manifest)
    rebuilt = None
    notes = []
    if rebuild is not None:
        rebuilt = rebuild_shard(out, manifest, store=store, shard=rebuild)
        findings += rebuilt.findings
        if rebuilt.same:
            notes.append(f"{rebuilt.file}: built anew, the same {rebuilt.compared}")
    return Verdict(
        subject=manifest["name"],
        holds=f"{many(manifest['realised'], 'example')} in "
        f"{many(len(manifest['shards']), 'shard')}, {byte_size(manifest['bytes'])}",
        facts={
            "name": manifest["name"],
            "shards": len(manifest["shards"]),
            "examples": manifest["realised"],
            "bytes": manifest["bytes"],
            "content_digest": manifest["content_digest"],
            "rebuilt": rebuilt
            and {"shard": rebuilt.shard, "same": rebuilt.same, "compared": rebuilt.compared},
        },
        findings=findings,
        notes=tuple(notes),
    )


def _of_recipe(out: str, recipe: dict[str, Any]) -> Verdict:
    """Of a release without data: its files are all there is to be checked."""
    from mixture_builder.release.checking import check_release

    files = len(recipe["files"])
    return Verdict(
        subject=recipe["name"],
        holds=f"a release without data, {many(files, 'file')}. `build --lock` makes the mixture.",
        facts={"name": recipe["name"], "files": files},
        findings=check_release(out, None),
    )
