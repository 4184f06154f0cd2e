"""Rows for workers that see no folder of the launching machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixture_builder.errors import StoreError
from mixture_builder.jobs.mixture import build_mixture
from mixture_builder.transforms import BeamRunner
from mixture_builder.transforms.row_copies import fetch_rows, publish_rows
from tests.transforms.conftest import Built, Small


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_build_from_copied_rows_is_the_same(
    small: Small, stored: Path, tmp_path: Path, built_locally: Built
):
    """Workers that read rows from a URL build what workers with the store build."""
    rows = f"file://{tmp_path}/rows"
    lock = small.lock(store=stored)

    manifest = build_mixture(
        lock,
        store=stored,
        out=f"file://{tmp_path}/out",
        runner=BeamRunner("FnApiRunner", rows=rows),
    )

    assert manifest == built_locally.manifest
    assert (tmp_path / "cache" / "mixture-builder" / "copies" / lock.fingerprint).is_dir()


def test_rows_are_copied_once_and_again_when_they_change(
    small: Small, stored: Path, tmp_path: Path
):
    """Published rows are left alone while they are the lock's, and replaced when they are not."""
    url = f"file://{tmp_path}/rows"
    lock = small.lock(store=stored)
    publish_rows(lock, store=stored, url=url)
    (rows,) = (tmp_path / "rows" / "quickstart" / "sums").rglob("rows.arrow")
    (meta,) = (tmp_path / "rows" / "quickstart" / "sums").rglob("meta.json")
    content = rows.read_bytes()

    rows.write_bytes(b"kept")
    publish_rows(lock, store=stored, url=url)
    assert rows.read_bytes() == b"kept"

    meta.write_text('{"digest": "of other rows"}', encoding="utf-8")
    publish_rows(lock, store=stored, url=url)
    assert rows.read_bytes() == content


def test_rows_that_were_not_published_are_an_error(small: Small, stored: Path, tmp_path: Path):
    """A worker that finds no rows names the file it looked for."""
    with pytest.raises(StoreError, match=r"rows\.arrow.*Run ingest again"):
        fetch_rows(small.lock(store=stored), url=f"file://{tmp_path}/rows")
