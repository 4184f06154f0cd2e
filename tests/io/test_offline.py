"""Sources out of reach: refused at once when asked to, and never the end of a build."""

from __future__ import annotations

import pytest

from mixture_builder.errors import SourceError
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import is_mirrored, source_files
from mixture_builder.sources import Beside, Source

WEB = "https://example.org/data/train.jsonl"


@pytest.mark.parametrize(
    "source",
    [
        Source(files=(WEB,)),
        Source(files=("zip://a.jsonl::https://example.org/a.zip",)),
        Source(files=("hf://datasets/owner/name@main/train/*.parquet",), format="parquet"),
        Source(kind="hub", dataset="owner/name", revision="main"),
        Source(kind="hub", dataset="owner/name", revision="main", files=("a.parquet",)),
    ],
)
def test_offline_nothing_is_asked_of_the_network(tmp_path, source):
    """An address without a local copy is refused before anything is opened."""
    with pytest.raises(SourceError, match="--offline keeps from reading it"):
        source_files(source, base=str(tmp_path), mirror=Mirror.empty(offline=True))


def test_offline_mirrored_and_own_files_are_read(tmp_path):
    """What lies on this machine needs no network."""
    (tmp_path / "own.jsonl").write_text("{}", encoding="utf-8")
    mirror = Mirror(sources={WEB: str(tmp_path / "own.jsonl")}, offline=True)

    for name in ("own.jsonl", WEB):
        source = Source(files=(name,))
        assert source_files(source, base=str(tmp_path), mirror=mirror)[0].size == 2


def test_a_copy_elsewhere_is_no_local_copy(tmp_path):
    """A mirror may name another server; offline, that is out of reach as well."""
    mirror = Mirror(sources={WEB: "https://other.example.org/train.jsonl"}, offline=True)

    with pytest.raises(SourceError, match="--offline"):
        source_files(Source(files=(WEB,)), base=str(tmp_path), mirror=mirror)


def test_a_glob_that_cannot_be_listed_is_a_source_error(tmp_path):
    """Whatever class of error the file system raises, the next alternative can be tried."""
    source = Source(files=("abfs://container/*.parquet",), format="parquet")

    with pytest.raises(SourceError, match="cannot be listed"):
        source_files(source, base=str(tmp_path), mirror=Mirror.empty())


@pytest.mark.parametrize(
    ("source", "mirrored"),
    [
        (Source(files=("own.jsonl",)), True),
        (Source(files=(WEB,)), True),
        (Source(files=(WEB, "https://example.net/more.jsonl")), False),
        (Source(files=(f"zip://x::{WEB}",)), True),
        (Source(files=(WEB,), beside=(Beside(files=("https://example.net/b",)),)), False),
        (Source(kind="hub", dataset="owner/name", revision="main"), True),
        (Source(kind="hub", dataset="owner/other", revision="main"), False),
    ],
)
def test_a_source_is_mirrored_when_all_it_reads_is(source, mirrored):
    """Files beside it included; a card's own folder needs no mirror."""
    mirror = Mirror(
        sources={
            "https://example.org/data/": "/copies/",
            "hf://datasets/owner/name@main/default/train": "/copies/name",
        }
    )

    assert is_mirrored(source, mirror=mirror) is mirrored
