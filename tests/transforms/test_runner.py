"""What the Beam runner refuses, tells, and leaves behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from mixture_builder.errors import BuildError, StoreError, UsageError
from mixture_builder.jobs.build import result_url
from mixture_builder.jobs.building import build_mixture
from mixture_builder.manifest import ShardResult
from mixture_builder.transforms import BeamRunner, Build
from mixture_builder.transforms.quiet_beam import beam
from mixture_builder.transforms.runner import HANGING
from tests.transforms.conftest import Small


@pytest.mark.parametrize("name", ["DirectRunner", "directrunner", "SwitchingDirectRunner"])
def test_runners_that_may_hang_are_refused(name: str):
    """DirectRunner tries a download first, which may never end; the message names the way out."""
    with pytest.raises(UsageError, match=r"wait for a download for ever\. Use FnApiRunner"):
        BeamRunner(name)
    assert name.lower() in HANGING


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("FnApiRunner", ["--direct_num_worker=2"], r"Did you mean '--direct_num_workers'\?"),
        ("FnApiRunner", ["--direct_running_mode=fast"], r"invalid choice: 'fast'"),
        ("DataflowRunner", ["--region=x"], r"Missing required option: project"),
        ("NoSuchRunner", [], r"Unexpected pipeline runner: NoSuchRunner"),
    ],
)
def test_wrong_names_and_options_are_refused_at_once(name: str, options: list[str], message: str):
    """An option that Beam would ignore, and a runner that cannot start, are usage errors."""
    with pytest.raises(UsageError, match=message):
        BeamRunner(name, options)


def test_options_of_a_job_server_are_let_through():
    """Portable runners hand options they do not know to their job server."""
    assert BeamRunner("FlinkRunner", ["--object_reuse=true"]).name == "FlinkRunner"


def test_results_come_with_the_shards_that_were_asked_for(small: Small, stored: Path, tmp_path):
    """Building some shards yields a result for each of these and no other."""
    lock = small.lock(store=stored)
    runner = BeamRunner("FnApiRunner")

    results = list(runner.build(lock, store=stored, out=str(tmp_path), shards=[4, 1]))

    assert sorted(r.shard for r in results) == [1, 4]
    assert all(isinstance(r, ShardResult) for r in results)
    assert sorted(f.name for f in (tmp_path / "data").iterdir()) == [
        "train-00001-of-00005.parquet",
        "train-00004-of-00005.parquet",
    ]


def test_nothing_to_do_starts_nothing(small: Small, stored: Path, tmp_path: Path):
    """Without parts or shards there is no pipeline, and no folder."""
    runner = BeamRunner("FnApiRunner")
    lock = small.lock(store=stored)

    assert list(runner.ingest([], {})) == []
    assert list(runner.build(lock, store=stored, out=str(tmp_path / "out"), shards=[])) == []
    assert not (tmp_path / "out").exists()


def test_a_result_of_an_earlier_run_is_not_taken_for_a_new_one(
    small: Small, stored: Path, tmp_path: Path
):
    """A shard whose file was changed is built again, though its old result is still there."""
    lock = small.lock(store=stored)
    old = Path(result_url(str(tmp_path), lock.fingerprint, 0))
    old.parent.mkdir(parents=True)
    old.write_text(json.dumps({"shard": 0, "file": "of an earlier run"}), encoding="utf-8")

    (result,) = BeamRunner("FnApiRunner").build(lock, store=stored, out=str(tmp_path), shards=[0])

    assert result.file == "data/train-00000-of-00005.parquet"
    assert (tmp_path / result.file).exists()


def test_the_store_keeps_no_trace_of_a_run(small: Small, tmp_path: Path):
    """Result files of an ingest are gone when it is over."""
    small.ingest(BeamRunner("FnApiRunner"), store=tmp_path / "store")

    assert not (tmp_path / "store" / ".results").exists()


@pytest.mark.parametrize(
    "options",
    [
        [],
        pytest.param(
            ["--direct_running_mode=multi_processing", "--direct_num_workers=2"],
            marks=pytest.mark.slow,
        ),
    ],
    ids=["in this process", "on processes"],
)
def test_errors_of_workers_keep_class_and_text(small: Small, tmp_path: Path, options: list[str]):
    """What a worker raises reaches the caller as if it had been raised here; others go on."""
    store = tmp_path / "store"
    small.ingest(BeamRunner("FnApiRunner"), store=store)
    lock = small.lock(store=store)
    (rows,) = (store / "own" / "three_files").rglob("rows.arrow")
    rows.unlink()
    shards = BeamRunner("FnApiRunner", options).build(
        lock, store=store, out=str(tmp_path / "out"), shards=range(5)
    )

    with pytest.raises(StoreError, match=r"rows\.arrow: the stored rows cannot be read"):
        list(shards)


def test_an_error_of_an_earlier_run_is_forgotten(small: Small, tmp_path: Path):
    """After the cause is gone, the same build succeeds."""
    store, out = tmp_path / "store", str(tmp_path / "out")
    runner = BeamRunner("FnApiRunner")
    small.ingest(runner, store=store)
    lock = small.lock(store=store)
    (rows,) = (store / "own" / "three_files").rglob("rows.arrow")
    kept = rows.rename(tmp_path / "kept")
    with pytest.raises(StoreError):
        list(runner.build(lock, store=store, out=out, shards=range(5)))
    kept.rename(rows)

    manifest = build_mixture(lock, store=store, out=out, runner=runner)

    assert manifest["realised"] == 600
    assert not (tmp_path / "out" / ".work").exists()


class Vanish(beam.DoFn):
    """Does its work and leaves no result, like a worker that sees another disk."""

    def process(self, element: Any) -> None:
        del element


def test_results_that_do_not_appear_are_an_error(tmp_path: Path):
    """A pipeline that ends well without its results tells where they were looked for."""
    run = BeamRunner("FnApiRunner")._run(
        [1],
        beam.ParDo(Vanish()),
        folder=str(tmp_path / "results"),
        waiting={"1.json"},
        result=lambda name, plain: (name, plain),
    )

    with pytest.raises(BuildError, match=r"1 results did not appear, the first of them 1\.json"):
        list(run)


def test_a_failure_of_the_runner_is_a_build_error(small: Small, stored: Path, tmp_path: Path):
    """What is no error of ours is told with the runner's own words, and with the way out."""
    runner = BeamRunner(
        "PortableRunner",
        ["--job_endpoint=localhost:1", "--job_server_timeout=1", "--environment_type=LOOPBACK"],
    )

    with pytest.raises(BuildError, match=r"(?s)failed on PortableRunner: .*run the same command"):
        list(runner.build(small.lock(store=stored), store=stored, out=str(tmp_path), shards=[0]))


