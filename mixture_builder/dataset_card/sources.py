"""Where a mixture's texts come from: licences and papers, in its README and beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixture_builder.citations import citations_of, keys_by_task
from mixture_builder.dataset_card.markdown import table
from mixture_builder.licences import about, licence_of, licences_of, terms_of

LICENCES_NAME = "LICENSES.md"
CITATIONS_NAME = "CITATIONS.bib"

LARGEST_LISTED = 400
"""Tasks that a README's tables list one by one; of more they give parts and licences only."""


def sources(manifest: Mapping[str, Any], *, complete: str) -> str:
    """Licences with their tasks; the whole list has a file of its own in a release."""
    if not any(about(task) for task in manifest["tasks"].values()):
        return "The manifest does not repeat what the task cards say about licences."
    uses = licences_of(manifest)
    whole = max(1, manifest["realised"])
    text = (
        "Each task keeps the licence of its source; nothing here puts them under another. The "
        "mixture as a whole may be used as far as all of them allow."
    )
    text += "\n\n" + table(
        ["licence", "tasks", "examples", "share"],
        [
            [
                use.id,
                f"{len(use.tasks):,}",
                f"{use.examples:,}",
                f"{100 * use.examples / whole:.2f} %",
            ]
            for use in uses
        ],
    )
    if len(manifest["tasks"]) <= LARGEST_LISTED:
        text += "\n\n" + source_table(manifest)
    if complete:
        text += f"\n\n`{complete}` lists every task with its licence and where it was read"
        text += f", `{CITATIONS_NAME}` the papers to cite." if citations_of(manifest) else "."
    return text


def source_table(manifest: Mapping[str, Any]) -> str:
    """Every task with its licence, where that was read, and the keys of what it cites."""
    keys = keys_by_task(manifest)
    rows = []
    for name, task in manifest["tasks"].items():
        card = about(task)
        licence = terms_of(card)
        note = f"; {licence['note']}" if licence.get("note") else ""
        rows.append(
            [
                f"`{name}`",
                str(card.get("title", "")),
                licence_of(task),
                f"{licence.get('read_at', '')}{note}",
                ", ".join(f"`{key}`" for key in keys.get(name, ())),
            ]
        )
    return table(["task", "source", "licence", "licence was read in", "cite"], rows)


def licences_text(manifest: Mapping[str, Any]) -> str:
    """The text of `LICENSES.md`: all tasks with their licences."""
    return (
        f"# Licences of {manifest['name']}\n\n"
        "The examples of a task are derived from its source and stay under its licence. "
        "`custom` stands for terms of their own, `unknown` for sources that name none.\n\n"
        f"{source_table(manifest)}\n"
    )
