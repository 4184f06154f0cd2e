"""Licences, citations and attribution: from the manifest alone, without cards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixture_builder.audit.document import document
from mixture_builder.audit.licences import attribution
from mixture_builder.audit.shard import nothing
from tests.audit.conftest import Clean, checks_of, findings_of
from tests.cli.helpers import run


def with_card(clean: Clean, task: str, **changes: Any) -> dict[str, Any]:
    """The document of an audit whose manifest says something else of a task's card."""
    manifest = clean.context.manifest
    tasks = dict(manifest["tasks"])
    tasks[task] = {**tasks[task], "card": {**tasks[task]["card"], **changes} if changes else {}}
    context = replace(clean.context, manifest={**manifest, "tasks": tasks})
    return document(nothing(context), context)


def test_every_example_has_a_line_in_the_table_of_licences(clean: Clean):
    """The table of licences counts tasks, rows and examples of all."""
    table = clean.audit()["licences"]["table"]

    assert sum(line["examples"] for line in table.values()) == 6000
    assert sum(line["tasks"] for line in table.values()) == len(clean.context.tasks)


@pytest.mark.parametrize(
    ("licence", "check"), [("unknown", "licences/unknown"), ("custom", "licences/custom")]
)
def test_licences_that_are_none_are_told(clean: Clean, licence: str, check: str):
    """A task without a known licence is named, and one with terms of its own."""
    told = with_card(clean, "quickstart/sums", licence={"id": licence, "read_at": "its page"})

    assert [f["task"] for f in findings_of(told, check)] == ["quickstart/sums"]


def test_a_manifest_without_cards_is_told(clean: Clean):
    """A mixture of an earlier version, whose manifest keeps nothing of the cards, is a warning."""
    assert "licences/no_card" in checks_of(with_card(clean, "quickstart/sums"))


def test_a_manifest_keeps_cards_and_the_fingerprint_leaves_them_aside(clean: Clean):
    """What the cards say stands in the manifest, and is no part of the lock."""
    card = clean.context.manifest["tasks"]["quickstart/arabic_english"]["card"]

    assert card["languages"] == ["ar", "en"]
    assert card["licence"]["id"]
    assert "card" not in clean.context.lock["tasks"]["quickstart/arabic_english"]


def test_the_files_are_written(clean: Clean, tmp_path: Path):
    """--citations and --attribution write their files, and every task is named."""
    result = run(
        "audit",
        clean.out,
        *("--store", clean.store, "--workers", 0),
        *("--citations", tmp_path / "all.bib", "--attribution", tmp_path / "ATTRIBUTION.md"),
    )

    assert result.exit_code == 0, result.output
    assert (tmp_path / "all.bib").read_text("utf-8").startswith("% ")
    text = (tmp_path / "ATTRIBUTION.md").read_text("utf-8")
    assert all(f"`{task}`" in text for task in clean.context.tasks)
    assert text == attribution(clean.audit())
