"""The installed wheel on engines that run here: the bytes of the local build, on each of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mixture_builder.io.storage import storage_of
from mixture_builder.transforms import BeamRunner
from tests.engines.conftest import build_command, environment, job_service, summary
from tests.s3_server import S3Server
from tests.stores.test_object_stores import files_at
from tests.transforms.conftest import ADDRESS, Built, Small, read_built

pytestmark = pytest.mark.engines

DASK = "apache_beam.runners.dask.dask_runner.DaskRunner"
SPARK = "beam_pyspark_runner.pyspark_runner.PySparkRunner"


def files_of(folder: Path) -> dict[str, bytes]:
    """All files of a finished mixture."""
    return {
        str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()
    }


def test_environments_hold_the_wheel_and_nothing_of_the_checkout(tmp_path: Path):
    """The package that workers import stands in the environment, with its cards and templates."""
    workers = environment("wheel", tmp_path)

    done = workers.run("python", "-c", "import mixture_builder as m; print(m.__file__)")

    assert done.stdout.startswith(str(workers.bin.parent))


def test_external_workers_of_the_wheel(small: Small, tmp_path: Path, built_locally: Built):
    """A task of several parts: launched here, run by workers that have the wheel only."""
    workers = environment("wheel", tmp_path / "workers")

    with job_service(workers, workers) as options:
        runner = BeamRunner("PortableRunner", options)
        built = read_built(tmp_path, small.build(runner, folder=tmp_path))

    assert built.files == built_locally.files
    assert built.tasks == built_locally.tasks


def test_a_job_service_launched_by_the_wheel(small: Small, tmp_path: Path, built_locally: Built):
    """Command, job service and workers are processes of the wheel, in folders of their own."""
    launcher = environment("wheel", tmp_path / "launcher")
    workers = environment("wheel", tmp_path / "workers")
    out = tmp_path / "out"
    command = build_command(small, tmp_path, store=str(tmp_path / "store"), out=str(out))

    with job_service(launcher, workers) as options:
        done = launcher.run(*command, "--runner=PortableRunner", "--", *options)

    assert summary(done)["content_digest"] == built_locally.manifest["content_digest"]
    assert files_of(out) == built_locally.files


def test_a_job_service_with_everything_on_s3(
    small: Small, s3: S3Server, tmp_path: Path, built_locally: Built
):
    """Sources, row store and mixture on S3; launcher and workers share no folder."""
    files, _ = storage_of("s3://bucket")
    for file in Path(small.mirror.sources[ADDRESS]).iterdir():
        files.put_file(str(file), f"bucket/sources/{file.name}")
    launcher = environment("wheel", tmp_path / "launcher", **s3.environment)
    workers = environment("wheel", tmp_path / "workers", **s3.environment)
    command = build_command(
        small,
        tmp_path,
        store="s3://bucket/rows",
        out="s3://bucket/mixture",
        sources="s3://bucket/sources/",
    )

    with job_service(launcher, workers) as options:
        done = launcher.run(*command, "--runner=PortableRunner", "--", *options)

    assert summary(done)["content_digest"] == built_locally.manifest["content_digest"]
    there = files_at("s3://bucket/mixture")
    shards = {name: data for name, data in there.items() if name.startswith("data/")}
    assert shards == {n: d for n, d in built_locally.files.items() if n.startswith("data/")}
    assert (workers.home / ".cache" / "mixture-builder" / "copies").is_dir()


def test_dask_on_a_local_cluster(small: Small, tmp_path: Path, built_locally: Built):
    """DaskRunner, which is silently wrong about anything but ParDo and GroupByKey in a row."""
    dask = environment("dask", tmp_path / "dask")
    out = tmp_path / "out"
    command = build_command(small, tmp_path, store=str(tmp_path / "store"), out=str(out))

    done = dask.run(*command, f"--runner={DASK}")

    assert summary(done)["content_digest"] == built_locally.manifest["content_digest"]
    assert files_of(out) == built_locally.files


@pytest.mark.skipif(not shutil.which("java"), reason="Spark needs Java")
def test_spark(small: Small, tmp_path: Path, built_locally: Built):
    """beam-pyspark-runner, with a Spark of this machine."""
    spark = environment("spark", tmp_path / "spark")
    spark.variables["PYSPARK_PYTHON"] = str(spark.bin / "python")
    out = tmp_path / "out"
    command = build_command(small, tmp_path, store=str(tmp_path / "store"), out=str(out))

    done = spark.run(*command, f"--runner={SPARK}")

    assert summary(done)["content_digest"] == built_locally.manifest["content_digest"]
    assert files_of(out) == built_locally.files
