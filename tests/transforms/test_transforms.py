"""The transforms by themselves: what goes in, what comes out, and what if work is repeated."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from apache_beam.coders.typecoders import registry
from apache_beam.pipeline import PipelineVisitor

from mixture_builder import errors
from mixture_builder.errors import MixtureBuilderError, StoreError
from mixture_builder.findings import error
from mixture_builder.io.stored_task import StoredTask
from mixture_builder.jobs.ingest.part import ingest_part
from mixture_builder.jobs.ingest.planning import plan_parts
from mixture_builder.jobs.ingest.specs import PartResult, PartSpec, task_spec
from mixture_builder.manifest import ShardResult
from mixture_builder.testing import run_eagerly
from mixture_builder.transforms import BeamRunner, Build, BuildWhole, Ingest
from mixture_builder.transforms.build import shard_file
from mixture_builder.transforms.coders import ElementCoder, Outcome
from mixture_builder.transforms.quiet_beam import beam
from mixture_builder.transforms.results import (
    file_name,
    first_error,
    read_result,
    remove_results,
    write_error,
    write_result,
    written_results,
)
from tests.transforms.conftest import Built, Small, read_built


def parts_of(small: Small, task: str, *, store: Path) -> list[PartSpec]:
    """The parts of one task of the small mixture."""
    card = small.load().cards[task]
    return plan_parts(card, store=store, mirror=small.mirror, alternative=0)


def test_parts_may_come_in_any_order(small: Small, tmp_path: Path):
    """A task's rows and files do not depend on the order in which its parts arrive."""
    one, other = tmp_path / "one", tmp_path / "other"
    forwards = parts_of(small, "own/three_files", store=one)
    backwards = parts_of(small, "own/three_files", store=other)[::-1]

    ((task, stored),) = run_eagerly(forwards, Ingest())

    assert task == "own/three_files"
    assert isinstance(stored, StoredTask)
    assert [file["name"][-7:] for file in stored.files] == ["a.jsonl", "b.jsonl", "c.jsonl"]
    assert run_eagerly(backwards, Ingest()) == [(task, stored)]


def test_a_task_that_cannot_be_read_comes_out_with_the_reason(small: Small, tmp_path: Path):
    """Other tasks are not held up by it."""
    parts = [
        *parts_of(small, "own/unreadable", store=tmp_path),
        *parts_of(small, "quickstart/sums", store=tmp_path),
    ]

    done = dict(run_eagerly(parts, Ingest()))

    assert "none of 1 records gave a row" in done["own/unreadable"]
    assert done["quickstart/sums"].rows > 80


def test_finishing_a_task_again_gives_the_same_result(small: Small, tmp_path: Path):
    """A runner may repeat what it has done, though the spilled rows are gone since."""
    parts = parts_of(small, "own/three_files", store=tmp_path)
    results = str(tmp_path / "results")
    first = run_eagerly(parts, Ingest(results=results))
    for run in (tmp_path / ".spill").rglob("*.arrow"):
        run.unlink()

    assert run_eagerly(parts, Ingest(results=results)) == first


def test_build_gives_a_result_a_shard(small: Small, stored: Path, tmp_path: Path):
    """Shards are files of their own, whichever are asked for, in whichever order."""
    lock = small.lock(store=stored)

    results = run_eagerly([3, 0], Build(lock, store=stored, out=str(tmp_path)))

    assert sorted(r.shard for r in results) == [0, 3]
    assert all((tmp_path / r.file).stat().st_size == r.bytes for r in results)
    assert shard_file(3) == "shard-00003.json"


def error_classes(kind: type[MixtureBuilderError]) -> list[type[MixtureBuilderError]]:
    """An error class and all that are derived from it."""
    return [kind, *(c for sub in kind.__subclasses__() for c in error_classes(sub))]


def test_every_spec_survives_the_way_to_a_worker(small: Small, stored: Path, tmp_path: Path):
    """Specs and results are equal after pickling, and after Beam's own coder."""
    parts = parts_of(small, "own/three_files", store=tmp_path)
    results = [ingest_part(part) for part in parts]
    spec = task_spec(parts, results, ("tried",))
    lock = small.lock(store=stored)
    (shard,) = run_eagerly([0], Build(lock, store=stored, out=str(tmp_path)))

    for value in (parts[0], results[0], spec, shard, small.load().cards["own/three_files"]):
        assert pickle.loads(pickle.dumps(value)) == value
        assert ElementCoder().decode(ElementCoder().encode(value)) == value


def test_equal_elements_have_equal_bytes(small: Small, tmp_path: Path):
    """The encoding of an element does not depend on which objects are the same inside it."""
    (part, *_) = parts_of(small, "own/three_files", store=tmp_path)
    again = pickle.loads(pickle.dumps(part))

    assert ElementCoder().encode(part) == ElementCoder().encode(again)
    assert ElementCoder().encode(part).isascii()


@pytest.mark.parametrize("kind", [PartSpec, PartResult, StoredTask, ShardResult, Outcome])
def test_every_class_of_element_has_a_coder_of_ours(kind: type):
    """No element is pickled."""
    assert isinstance(registry.get_coder(kind), ElementCoder)


