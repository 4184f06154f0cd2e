"""Sources, row store and mixture at URLs: the same mixture, whatever the store does meanwhile."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pytest

from mixture_builder.drivers.local import LocalRunner
from mixture_builder.errors import BuildError, StoreError
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.remote_store import fetch_rows, local_view, origin
from mixture_builder.io.storage import storage_of
from mixture_builder.jobs.build import result_url, rows_of
from mixture_builder.jobs.building import build_mixture
from mixture_builder.jobs.locking import lock_mixture
from tests.export.helpers import write_byte_tokenizer
from tests.s3_server import S3Server
from tests.transforms.conftest import ADDRESS, Built, Small

HERE = LocalRunner(workers=0)


def build_at(small: Small, root: str, *, runner: Any = HERE) -> dict[str, Any]:
    """Ingests into a row store at a URL and builds beside it; gives the manifest."""
    store = local_view(f"{root}/rows")
    stored, broken = small.ingest(runner, store=store)
    lock = lock_mixture(small.load(), stored=stored, broken=broken)
    return build_mixture(lock, store=store, out=f"{root}/mixture", runner=runner)


def files_at(url: str) -> dict[str, bytes]:
    """All files below a URL, by their names below it."""
    files, root = storage_of(url)
    return {name[len(root) + 1 :]: files.cat_file(name) for name in files.find(root)}


def sums(manifest: dict[str, Any]) -> list[str]:
    """The SHA-256 of all shards."""
    return [shard["sha256"] for shard in manifest["shards"]]


@pytest.mark.parametrize("root", ["s3://bucket/run", "memory://stores/run"])
def test_a_build_at_a_url_leaves_the_files_of_a_local_build(
    small: Small, s3: S3Server, root: str, built_locally: Built
):
    """Row store and mixture on an object store: every file is the local one, byte for byte."""
    manifest = build_at(small, root)

    assert manifest == built_locally.manifest
    assert files_at(f"{root}/mixture") == built_locally.files
    kept = files_at(f"{root}/rows")
    metas = {name: json.loads(data) for name, data in kept.items() if name.endswith("meta.json")}
    assert metas == built_locally.tasks
    assert not [name for name in kept if name.startswith(".") or "/." in name]


def test_sources_on_s3_give_the_same_records(
    small: Small, s3: S3Server, tmp_path: Path, built_locally: Built
):
    """Sources that are read from S3 give the shards of the same sources on a disk."""
    files, _ = storage_of("s3://bucket")
    for file in Path(small.mirror.sources[ADDRESS]).iterdir():
        files.put_file(str(file), f"bucket/copies/{file.name}")
    there = replace(small, mirror=Mirror(sources={ADDRESS: "s3://bucket/copies/"}))

    manifest = there.build(HERE, folder=tmp_path)

    assert sums(manifest) == sums(built_locally.manifest)
    assert manifest["content_digest"] == built_locally.manifest["content_digest"]


@pytest.mark.usefixtures("_no_pauses")
def test_a_store_that_is_busy_is_asked_again(small: Small, s3: S3Server, built_locally: Built):
    """With every third request answered by 503 SlowDown, the mixture is the same."""
    count = itertools.count(1)
    s3.busy = lambda method, path: next(count) % 3 == 0

    manifest = build_at(small, "s3://bucket/busy")

    assert s3.throttled() >= 30
    assert manifest == built_locally.manifest


@pytest.mark.slow
@pytest.mark.usefixtures("_no_pauses")
def test_a_store_that_refuses_one_object_for_long_is_asked_until_it_gives_in(
    small: Small, s3: S3Server, built_locally: Built
):
    """A shard that is refused more often than the client tries is put all the same."""
    refused = itertools.count(1)
    s3.busy = lambda method, path: (
        method == "PUT" and path.endswith("00002-of-00005.parquet") and next(refused) <= 12
    )

    manifest = build_at(small, "s3://bucket/stubborn")

    assert s3.throttled() == 12
    assert sums(manifest) == sums(built_locally.manifest)


@pytest.mark.slow
@pytest.mark.usefixtures("_no_pauses")
def test_a_store_that_stays_busy_ends_the_build_and_shows_no_partial_shard(
    small: Small, s3: S3Server, built_locally: Built
):
    """The error names the object; what is there is whole; later the same command finishes it."""
    s3.busy = lambda method, path: method == "PUT" and path.endswith("00002-of-00005.parquet")
    with pytest.raises(BuildError, match=r"train-00002-of-00005\.parquet: cannot be written"):
        build_at(small, "s3://bucket/broken")

    there = files_at("s3://bucket/broken/mixture")
    shards = {name: data for name, data in there.items() if name.startswith("data/")}
    assert "manifest.json" not in there
    assert shards == {name: built_locally.files[name] for name in shards}
    assert len(shards) == 2

    s3.reset()
    assert build_at(small, "s3://bucket/broken") == built_locally.manifest
    puts = [path for method, path, _ in s3.requests if method == "PUT" and "/data/" in path]
    assert len(puts) == 3
    assert files_at("s3://bucket/broken/mixture") == built_locally.files


def test_listings_are_not_trusted(small: Small, s3: S3Server, built_locally: Built):
    """A store whose listings show nothing gives the same mixture; finished shards are found."""
    s3.lists = False
    root = "s3://bucket/unlisted"
    store = local_view(f"{root}/rows")
    stored, broken = small.ingest(HERE, store=store)
    lock = lock_mixture(small.load(), stored=stored, broken=broken)
    list(HERE.build(lock, store=store, out=f"{root}/mixture", shards=[0, 3]))

    already = []
    manifest = build_mixture(
        lock,
        store=store,
        out=f"{root}/mixture",
        runner=HERE,
        on_shard=lambda result, there: already.append(result.shard) if there else None,
    )

    assert manifest == built_locally.manifest
    assert already == [0, 3]
    s3.lists = True
    there = files_at(f"{root}/mixture")
    assert {n: d for n, d in there.items() if not n.startswith(".work/")} == built_locally.files


def test_a_damaged_object_is_built_again(small: Small, s3: S3Server, built_locally: Built):
    """Of a finished mixture only the shard whose bytes changed is made again."""
    build_at(small, "s3://bucket/damaged")
    files, _ = storage_of("s3://bucket")
    files.pipe_file("bucket/damaged/mixture/data/train-00001-of-00005.parquet", b"other")
    s3.requests.clear()

    build_at(small, "s3://bucket/damaged")

    puts = [path for method, path, _ in s3.requests if method == "PUT" and "/data/" in path]
    assert puts == ["/bucket/damaged/mixture/data/train-00001-of-00005.parquet"]
    assert files_at("s3://bucket/damaged/mixture") == built_locally.files


def test_rows_are_copied_once_and_again_when_they_change(small: Small, s3: S3Server):
    """A machine keeps its copy of rows for as long as the store holds the same rows."""
    url = "s3://bucket/rows"
    stored, broken = small.ingest(HERE, store=local_view(url))
    lock = lock_mixture(small.load(), stored=stored, broken=broken)
    view = local_view(url)
    shutil.rmtree(view / "quickstart")
    s3.requests.clear()

    def fetched() -> int:
        fetch_rows(view, rows_of(lock))
        gets = [path for method, path, _ in s3.requests if (method, path[-5:]) == ("GET", "arrow")]
        s3.requests.clear()
        return len(gets)

    assert fetched() == 2
    assert fetched() == 0
    (meta,) = (view / "quickstart" / "sums").rglob("meta.json")
    meta.write_text('{"digest": "of other rows"}', encoding="utf-8")
    assert fetched() == 1


def test_rows_that_are_not_there_are_an_error(small: Small, stored: Path, s3: S3Server):
    """A worker that finds no rows names the object it looked for."""
    lock = small.lock(store=stored)

    with pytest.raises(StoreError, match=r"s3://bucket/none/.*rows\.arrow: found no stored rows"):
        fetch_rows(local_view("s3://bucket/none"), rows_of(lock))


def test_stored_tasks_are_found_at_the_url(small: Small, s3: S3Server, tmp_path: Path):
    """What another machine has ingested is not ingested again here."""
    url = "s3://bucket/shared"
    first, _ = small.ingest(HERE, store=local_view(url))
    shutil.rmtree(tmp_path / "cache")
    view = local_view(url)
    assert origin(view) == url
    s3.requests.clear()

    again, _ = small.ingest(HERE, store=view)

    assert again == first
    assert not [path for method, path, _ in s3.requests if (method, path[-5:]) == ("PUT", "arrow")]


def test_an_old_result_on_s3_is_not_taken_for_a_new_one(small: Small, s3: S3Server, stored: Path):
    """Results of an earlier run are deleted by name, even if a listing does not show them."""
    from mixture_builder.transforms import BeamRunner

    lock = small.lock(store=stored)
    old = result_url("s3://bucket/out", lock.fingerprint, 0)
    fsspec.filesystem("s3").pipe_file(old, b'{"shard": 0, "file": "of an earlier run"}')
    s3.lists = False

    (result,) = BeamRunner("FnApiRunner").build(
        lock, store=stored, out="s3://bucket/out", shards=[0]
    )

    assert result.file == "data/train-00000-of-00005.parquet"


@pytest.mark.slow
def test_beam_with_everything_on_s3(small: Small, s3: S3Server, built_locally: Built):
    """Beam's workers see URLs only: spilled rows, store and mixture all go through S3."""
    from mixture_builder.transforms import BeamRunner

    manifest = build_at(small, "s3://bucket/beam", runner=BeamRunner("FnApiRunner"))

    assert manifest == built_locally.manifest
    assert files_at("s3://bucket/beam/mixture") == built_locally.files
    left = [name for name in files_at("s3://bucket/beam/rows") if name.startswith(".")]
    assert left == []


def test_a_tokenizer_is_kept_at_the_url(s3: S3Server, tmp_path: Path, monkeypatch):
    """A worker on another machine finds the tokenizer that ingest kept, though it has no copy."""
    pytest.importorskip("tokenizers", reason="the package tokenizers is not installed")
    from mixture_builder.io.tokenizer import keep_tokenizer, kept_tokenizer

    write_byte_tokenizer(tmp_path / "bytes.json")
    sha256 = hashlib.sha256((tmp_path / "bytes.json").read_bytes()).hexdigest()
    url = "s3://bucket/store"
    for machine in ("first", "second", "first"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / machine))
        origin.cache_clear()
        if machine == "first":
            keep_tokenizer(local_view(url), tmp_path / "bytes.json", sha256=sha256)
        counted = kept_tokenizer(local_view(url), sha256=sha256).count(["abc", ""])
        assert list(counted) == [3, 0]
