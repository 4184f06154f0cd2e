"""A worker process that dies ends the run with an error; Beam alone would wait for ever."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from mixture_builder.errors import BuildError
from mixture_builder.transforms import BeamRunner
from mixture_builder.transforms.quiet_beam import beam
from mixture_builder.transforms.results import file_name, write_result
from mixture_builder.transforms.watched_workers import watched_workers, without_running_mode

pytestmark = pytest.mark.slow

PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


class WriteOrDie(beam.DoFn):
    """Leaves a result for each element; at "last" it ends its own process."""

    def __init__(self, folder: str, *, how: str) -> None:
        self.folder = folder
        self.how = how

    def process(self, element: tuple[str, Iterable[str]]) -> None:
        if element[0] != "last":
            write_result(self.folder, file_name(element[0]), element[0])
        elif self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            os._exit(3)


@pytest.mark.parametrize(
    ("how", "message"), [("killed", "ended by signal 9"), ("exit", "ended with exit code 3")]
)
def test_a_dead_worker_is_an_error_with_the_way_out(tmp_path: Path, how: str, message: str):
    """The error says how the worker died, that work is kept, and what survives dying workers."""
    run = BeamRunner("FnApiRunner", PROCESSES)._run(
        ["first", "last"],
        beam.Map(lambda name: (name, name))
        | beam.GroupByKey()
        | beam.ParDo(WriteOrDie(str(tmp_path), how=how)),
        folder=str(tmp_path),
        waiting={"first.json", "last.json"},
        result=lambda _, plain: plain,
    )

    with pytest.raises(BuildError, match=rf"{message}.*finished work is kept.*leave --runner out"):
        list(run)


def test_no_worker_is_left_when_a_run_is_over(tmp_path: Path):
    """Workers end with the run, also when nobody waits for its end."""
    with watched_workers() as workers:
        pipeline = beam.Pipeline(
            runner=workers.runner(), options=without_running_mode(PipelineOptions([]))
        )
        _ = (
            pipeline
            | beam.Create(["one"], reshuffle=False)
            | beam.Map(lambda name: (name, name))
            | beam.GroupByKey()
            | beam.ParDo(WriteOrDie(str(tmp_path), how="killed"))
        )
        pipeline.run().wait_until_finish()
        (handler,) = workers._handlers

    assert handler.process.wait() == 0
    assert (tmp_path / "one.json").exists()
    assert workers.death == ""


def test_workers_say_nothing_of_their_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """What Beam's workers tell of ports and channels does not reach the user."""
    run = BeamRunner("FnApiRunner", PROCESSES)._run(
        ["one"],
        beam.Map(lambda name: (name, name))
        | beam.GroupByKey()
        | beam.ParDo(WriteOrDie(str(tmp_path), how="killed")),
        folder=str(tmp_path),
        waiting={"one.json"},
        result=lambda _, plain: plain,
    )

    assert list(run) == ["one"]
    assert capfd.readouterr().err == ""
    assert not logging.getLogger("apache_beam.runners.worker.data_plane").filters
