"""Worker processes for `FnApiRunner`, watched: a dead worker ends the run instead of hanging it.

Beam starts the same kind of processes for `--direct_running_mode=multi_processing`, but when
one of them dies it waits for its answer for ever. Here somebody waits for each process; when
one ends that should not, all others are ended and Beam is told that their work failed.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped, unused-ignore]
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    GrpcWorkerHandler,
    WorkerHandler,
)
from apache_beam.transforms.environments import SubprocessSDKEnvironment

URN = "mixture_builder:environment:watched_process:v1"

POLL_SECONDS = 0.1

PATIENCE_SECONDS = 10
"""How long a worker may take to end after it was asked to."""


class WatchedWorkers:
    """The worker processes of one run.

    Attributes:
      death: what became of the first worker that ended before its time; empty if none did.
      ending: whether workers are being ended, for a death or because the run is over.
    """

    def __init__(self) -> None:
        self.id = secrets.token_hex(8)
        self.death = ""
        self._lock = threading.Lock()
        self._handlers: list[_WatchedHandler] = []
        self.ending = False
        self._over = threading.Event()

    def runner(self) -> Any:
        """A runner of Beam's that uses these workers."""
        return FnApiRunner(default_environment=_WatchedEnvironment(self.id))

    def add(self, handler: _WatchedHandler) -> None:
        """Watches one more worker, which has just been started."""
        with self._lock:
            self._handlers.append(handler)
        threading.Thread(target=self._watch, args=(handler,), daemon=True).start()

    def end(self) -> None:
        """Ends all workers that still run; Beam then ends the run."""
        with self._lock:
            self.ending = True
            handlers = list(self._handlers)
        for handler in handlers:
            handler.kill()
        # Beam may still ask a dead worker for the next stage, so once is not enough.
        while not self._over.wait(POLL_SECONDS):
            for handler in handlers:
                handler.fail("its worker process was ended")

    def forget(self) -> None:
        """Ends all workers; Beam has ended the run, or is no longer waited for."""
        self._over.set()
        self.end()

    def _watch(self, handler: _WatchedHandler) -> None:
        code = handler.process.wait()
        with self._lock:
            if self.ending or handler.may_end:
                return
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            self.death = f"process {handler.process.pid} ended {how}"
        self.end()


_runs: dict[str, WatchedWorkers] = {}
"""Runs that are going on in this process; Beam makes handlers of a text alone."""


@contextmanager
def watched_workers() -> Iterator[WatchedWorkers]:
    """Workers for one run; none of them is left when the block ends."""
    workers = WatchedWorkers()
    _runs[workers.id] = workers
    WorkerHandler.register_environment(URN, bytes)(_WatchedHandler)
    usual = threading.excepthook
    # When a process is gone, threads of Beam's that listened to it raise and log that, often
    # before the process itself is known to be gone. The run's own error says it better.
    data_plane = logging.getLogger("apache_beam.runners.worker.data_plane")

    def hook(args: threading.ExceptHookArgs) -> None:
        if not issubclass(args.exc_type, grpc.RpcError):
            usual(args)

    def is_wanted(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Failed to read inputs")

    threading.excepthook = hook
    data_plane.addFilter(is_wanted)
    try:
        yield workers
    finally:
        workers.forget()
        data_plane.removeFilter(is_wanted)
        threading.excepthook = usual
        del _runs[workers.id]


def without_running_mode(options: PipelineOptions) -> PipelineOptions:
    """The options, less the mode that would have the runner start workers of its own."""
    options.view_as(DirectOptions).direct_running_mode = ""
    return options


class _WatchedEnvironment(SubprocessSDKEnvironment):
    """Tells Beam to make `_WatchedHandler`s for the run whose id is its payload."""

    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:  # noqa: ARG002
        return URN, self.command_string.encode()


class _WatchedHandler(GrpcWorkerHandler):
    """One worker process, as Beam sees it."""

    process: subprocess.Popen[bytes]

    def __init__(self, run: bytes, state: Any, provision_info: Any, grpc_server: Any) -> None:
        super().__init__(state, provision_info, grpc_server)
        self.may_end = False
        self._workers = _runs[run.decode()]

    def start_worker(self) -> None:
        # The package may stand in a checkout that only this process knows of.
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "CONTROL_API_SERVICE_DESCRIPTOR": f'url: "{self.control_address}"',
            "PIPELINE_OPTIONS": json.dumps({"default_sdk_harness_log_level": "WARNING"}),
            "WORKER_ID": self.worker_id,
        }
        command = [sys.executable, "-m", "mixture_builder.transforms.worker"]
        # In a session of its own, it does not get Ctrl-C, but is ended by this process.
        self.process = subprocess.Popen(  # noqa: S603
            command, env=environment, start_new_session=True
        )
        self._workers.add(self)

    def close(self) -> None:
        # Closing the connection is what lets the worker end.
        self.may_end = True
        try:
            super().close()
        except grpc.RpcError:
            if not self._workers.ending:
                raise
            self.stop_worker()

    def stop_worker(self) -> None:
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Ends the process, if it still runs."""
        with suppress(OSError):
            self.process.kill()

    def fail(self, why: str) -> None:
        """Answers all that Beam still waits for with an error."""
        for instruction in list(self.control_conn._futures_by_id):  # noqa: SLF001
            future = self.control_conn._futures_by_id.pop(instruction, None)  # noqa: SLF001
            if future is not None:
                future.set(
                    beam_fn_api_pb2.InstructionResponse(instruction_id=instruction, error=why)
                )
