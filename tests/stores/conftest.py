"""An S3 server, and the small mixture of the tests of runners."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from mixture_builder.io import remote_store, storage
from tests.s3_server import S3Server, s3_server
from tests.transforms.conftest import built_locally, small, stored

__all__ = ["built_locally", "small", "stored"]


@pytest.fixture(scope="session")
def running_s3() -> Iterator[S3Server]:
    """The server, started once."""
    with s3_server() as server:
        yield server


@pytest.fixture
def s3(running_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """The server with an empty bucket named `bucket`; clients of this process find it."""
    pytest.importorskip("s3fs")
    running_s3.reset()
    for name, value in running_s3.environment.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    files, _ = storage.storage_of("s3://bucket")
    files.mkdir("bucket")
    yield running_s3
    running_s3.reset()
    files.rm("bucket", recursive=True)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies of rows stand in the test's own folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    remote_store.origin.cache_clear()


@pytest.fixture
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy store is asked again at once, and by its own client twice only."""
    monkeypatch.setattr(storage, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(fsspec.get_filesystem_class("s3"), "retries", 2)
