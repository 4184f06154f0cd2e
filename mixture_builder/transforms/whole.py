"""Beam over all of a build: shards, and then, in the same pipeline, the manifest.

    shard number -> Build -> GroupByKey -> finish_build

A job that was started this way needs nobody who waits for it: so works a Dataflow template,
whose launcher is gone before the first shard is begun.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixture_builder.errors import BuildError
from mixture_builder.io.atomic import make_durable
from mixture_builder.io.remote_store import store_folder
from mixture_builder.io.storage import again_if_busy, storage_of
from mixture_builder.io.stored_task import stored_tasks
from mixture_builder.jobs.build import check_store, result_url
from mixture_builder.jobs.building import remove_work
from mixture_builder.jobs.finishing import finish_build
from mixture_builder.jobs.resume import collected_quarantine, finished_manifest, finished_shards
from mixture_builder.lock import Lock, lock_from_json
from mixture_builder.manifest import ShardResult
from mixture_builder.transforms.build import Build
from mixture_builder.transforms.quiet_beam import beam

if TYPE_CHECKING:
    from apache_beam.pvalue import PCollection


class BuildWhole(beam.PTransform[Any, Any]):
    """Builds shards and finishes the mixture: shard numbers to one text, its content digest.

    Shards that are not in the input must have been built before, by the same lock.

    Args:
      lock: of the mixture.
      store: root of the row store, which workers must see; or its URL.
      out: folder or URL of the mixture, which workers must see.
    """

    def __init__(self, lock: Lock, *, store: Path | str, out: str) -> None:
        super().__init__()
        self._lock = lock
        self._store = str(store)
        self._out = out

    def expand(self, shards: PCollection[int]) -> PCollection[str]:
        """See the class."""
        # What cards say is for the manifest alone, and no part of a lock as it is written.
        plain = json.dumps([self._lock.to_json(), dict(self._lock.cards)], ensure_ascii=False)
        digests: PCollection[str] = (
            shards
            | "Shards" >> Build(self._lock, store=self._store, out=self._out)
            | "ToOne" >> beam.Map(_to_one).with_output_types(tuple[int, ShardResult])
            | "GatherShards" >> beam.GroupByKey()
            | "Finish" >> beam.ParDo(_Finish(plain, self._store, self._out)).with_output_types(str)
        )
        return digests


def _to_one(result: ShardResult) -> tuple[int, ShardResult]:
    return 0, result


class _Finish(beam.DoFn):
    def __init__(self, lock: str, store: str, out: str) -> None:
        self._plain = lock
        self._store = store
        self._out = out

    def process(self, element: tuple[int, Iterable[ShardResult]]) -> Iterator[str]:
        plain, cards = json.loads(self._plain)
        lock = replace(lock_from_json(plain), cards=cards)
        store = store_folder(self._store)
        files, root = storage_of(self._out)
        results = {result.shard: result for result in element[1]}
        for shard in set(range(lock.plan.shards)) - results.keys():
            results[shard] = _earlier(lock, files, root, shard)
        for result in results.values():
            make_durable(f"{self._out}/{result.file}")
        stored = stored_tasks(lock, store=store)
        manifest = finish_build(
            lock,
            out=self._out,
            results=list(results.values()),
            stored=stored,
            quarantine=collected_quarantine(lock, store, stored),
        )
        remove_work(files, root)
        yield str(manifest["content_digest"])


def _earlier(lock: Lock, files: Any, root: str, shard: int) -> ShardResult:
    path = result_url(root, lock.fingerprint, shard)
    try:
        return ShardResult(**json.loads(again_if_busy(lambda: files.cat_file(path))))
    except FileNotFoundError:
        raise BuildError(
            f"{path}: found no result of a shard that was built before. Start the build again."
        ) from None


def shards_to_build(lock: Lock, *, store: Path, out: str) -> Sequence[int]:
    """What is missing of a mixture; nothing if it is finished.

    Raises:
      StoreError: if the store holds other rows than the lock was made for.
      BuildError: if the folder holds another mixture.
    """
    check_store(lock, stored_tasks(lock, store=store))
    files, root = storage_of(out)
    finished = finished_manifest(files, root)
    if finished is not None:
        if finished.get("fingerprint") == lock.fingerprint:
            if "prefix" in finished:
                raise BuildError(
                    f"{out}: found the first {len(finished['shards'])} of the mixture's "
                    f"{lock.plan.shards} shards, to which a job that finishes itself adds none. "
                    "Choose another --out, or add them with `mixture-builder build`."
                )
            return []
        raise BuildError(
            f"{out}: found another finished mixture ('{finished.get('name')}'). Choose another "
            "--out, or delete the folder."
        )
    done = finished_shards(lock, files, root, take=lock.plan.shards)
    # The last step needs an element; one shard built again costs little.
    return [shard for shard in range(lock.plan.shards) if shard not in done] or [0]
