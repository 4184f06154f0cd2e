"""The steps of `release`: check the mixture, put the folder together, send and check it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli.checking import Checked, check_all

if TYPE_CHECKING:
    from mixture_builder.findings import Finding
    from mixture_builder.release.sealing import Release


def verified(mixture: str, manifest: dict[str, Any], *, workers: int | None) -> Checked:
    """Reads the whole mixture; of what it finds, what forbids a release."""
    from mixture_builder.findings import Severity

    checked = check_all(mixture, manifest, workers=workers)
    wrong = [f for f in checked.findings if f.severity is Severity.ERROR]
    return Checked(findings=wrong, loaded=checked.loaded)


def mixture_folder(
    mixture: str,
    manifest: dict[str, Any],
    *,
    folder: Path,
    published: dict[str, Any],
    configs: str,
    loaded: int,
    workers: int | None,
) -> Release:
    """Puts a release with data together.

    Args:
      mixture: folder of the mixture.
      manifest: plain data of its manifest.
      folder: of the release.
      published: what the card says about it.
      configs: `submixtures`, or `default` for the whole only.
      loaded: bytes of the mixture as Arrow tables.
      workers: processes that write configs.
    """
    from mixture_builder.cli.export import do_export
    from mixture_builder.dataset_card.card import Published
    from mixture_builder.export.options import ExportOptions
    from mixture_builder.jobs.inspect.records import load_lock
    from mixture_builder.release import folder as folders
    from mixture_builder.release.sealing import claim_folder

    claim_folder(folder, ours=folders.OURS)
    parts = {t["submixture"] for t in manifest["tasks"].values() if t["realised"]}
    if configs == "submixtures" and len(parts) > 1:
        folders.clear_other_parts(folder, manifest)
        do_export(
            mixture,
            target="hf",
            out=str(folder / folders.PARTS),
            options=ExportOptions(settings={"configs": "parts"}),
            workers=workers,
        )
    else:
        folders.remove_parts(folder)
    return folders.fill_folder(
        Path(mixture),
        manifest,
        folder=folder,
        description=str(load_lock(mixture).recipe.get("description", "")),
        published=Published(**published),
        loaded=loaded,
    )


def recipe_folder(
    mixture: str,
    manifest: dict[str, Any],
    *,
    folder: Path,
    published: dict[str, Any],
    cards: Path | None,
    templates: Path | None,
) -> Release:
    """Puts a release without data together; cards and templates are the shipped ones, if none."""
    from mixture_builder.dataset_card.card import Published
    from mixture_builder.jobs.inspect.records import load_lock
    from mixture_builder.release.recipe import fill_recipe_folder
    from mixture_builder.shipped import cards_folder, templates_folder

    return fill_recipe_folder(
        manifest,
        load_lock(mixture),
        folder=folder,
        cards=cards or cards_folder(),
        templates=templates or templates_folder(),
        published=Published(**published),
    )


def publish(
    made: Release, *, repo: str, private: bool, tag: str, read: bool, workers: int | None
) -> tuple[str, list[Finding]]:
    """Sends, checks and tags a release; gives its commit, and what is wrong with it."""
    from mixture_builder.cli.progress import JobLog
    from mixture_builder.findings import Severity
    from mixture_builder.jobs.inspect.records import load_manifest
    from mixture_builder.release.checking import check_release
    from mixture_builder.release.hub import Hub
    from mixture_builder.release.pushing import check_listing, push

    def say(text: str) -> None:
        click.echo(f"{repo}: {text}", err=True)

    hub = Hub(repo, say=say)
    with JobLog(as_json=False).bar("send", total=len(made.files), unit="files") as bar:
        commit = push(
            made,
            hub,
            private=private,
            tag=tag,
            say=say,
            on_sent=lambda files, _: bar.advance(files),
        )
    findings = check_listing(made, hub, commit)
    if read and not findings:
        published = f"hf://datasets/{repo}@{commit}"
        manifest = load_manifest(published) if made.kind == "mixture" else None
        if manifest:
            findings += check_all(published, manifest, workers=workers).findings
        findings += check_release(published, manifest)
    wrong = [f for f in findings if f.severity is Severity.ERROR]
    if not wrong:
        hub.tag(tag, commit=commit, message=f"{made.name}, release {made.digest}")
    return commit, wrong
