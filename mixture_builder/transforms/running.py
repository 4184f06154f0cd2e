"""A Beam pipeline beside this thread, and what it is given and says in plain words."""

from __future__ import annotations

import argparse
import io
import threading
from collections.abc import Sequence
from contextlib import redirect_stderr
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState

from mixture_builder.errors import UsageError
from mixture_builder.findings import did_you_mean


class Running:
    """A pipeline that runs beside this thread.

    Attributes:
      problem: what it raised, once it has ended.
    """

    def __init__(self, pipeline: Any, *, blocking: bool) -> None:
        self.problem: BaseException | None = None
        self._ended = threading.Event()
        begun = None
        if not blocking:
            # A runner that starts a job server handles signals, which only this thread may.
            try:
                begun = pipeline.run()
            except Exception as problem:  # noqa: BLE001  (told like what it raises later)
                self.problem = problem
                self._ended.set()
                return
        threading.Thread(target=self._finish, args=(pipeline, begun), daemon=True).start()

    def _finish(self, pipeline: Any, begun: Any) -> None:
        try:
            result = begun or pipeline.run()
            state = result.wait_until_finish()
            if state not in {PipelineState.DONE, None}:
                raise RuntimeError(f"it ended as {state}")
        except BaseException as problem:  # noqa: BLE001  (told to the thread that waits)
            self.problem = problem
        finally:
            self._ended.set()

    def wait(self, seconds: float | None) -> bool:
        """Whether the pipeline has ended, after at most so long."""
        return self._ended.wait(seconds)


def last_line(problem: BaseException) -> str:
    """What a problem says; of a worker's traceback, its end."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    said = next((line for line in reversed(lines) if ": " in line), "") or str(problem)
    return f"{type(problem).__name__}: {said}".rstrip(".")


def check_options(options: Sequence[str], *, strict: bool) -> None:
    """Refuses options that Beam would ignore, or end the process over.

    Args:
      options: as on a command line.
      strict: whether there is nobody but Beam's Python side to take an option. A job server
        has options of its own.

    Raises:
      UsageError: naming the first that is wrong.
    """
    parser: Any = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for kind in PipelineOptions.__subclasses__():
        kind._add_argparse_args(parser)  # noqa: SLF001  (what Beam has subclasses override)
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            _, unknown = parser.parse_known_args(list(options))
    except SystemExit:
        # argparse prints all of Beam's options, and last what is wrong.
        wrong = said.getvalue().strip().rsplit("error: ", 1)[-1]
        raise UsageError(f"found an option that Beam does not take: {wrong}.") from None
    if unknown and strict:
        known = [name for action in parser._actions for name in action.option_strings]  # noqa: SLF001
        raise UsageError(
            f"found the option {unknown[0]}, which Beam does not know. "
            f"{did_you_mean(unknown[0].split('=')[0], known)}".rstrip()
        )