@pytest.mark.parametrize("encoded", [b'["os:system",{}]', b'["mixture_builder.io:read",{}]'])
def test_only_elements_of_ours_are_decoded(encoded: bytes):
    """An encoding that names anything but a dataclass of the package is refused."""
    with pytest.raises((ValueError, AttributeError)):
        ElementCoder().decode(encoded)


def test_all_elements_of_the_pipelines_have_deterministic_coders(small: Small, stored: Path):
    """Every collection between the first step and the last, with its keys."""
    parts = parts_of(small, "own/three_files", store=stored)
    pipeline = beam.Pipeline(runner="FnApiRunner")
    _ = pipeline | "Parts" >> beam.Create(parts, reshuffle=False) | "Ingest" >> Ingest()
    build = Build(small.lock(store=stored), store=stored, out="memory://x")
    _ = pipeline | "Shards" >> beam.Create([0, 1], reshuffle=False) | "Build" >> build

    class Look(PipelineVisitor):
        def visit_value(self, value, producer_node):
            if not producer_node.full_label.startswith(("Parts", "Shards")):
                found[producer_node.full_label] = registry.get_coder(value.element_type)

    found: dict[str, Any] = {}
    pipeline.visit(Look())

    assert len(found) >= 8
    assert {name: str(c) for name, c in found.items() if not c.is_deterministic()} == {}
    assert not [name for name, coder in found.items() if "FastPrimitives" in str(coder)]


@pytest.mark.parametrize("kind", error_classes(MixtureBuilderError), ids=lambda k: k.__name__)
def test_every_error_survives_the_way_from_a_worker(kind: type[MixtureBuilderError]):
    """Class and text are the same after pickling."""
    value = (
        (error("card.yaml", "id", "found nothing.", "Add it."),)
        if kind is errors.InvalidFilesError
        else "card.yaml: found nothing."
    )
    problem = kind(value)

    again = pickle.loads(pickle.dumps(problem))

    assert type(again) is kind
    assert str(again) == str(problem)
    assert "found nothing." in str(again)


def test_results_are_found_by_name(tmp_path: Path):
    """Results and errors of items are read, listed and removed apart from one another."""
    folder = f"file://{tmp_path}/results"
    one, two = file_name("a/one"), file_name("a/two")
    assert (written_results(folder), read_result(folder, one)) == (frozenset(), None)
    assert first_error(folder, [one, two]) is None

    write_result(folder, one, {"rows": 3})
    write_error(folder, two, StoreError("rows are gone"))

    assert written_results(folder) >= {one}
    assert read_result(folder, one) == {"rows": 3}
    problem = first_error(folder, [one, two])
    assert (type(problem), str(problem)) == (StoreError, "rows are gone")
    assert first_error(folder, [one]) is None
    remove_results(folder, [one, two])
    assert one not in written_results(folder)
    assert first_error(folder, [one, two]) is None


def test_a_pipeline_can_finish_the_mixture_itself(
    small: Small, stored: Path, tmp_path: Path, built_locally: Built
):
    """The last step writes lock, quarantine, card and manifest; nobody has to wait for the job."""
    lock = small.lock(store=stored)

    (digest,) = run_eagerly(range(5), BuildWhole(lock, store=stored, out=str(tmp_path / "out")))

    assert digest == built_locally.manifest["content_digest"]
    assert read_built(tmp_path, built_locally.manifest).files == built_locally.files


def test_a_pipeline_that_finishes_the_mixture_has_shards_on_the_disk_before(
    small: Small, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As a build by processes: where a manifest stands, a crash of the machine loses nothing."""
    synced, sync = list[int](), os.fsync

    def note(file: int) -> None:
        synced.append(os.fstat(file).st_ino)
        sync(file)

    monkeypatch.setattr(os, "fsync", note)
    lock = small.lock(store=stored)
    run_eagerly(range(5), BuildWhole(lock, store=stored, out=str(tmp_path)))
    last = synced.index((tmp_path / "manifest.json").stat().st_ino)
    shards = {file.stat().st_ino for file in (tmp_path / "data").iterdir()}

    assert len(shards) == 5
    assert shards <= set(synced[:last])


def test_a_job_that_is_launched_builds_what_is_missing(
    small: Small, stored: Path, tmp_path: Path, built_locally: Built
):
    """Shards that are there are kept; when the mixture is finished, nothing is started."""
    lock = small.lock(store=stored)
    out = str(tmp_path / "out")
    runner = BeamRunner("FnApiRunner")
    list(runner.build(lock, store=stored, out=out, shards=[1, 2]))
    before = (tmp_path / "out/data/train-00001-of-00005.parquet").stat().st_mtime_ns

    assert runner.launch(lock, store=stored, out=out)
    assert read_built(tmp_path, built_locally.manifest).files == built_locally.files
    assert (tmp_path / "out/data/train-00001-of-00005.parquet").stat().st_mtime_ns == before
    assert not runner.launch(lock, store=stored, out=out)