def test_the_graph_for_dataflow_holds_only_what_every_runner_does_right(small: Small, stored: Path):
    """Impulse, ParDo, GroupByKey and composites of them: no Reshuffle, state, side input, tag."""
    from apache_beam.transforms.environments import DockerEnvironment

    from mixture_builder.jobs.ingest.planning import plan_parts
    from mixture_builder.transforms import Ingest

    card = small.load().cards["own/three_files"]
    parts = plan_parts(card, store=stored, mirror=small.mirror, alternative=0)
    lock = small.lock(store=stored)
    pipeline = beam.Pipeline(runner="FnApiRunner", options=PipelineOptions([]))
    _ = pipeline | "Parts" >> beam.Create(parts, reshuffle=False) | "Ingest" >> Ingest()
    _ = (
        pipeline
        | "Shards" >> beam.Create([0, 1], reshuffle=False)
        | "Build" >> Build(lock, store=stored, out="gs://bucket/mixture")
    )

    proto = pipeline.to_runner_api(default_environment=DockerEnvironment.from_container_image("x"))

    transforms = proto.components.transforms.values()
    # A composite that gives out what it is given does nothing.
    leaves = [t for t in transforms if not t.subtransforms]
    steps = [t for t in leaves if set(t.inputs.values()) != set(t.outputs.values())]
    assert {step.spec.urn for step in steps} == {
        "beam:transform:impulse:v1",
        "beam:transform:pardo:v1",
        "beam:transform:group_by_key:v1",
    }
    assert [len(step.inputs) for step in steps].count(0) == 2  # the two Creates
    assert all(len(step.inputs) <= 1 and len(step.outputs) == 1 for step in steps)
    assert "beam:transform:reshuffle:v1" not in {t.spec.urn for t in transforms}
    assert not proto.requirements
