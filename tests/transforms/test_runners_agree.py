"""One recipe gives the same rows, records and bytes wherever its jobs run.

Engines that need an environment of their own, and the installed wheel: tests/engines.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from apache_beam.runners.portability.local_job_service import LocalJobServicer

from mixture_builder.transforms import BeamRunner
from tests.transforms.conftest import Built, Small, read_built

ROOT = Path(__file__).resolve().parents[2]


def check(runner: BeamRunner, small: Small, folder: Path, expected: Built) -> None:
    """Builds from nothing and compares everything that is left."""
    built = read_built(folder, small.build(runner, folder=folder))

    assert built.manifest["content_digest"] == expected.manifest["content_digest"]
    assert built.files == expected.files
    assert built.tasks == expected.tasks


def test_the_mixture_has_a_task_of_each_sort(built_locally: Built):
    """The mixture that runners are compared on has parts, copies, a second choice, a failure."""
    tasks = {meta["task"]: meta for meta in built_locally.tasks.values()}

    assert len(tasks["own/three_files"]["files"]) == 3
    assert tasks["own/three_files"]["duplicates"] == 1
    assert tasks["own/second_choice"]["alternative"] == 1
    assert "own/unreadable" in built_locally.manifest["left_out"]
    assert len(built_locally.manifest["shards"]) == 5


def test_beam_in_this_process(small: Small, tmp_path: Path, built_locally: Built):
    """FnApiRunner in this process leaves what the local pool leaves, byte for byte."""
    check(BeamRunner("FnApiRunner"), small, tmp_path, built_locally)


def test_another_engine_in_this_process(small: Small, tmp_path: Path, built_locally: Built):
    """So does the runner that knows nothing of the portable protocol."""
    check(BeamRunner("BundleBasedDirectRunner"), small, tmp_path, built_locally)


@pytest.mark.slow
def test_beam_on_processes(small: Small, tmp_path: Path, built_locally: Built):
    """So does FnApiRunner on two worker processes."""
    options = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]

    check(BeamRunner("FnApiRunner", options), small, tmp_path, built_locally)


@pytest.mark.slow
def test_beam_on_threads(small: Small, tmp_path: Path, built_locally: Built):
    """So does FnApiRunner on two worker threads, whose answers come in any order."""
    options = ["--direct_running_mode=multi_threading", "--direct_num_workers=2"]

    check(BeamRunner("FnApiRunner", options), small, tmp_path, built_locally)


@pytest.mark.slow
def test_a_job_service_with_external_workers(small: Small, tmp_path: Path, built_locally: Built):
    """So does a portable job service, whose workers are processes that know nothing of us."""
    service = LocalJobServicer()
    with worker_pool() as port:
        options = [
            f"--job_endpoint=localhost:{service.start_grpc_server()}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{port}",
        ]
        try:
            check(BeamRunner("PortableRunner", options), small, tmp_path, built_locally)
        finally:
            service.stop()


@contextmanager
def worker_pool() -> Iterator[int]:
    """Beam's pool of external workers, started from another folder; gives its port."""
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        port = taken.getsockname()[1]
    # The pool starts workers as `python`, whatever that is.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    pool = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "apache_beam.runners.worker.worker_pool_main",
            f"--service_port={port}",
        ],
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        cwd="/",
        stderr=subprocess.PIPE,
        text=True,
    )
    assert pool.stderr is not None
    try:
        while "Started worker pool servicer" not in pool.stderr.readline():
            assert pool.poll() is None, "the worker pool did not start"
        yield port
    finally:
        pool.terminate()
        pool.communicate()
