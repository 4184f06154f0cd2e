"""`release`: from a finished mixture to a dataset on the Hugging Face Hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli import releasing
from mixture_builder.cli.options import (
    Decorator,
    cards_option,
    json_option,
    templates_option,
    together,
    workers_option,
)
from mixture_builder.cli.output import byte_size, facts, many, show_json

if TYPE_CHECKING:
    from mixture_builder.findings import Finding
    from mixture_builder.release.sealing import Release

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]{0,95}")
_REVISION = re.compile(r"[A-Za-z0-9][\w.-]*")


def _matching(pattern: re.Pattern[str], expected: str) -> Any:
    def check(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
        if value is not None and not pattern.fullmatch(value):
            message = f"found '{value}'; expected {expected}."
            raise click.BadParameter(message, ctx=ctx, param=parameter)
        return value

    return check


_what: Decorator = together(
    click.option(
        "--repo",
        required=True,
        metavar="OWNER/NAME",
        callback=_matching(_NAME, "OWNER/NAME"),
        help="Dataset repository; made if there is none.",
    ),
    click.option("--private", is_flag=True, help="A new repository is seen by its owners only."),
    click.option(
        "--revision",
        metavar="TAG",
        callback=_matching(_REVISION, "letters, digits, dots and dashes"),
        help="Tag that names the release once it is checked.  [default: release-<digest>]",
    ),
    click.option(
        "--recipe-only",
        is_flag=True,
        help="Publish cards, templates, lock and digests, from which anybody can build the "
        "mixture, and no text of others.",
    ),
    click.option(
        "--configs",
        type=click.Choice(["submixtures", "default"]),
        default="submixtures",
        show_default=True,
        help="Whether each submixture is also published as a config of its own, which takes the "
        "room twice.",
    ),
)
_gate: Decorator = together(
    click.option(
        "--audit",
        "audit_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="JSON of the audit.  [default: audit/audit.json in DIR]",
    ),
    click.option("--without-audit", is_flag=True, help="Publish a mixture nobody has audited."),
    click.option(
        "--allow-unknown-licences",
        is_flag=True,
        help="Publish tasks whose licence nobody knows.",
    ),
)
_how: Decorator = together(
    click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="FOLDER",
        help="Where the release is put together.  [default: DIR-release, or DIR-recipe]",
    ),
    click.option(
        "--check",
        type=click.Choice(["read", "listing"]),
        default="read",
        show_default=True,
        help="How the published files are checked: read as `verify` does, or by the sizes and "
        "hashes that the Hub lists.",
    ),
    click.option(
        "--dry-run", is_flag=True, help="Put the release together, say what would be sent, stop."
    ),
)


@click.command(short_help="Publish a mixture on the Hugging Face Hub.")
@click.argument("mixture", metavar="DIR")
@_what
@_gate
@_how
@cards_option
@templates_option
@workers_option
@json_option
@click.pass_context
def release(
    ctx: click.Context,
    *,
    mixture: str,
    repo: str,
    private: bool,
    revision: str | None,
    recipe_only: bool,
    configs: str,
    audit_file: Path | None,
    without_audit: bool,
    allow_unknown_licences: bool,
    out: Path | None,
    check: str,
    dry_run: bool,
    cards: Path | None,
    templates: Path | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Publish the finished mixture in DIR as a dataset on the Hugging Face Hub.

    Nothing is published if the mixture does not verify, its audit has errors, or the licence of a
    task is not known. The token is that of `hf auth login`, or HF_TOKEN. An interrupted release
    goes on when it is run again; it gets its tag when what was published has been checked.
    """
    from mixture_builder.jobs.inspect.records import load_manifest
    from mixture_builder.release import gate

    mixture = mixture.rstrip("/") or mixture
    manifest = load_manifest(mixture)
    gate.check_folder_kind(mixture, manifest)
    audit = gate.load_audit(mixture, audit_file)
    findings = list(gate.check_audit(mixture, manifest, audit, waived=without_audit))
    if not recipe_only:
        findings += gate.check_licences(mixture, manifest, allow_unknown=allow_unknown_licences)
    checked = releasing.verified(mixture, manifest, workers=workers)
    findings += checked.findings
    _refuse(ctx, findings, as_json=as_json)
    if (cards or templates) and not recipe_only:
        raise click.UsageError("--cards and --templates are published by --recipe-only; add it.")
    folder = out or Path(f"{mixture}-{'recipe' if recipe_only else 'release'}")
    if recipe_only:
        made = releasing.recipe_folder(
            mixture,
            manifest,
            folder=folder,
            published={"repository": repo, "tag": revision or ""},
            cards=cards,
            templates=templates,
        )
    else:
        made = releasing.mixture_folder(
            mixture,
            manifest,
            folder=folder,
            published={"repository": repo, "audit": audit, "tag": revision or ""},
            configs=configs,
            loaded=checked.loaded,
            workers=workers,
        )
    tag = revision or f"release-{made.digest[:12]}"
    summary = _summary(made, repo=repo, tag=tag)
    if not dry_run:
        summary["commit"], wrong = releasing.publish(
            made, repo=repo, private=private, tag=tag, read=check == "read", workers=workers
        )
        _refuse(ctx, wrong, as_json=as_json, summary=summary)
    if as_json:
        show_json({**summary, "findings": [f.to_json() for f in findings]})
        return
    if findings:
        _tell(findings)
    click.echo(_text(summary, dry_run=dry_run))


def _refuse(
    ctx: click.Context,
    findings: list[Finding],
    *,
    as_json: bool,
    summary: dict[str, Any] | None = None,
) -> None:
    """Ends the command if something is wrong."""
    from mixture_builder.findings import Severity

    wrong = [f for f in findings if f.severity is Severity.ERROR]
    if not wrong:
        return
    if as_json:
        show_json(
            {**(summary or {}), "released": False, "findings": [f.to_json() for f in findings]}
        )
    else:
        _tell(findings)
        what = "published, and not as it should be: no tag was set" if summary else "not published"
        click.echo(f"{what}; {many(len(wrong), 'error')}", err=True)
    ctx.exit(1)


def _tell(findings: list[Finding]) -> None:
    from mixture_builder.findings import Report

    click.echo(Report(findings=tuple(findings)).format(), err=True)


def _summary(made: Release, *, repo: str, tag: str) -> dict[str, Any]:
    from mixture_builder.release.pushing import plan_push

    whole = plan_push(made, {})
    return {
        "name": made.name,
        "repository": repo,
        "tag": tag,
        "folder": str(made.folder),
        "digest": made.digest,
        "bytes": made.bytes,
        "commits": whole.commits,
        "files": [{"file": f.file, "bytes": f.bytes, "sha256": f.sha256} for f in made.files],
        "commit": None,
        "released": True,
    }


def _text(summary: dict[str, Any], *, dry_run: bool) -> str:
    lines = [
        ("folder", summary["folder"]),
        ("repository", f"hf://datasets/{summary['repository']}"),
        ("files", f"{len(summary['files']):,} ({byte_size(summary['bytes'])})"),
        ("tag", summary["tag"]),
    ]
    if not dry_run:
        lines.append(("commit", summary["commit"]))
        return f"{summary['name']}: released, checked and tagged\n{facts(lines)}"
    lines.append(("commits", f"{summary['commits']}, in an empty repository"))
    shown = "\n".join(f"  {byte_size(f['bytes']):>9}  {f['file']}" for f in summary["files"])
    return f"{summary['name']}: would be released\n{facts(lines)}\n{shown}"
