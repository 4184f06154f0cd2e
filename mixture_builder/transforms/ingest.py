"""Beam over `jobs.ingest`: parts of sources in, stored tasks out.

    PartSpec -> GroupByKey -> ingest_part -> GroupByKey by task -> finish_task

GroupByKey moves specs, counts and paths of spilled files, never rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mixture_builder.errors import MixtureBuilderError
from mixture_builder.io.stored_task import StoredTask
from mixture_builder.jobs.ingest.part import ingest_part
from mixture_builder.jobs.ingest.specs import PartResult, PartSpec, task_spec
from mixture_builder.jobs.ingest.task import finish_task
from mixture_builder.transforms.coders import Outcome
from mixture_builder.transforms.quiet_beam import beam
from mixture_builder.transforms.results import file_name, read_result, write_error, write_result

if TYPE_CHECKING:
    from apache_beam.pvalue import PCollection


class Ingest(beam.PTransform[Any, Any]):
    """Ingests tasks: `PartSpec` to `(task id, StoredTask, or why there is none)`.

    All parts of a task must be in the input. Workers must see the files that the specs name
    and the row store.

    Args:
      tried: for tasks whose earlier alternatives could not be read: why.
      results: folder or URL for a result file a task, see `results.py`; none if empty.
    """

    def __init__(
        self, *, tried: Mapping[str, tuple[str, ...]] | None = None, results: str = ""
    ) -> None:
        super().__init__()
        self._tried = dict(tried or {})
        self._results = results

    def expand(self, parts: PCollection[PartSpec]) -> PCollection[tuple[str, StoredTask | str]]:
        """See the class."""
        finished: PCollection[tuple[str, StoredTask | str]] = (
            parts
            | "NamePart" >> beam.Map(_by_part).with_output_types(tuple[str, PartSpec])
            # Deals parts out: without it, the runner may fuse all of them to one worker.
            | "SpreadParts" >> beam.GroupByKey()
            | "IngestPart"
            >> beam.ParDo(_IngestPart(self._results)).with_output_types(
                tuple[str, tuple[PartSpec, PartResult]]
            )
            | "GatherTask" >> beam.GroupByKey()
            | "FinishTask"
            >> beam.ParDo(_FinishTask(self._results, self._tried)).with_output_types(
                tuple[str, Outcome]
            )
        )
        return finished


def _by_part(spec: PartSpec) -> tuple[str, PartSpec]:
    return f"{spec.card.id} {spec.part}", spec


class _IngestPart(beam.DoFn):
    def __init__(self, results: str) -> None:
        self._results = results

    def process(
        self, element: tuple[str, Iterable[PartSpec]]
    ) -> Iterator[tuple[str, tuple[PartSpec, PartResult]]]:
        for spec in element[1]:
            try:
                result = ingest_part(spec)
            except MixtureBuilderError as problem:
                if self._results:
                    write_error(self._results, file_name(spec.card.id), problem)
                raise
            yield spec.card.id, (spec, result)


class _FinishTask(beam.DoFn):
    def __init__(self, results: str, tried: Mapping[str, tuple[str, ...]]) -> None:
        self._results = results
        self._tried = tried

    def process(
        self, element: tuple[str, Iterable[tuple[PartSpec, PartResult]]]
    ) -> Iterator[tuple[str, StoredTask | str]]:
        task = element[0]
        # A runner may finish a task again, whose spilled rows are gone since the first time.
        earlier = read_result(self._results, file_name(task)) if self._results else None
        if earlier is not None:
            yield task, task_result(earlier)
            return
        # Parts arrive in any order; the files of a task are listed in the order of its source.
        pairs = sorted(element[1], key=lambda pair: pair[0].part)
        results = [result for _, result in pairs]
        spec = task_spec([part for part, _ in pairs], results, self._tried.get(task, ()))
        try:
            stored = finish_task(spec)
        except FileNotFoundError as gone:
            stored = (
                f"{task}: {gone.filename or gone}: the rows that were read are gone, because a "
                "worker ended while it finished this task. Run the same command again."
            )
        if self._results:
            plain = stored if isinstance(stored, str) else asdict(stored)
            write_result(self._results, file_name(task), plain)
        yield task, stored


def task_result(plain: Mapping[str, object] | str) -> StoredTask | str:
    """What a task's result file holds, as `jobs.runner.Runner.ingest` gives it."""
    if isinstance(plain, str):
        return plain
    raw = dict(plain)
    raw["files"], raw["tried"] = tuple(raw["files"]), tuple(raw["tried"])  # type: ignore[arg-type]
    return StoredTask(**raw)  # type: ignore[arg-type]
