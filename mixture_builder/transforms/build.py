"""Beam over `jobs.build`: numbers of shards in, written shards out.

    shard number -> GroupByKey -> build_shard

No rendered text passes through Beam: a shard is written by the worker that renders it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixture_builder.errors import MixtureBuilderError
from mixture_builder.io.mirror import has_scheme
from mixture_builder.io.remote_store import fetch_rows, store_folder
from mixture_builder.jobs.build import build_shard, result_url, rows_of, work_folder
from mixture_builder.lock import Lock, lock_from_json
from mixture_builder.manifest import ShardResult
from mixture_builder.transforms import coders  # noqa: F401  (registers them)
from mixture_builder.transforms.quiet_beam import beam
from mixture_builder.transforms.results import write_error

if TYPE_CHECKING:
    from apache_beam.pvalue import PCollection


class Build(beam.PTransform[Any, Any]):
    """Builds shards: shard numbers (from 0) to `ShardResult`.

    Each shard also leaves its result beside the work, see `jobs.build.result_url`. The lock
    travels as JSON text inside the transform, because nothing else reaches every worker.

    Args:
      lock: of the mixture.
      store: root of the row store, which workers must see; or its URL.
      out: folder or URL of the mixture, which workers must see.
    """

    def __init__(self, lock: Lock, *, store: Path | str, out: str) -> None:
        super().__init__()
        self._lock = json.dumps(lock.for_rendering().to_json(), ensure_ascii=False)
        self._store = str(store)
        self._out = out
        # Results are looked for under the fingerprint; a lock that lost something on the way
        # would be built into a folder nobody looks at.
        assert lock_from_json(json.loads(self._lock)).fingerprint == lock.fingerprint

    def expand(self, shards: PCollection[int]) -> PCollection[ShardResult]:
        """See the class."""
        written: PCollection[ShardResult] = (
            shards
            | "NameShard" >> beam.Map(_by_shard).with_output_types(tuple[int, int])
            # Deals shards out: without it, the runner may fuse all of them to one worker.
            | "SpreadShards" >> beam.GroupByKey()
            | "BuildShard"
            >> beam.ParDo(_BuildShard(self._lock, self._store, self._out)).with_output_types(
                ShardResult
            )
        )
        return written


def _by_shard(shard: int) -> tuple[int, int]:
    return shard, shard


class _BuildShard(beam.DoFn):
    def __init__(self, lock: str, store: str, out: str) -> None:
        self._plain = lock
        self._store = store
        self._out = out

    def setup(self) -> None:
        self._lock = lock_from_json(json.loads(self._plain))
        self._rows = store_folder(self._store)
        if has_scheme(self._store):
            fetch_rows(self._rows, rows_of(self._lock))

    def process(self, element: tuple[int, Iterable[int]]) -> Iterator[ShardResult]:
        shard = element[0]
        try:
            result = build_shard(self._lock, store=self._rows, out=self._out, shard=shard)
        except MixtureBuilderError as problem:
            folder = work_folder(self._out, self._lock.fingerprint)
            write_error(folder, shard_file(shard), problem)
            raise
        yield result


def shard_file(shard: int) -> str:
    """The name of a shard's result file in the work folder."""
    return result_url("", "", shard).rsplit("/", 1)[-1]
