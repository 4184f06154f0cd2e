"""The Beam runner: jobs on any runner of Apache Beam, with results as they come.

Beam itself tells nothing while it runs. So the pipeline runs beside, workers leave small
result files, and this process yields what they hold as they appear.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, SetupOptions

from mixture_builder.audit.context import AuditContext
from mixture_builder.errors import BuildError, UsageError
from mixture_builder.io.mirror import has_scheme
from mixture_builder.io.remote_store import origin, publish_rows
from mixture_builder.io.stored_task import StoredTask
from mixture_builder.jobs.build import rows_of, work_folder
from mixture_builder.jobs.ingest.specs import PartSpec
from mixture_builder.lock import Lock
from mixture_builder.manifest import ShardResult
from mixture_builder.transforms.audit import DOCUMENT, Audit
from mixture_builder.transforms.build import Build, shard_file
from mixture_builder.transforms.ingest import Ingest, task_result
from mixture_builder.transforms.quiet_beam import beam
from mixture_builder.transforms.results import (
    file_name,
    first_error,
    read_result,
    remove_results,
    written_results,
)
from mixture_builder.transforms.running import Running, check_options, last_line
from mixture_builder.transforms.watched_workers import (
    PATIENCE_SECONDS,
    WatchedWorkers,
    watched_workers,
    without_running_mode,
)
from mixture_builder.transforms.whole import BuildWhole, shards_to_build

T = TypeVar("T")

HANGING = frozenset(["directrunner", "switchingdirectrunner", "testdirectrunner"])
"""They try another engine first, for which they may wait for a download for ever."""

BLOCKING = frozenset(["fnapirunner", "bundlebaseddirectrunner"])
"""Runners whose `run()` returns when all is done; others only begin in it."""

POLL_SECONDS = 0.2
REMOTE_POLL_SECONDS = 5.0
"""How often results are looked for in local folders, and on other storage."""


@dataclass(frozen=True, slots=True)
class BeamRunner:
    """Runs jobs on a runner of Beam's; implements `jobs.runner.Runner`.

    Workers must see the row store, the source files and the folder of the mixture under the
    same names as this process. Where they see no folder of this machine, the row store and the
    mixture have to stand at URLs; so must the sources, or ingest has to run here (see
    `drivers.local`), with `rows` if the row store is here too. A job on a cluster goes on when
    this process ends early; the next run keeps what it has finished.

    Attributes:
      name: as Beam knows it, e.g. `FnApiRunner`, `DataflowRunner`, `FlinkRunner`.
      options: of Beam's, as on a command line: `--direct_num_workers=2`.
      rows: URL that stored rows are copied to before a build, and read from by workers;
        empty if workers see the row store.

    Raises:
      UsageError: for a runner that may hang, that is not installed or not known, and for
        options that it does not take.
    """

    name: str
    options: Sequence[str] = ()
    rows: str = ""

    def __post_init__(self) -> None:
        if self._short_name in HANGING:
            raise UsageError(
                f"found the runner {self.name}, which may wait for a download for ever. Use "
                "FnApiRunner for Beam on this machine."
            )
        check_options(self.options, strict=self._short_name in BLOCKING)
        # What is wrong with a runner is said now, not after an hour of ingest.
        self._pipeline(None)

    @property
    def _short_name(self) -> str:
        return self.name.rsplit(".", 1)[-1].lower()

    def ingest(
        self, parts: Sequence[Sequence[PartSpec]], tried: Mapping[str, tuple[str, ...]]
    ) -> Iterator[tuple[str, StoredTask | str]]:
        """See `jobs.runner.Runner`.

        Raises:
          BuildError: if the storage refuses, or the pipeline fails.
        """
        specs = [spec for task in parts for spec in task]
        if not specs:
            return
        # Elements are dealt out in turn; a large part dealt out last would keep one worker
        # busy alone.
        specs.sort(key=lambda spec: -sum(file.size or 0 for file in spec.files))
        store = Path(specs[0].store)
        url = origin(store)
        if url:
            # Workers may be other machines: each has a view of its own of the store.
            specs = [
                replace(spec, store=url, spill=f"{url}/.spill/{Path(spec.spill).name}")
                for spec in specs
            ]
        folder = f"{url or store}/.results/{secrets.token_hex(8)}"
        tasks = {file_name(task[0].card.id): task[0].card.id for task in parts if task}
        try:
            yield from self._run(
                specs,
                Ingest(tried=tried, results=folder),
                folder=folder,
                waiting=set(tasks),
                result=lambda name, plain: (tasks[name], task_result(plain)),
            )
        finally:
            remove_results(folder, tasks)
            if not url:
                shutil.rmtree(folder, ignore_errors=True)
                with suppress(OSError):
                    Path(folder).parent.rmdir()

    def build(
        self,
        lock: Lock,
        *,
        store: Path,
        out: str,
        shards: Sequence[int],
        on_rendered: Callable[[int], None] | None = None,  # noqa: ARG002  (shards one by one)
    ) -> Iterator[ShardResult]:
        """See `jobs.runner.Runner`.

        Raises:
          StoreError, BuildError: as `jobs.build.build_shard`; or if the pipeline fails.
        """
        if not shards:
            return
        folder = work_folder(out, lock.fingerprint)
        files = {shard_file(shard) for shard in shards}
        remove_results(folder, files)
        if self.rows:
            publish_rows(store, self.rows, rows_of(lock))
        yield from self._run(
            shards,
            Build(lock, store=self.rows or origin(store) or store, out=out),
            folder=folder,
            waiting=files,
            result=lambda _, plain: ShardResult(**plain),
        )

    def audit(self, context: AuditContext, *, work: str) -> dict[str, Any]:
        """Audits all shards of a mixture; gives the document.

        Args:
          context: of the audit.
          work: folder or URL that workers see, for a small file that is removed again.

        Raises:
          VerifyError, StoreError, BuildError: as `audit.shard.audit_shard`; or if the pipeline
            fails.
        """
        url = origin(Path(context.store)) if context.store else ""
        folder = f"{work}/.results/{secrets.token_hex(8)}"
        try:
            found = self._run(
                list(range(context.shards)),
                Audit(replace(context, store=url) if url else context, results=folder),
                folder=folder,
                waiting={DOCUMENT},
                result=lambda _, plain: plain,
            )
            return next(iter(list(found)))
        finally:
            remove_results(folder, [DOCUMENT])
            if not has_scheme(folder):
                shutil.rmtree(folder, ignore_errors=True)
                with suppress(OSError):
                    Path(folder).parent.rmdir()

    def launch(self, lock: Lock, *, store: Path, out: str) -> bool:
        """Starts a job that builds what is missing of a mixture, and does not wait for it.

        The job writes the manifest itself, see `whole.py`. With `--template_location`, Dataflow's
        runner only writes the job's description there.

        Returns:
          Whether there was anything to start.

        Raises:
          UsageError: if Dataflow's workers could not see the row store or the mixture.
          StoreError, BuildError: as `whole.shards_to_build`; or if the job cannot be started.
        """
        place = self.rows or origin(store) or str(store)
        if self._short_name == "dataflowrunner":
            for option, value in (("--store (or --rows)", place), ("--out", out)):
                if not has_scheme(value):
                    raise UsageError(
                        f"found {value} for {option}, a folder of this machine; expected a URL "
                        "such as gs://BUCKET/FOLDER, because Dataflow's workers are others."
                    )
        shards = shards_to_build(lock, store=store, out=out)
        if not shards:
            return False
        if self.rows:
            publish_rows(store, self.rows, rows_of(lock))
        pipeline = self._pipeline(None)
        _ = (
            pipeline
            | "Create" >> beam.Create(shards, reshuffle=False)
            | "Mixture" >> BuildWhole(lock, store=place, out=out)
        )
        try:
            pipeline.run()
        except Exception as problem:
            raise BuildError(
                f"the job could not be started on {self.name}: {last_line(problem)}."
            ) from problem
        return True

    def _run(
        self,
        elements: Sequence[Any],
        transform: beam.PTransform[Any, Any],
        *,
        folder: str,
        waiting: set[str],
        result: Callable[[str, Any], T],
    ) -> Iterator[T]:
        """Runs a pipeline and yields what its result files hold, as they appear."""
        with ExitStack() as stack:
            workers = stack.enter_context(watched_workers()) if self._own_processes else None
            pipeline = self._pipeline(workers)
            # The transforms spread their elements themselves, with a GroupByKey: Create's own
            # way is a Reshuffle, and without either, one worker gets all.
            _ = pipeline | "Create" >> beam.Create(elements, reshuffle=False) | transform
            running = Running(pipeline, blocking=self._short_name in BLOCKING)
            pause = REMOTE_POLL_SECONDS if has_scheme(folder) else POLL_SECONDS
            ended = False
            while waiting and not ended:
                # The last look comes after the end, or it would miss the last results.
                ended = running.wait(pause) or bool(workers and workers.death)
                # What a listing does not show in the end is asked for by name.
                for name in sorted(waiting if ended else written_results(folder) & waiting):
                    plain = read_result(folder, name)
                    if plain is not None:
                        waiting.remove(name)
                        yield result(name, plain)
            if workers and workers.death:
                running.wait(PATIENCE_SECONDS)
                raise BuildError(
                    f"a worker process of {self.name} died ({workers.death}), perhaps for want of "
                    "memory. Run the same command again: finished work is kept. Or leave --runner "
                    "out: the pool that is then used replaces workers that die."
                )
            running.wait(None)
            if waiting:
                raise self._failure(running, folder, waiting)

    @property
    def _own_processes(self) -> bool:
        mode = self._options().view_as(DirectOptions).direct_running_mode
        return self._short_name == "fnapirunner" and mode == "multi_processing"

    def _options(self) -> PipelineOptions:
        options = PipelineOptions(list(self.options))
        # All that workers need is in the package; what the program that launches them has
        # imported besides need not be there.
        options.view_as(SetupOptions).save_main_session = False
        return options

    def _pipeline(self, workers: WatchedWorkers | None) -> Any:
        options = self._options()
        try:
            if workers:
                return beam.Pipeline(runner=workers.runner(), options=without_running_mode(options))
            return beam.Pipeline(runner=self.name, options=options)
        except ImportError as problem:
            raise UsageError(
                f"the runner {self.name} is not installed: {problem}. For Dataflow, install "
                "mixture-builder[gcp]."
            ) from problem
        except ValueError as problem:
            raise UsageError(
                f"the runner {self.name} cannot be used with the options "
                f"{' '.join(self.options) or '(none)'}: {problem}"
            ) from problem

    def _failure(self, running: Running, folder: str, waiting: set[str]) -> Exception:
        told = first_error(folder, waiting)
        if told is not None:
            return told
        if running.problem is not None:
            problem = BuildError(
                f"the pipeline failed on {self.name}: {last_line(running.problem)}. Finished "
                "work is kept: once the cause is gone, run the same command again."
            )
            problem.__cause__ = running.problem
            return problem
        return BuildError(
            f"{folder}: the pipeline ended on {self.name}, but {len(waiting):,} results did not "
            f"appear, the first of them {min(waiting)}. Do its workers see that folder, and the "
            "row store, under the same names as this process?"
        )
