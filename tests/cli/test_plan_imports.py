"""A plan must come at once: what it does not need is not imported."""

from __future__ import annotations

from pathlib import Path

from tests.cli.helpers import imported_by

HEAVY = ("pyarrow", "fsspec", "datasets", "apache_beam", "scipy", "pandas")


def test_a_plan_from_known_counts_imports_nothing_that_renders_or_reads(tmp_path: Path) -> None:
    """Neither Arrow nor a client of storage; of 1,836 tasks the counts in their cards will do."""
    imported = imported_by(tmp_path, "plan", "flan2022", "--json")

    assert "mixture_builder.plan" in imported
    assert not {name for name in imported if name.partition(".")[0] in HEAVY}
