"""`Mixture`: every record of a mixture by its number, whether it was written or not.

Record i is the i-th record of the written files: shard by shard, in the order of each file. It
is made when it is asked for, of the lock and the stored rows alone, so nothing has to be written
first, any place can be read at once, and where a reader stands is one whole number.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np

from mixture_builder.access.index import DroppedDraws, RecordIndex
from mixture_builder.access.opening import Opened, open_mixture
from mixture_builder.access.reading import MixtureIterator
from mixture_builder.access.records import RecordMaker
from mixture_builder.draw import Indices
from mixture_builder.errors import RecipeError, UsageError
from mixture_builder.findings import did_you_mean
from mixture_builder.io.example_schema import EXAMPLE_COLUMNS
from mixture_builder.jobs.build import without_garbage_collection
from mixture_builder.jobs.inspect.records import Record
from mixture_builder.lock import Lock, lock_from_json


class Mixture:
    """A mixture as a sequence of records; made by `Mixture.open`.

    It has what readers of map-style data ask for: `len`, `mixture[i]`, batches by
    `__getitems__` (PyTorch), a `repr` that names the content (Grain), and it can be pickled, so
    that workers get a copy. A record is a mapping from column to value.

    Attributes:
      lock: what decides every record.
      settled: whether it is known which draws come to nothing. Then record i is the i-th record
        of the written files for every i. Before, numbers count draws: see `__getitem__`.
    """

    def __init__(
        self,
        lock: Lock,
        *,
        store: Path,
        shards: int | None = None,
        dropped: DroppedDraws | None = None,
        columns: Sequence[str] = tuple(EXAMPLE_COLUMNS),
    ) -> None:
        """For `Mixture.open` and those who have a lock at hand.

        Args:
          lock: of the mixture.
          store: root of the row store that the lock was made for.
          shards: how many of its shards, from the first on; all by default.
          dropped: draws that come to nothing, if they are known.
          columns: those that records get.

        Raises:
          UsageError: if a column is unknown.
        """
        unknown = [name for name in columns if name not in EXAMPLE_COLUMNS]
        if unknown or not columns:
            hint = did_you_mean(unknown[0], EXAMPLE_COLUMNS) if unknown else ""
            raise UsageError(
                f"columns: found {unknown or 'none'}; expected some of "
                f"{', '.join(EXAMPLE_COLUMNS)}. {hint}".rstrip()
            )
        self.lock = lock
        self.settled = dropped is not None
        self._store = Path(store)
        self._columns = tuple(columns)
        self._shards = lock.plan.shards if shards is None else shards
        self._dropped: DroppedDraws = dropped or {}
        self._begin, self._step = 0, 1
        self._prepare()

    @classmethod
    def open(
        cls,
        source: str | PathLike[str] | Lock,
        *,
        store: str | PathLike[str] | None = None,
        columns: Sequence[str] = tuple(EXAMPLE_COLUMNS),
        seed: int | None = None,
        cards: Path | None = None,
        templates: Path | None = None,
        leave_out: bool = False,
    ) -> Mixture:
        """Opens the mixture of a recipe, a lock or a built folder.

        Args:
          source: a recipe (a file, or the name of a shipped one), a lock (a file or an object), or
            the folder or URL of a built mixture.
          store: root of the row store that holds the rows; the default store otherwise.
          columns: those that records get.
          seed: replaces the recipe's; for recipes only, as the three below.
          cards: folder that replaces the recipe's, or the shipped one.
          templates: likewise.
          leave_out: leave out tasks whose rows are not in the store, as a build leaves out those
            that it cannot ingest, instead of raising an error.

        Raises:
          UsageError: if there is no such source, or the arguments do not go with it.
          InvalidFilesError: if a recipe has errors.
          RecipeError: if no task is left, or a size is out of reach.
          VerifyError: if a lock or a manifest cannot be read.
          StoreError: if the store does not hold the rows.
        """
        with without_garbage_collection():
            opened: Opened = open_mixture(
                source,
                store=store,
                seed=seed,
                cards=cards,
                templates=templates,
                leave_out=leave_out,
            )
        return cls(
            opened.lock,
            store=opened.store,
            shards=opened.shards,
            dropped=opened.dropped,
            columns=columns,
        )

    # --- how many, and which --------------------------------------------------------------

    def __len__(self) -> int:
        """How many numbers there are; of those that count draws, dropped ones included."""
        return max(0, -(-(self._index.total - self._begin) // self._step))

    def __getitem__(self, index: SupportsIndex) -> Record:
        """One record; negative numbers count from the end.

        As long as the mixture is not settled, a number whose draw comes to nothing gives the next
        record there is, so that every number has one.

        Raises:
          IndexError: if there is no such number.
          StoreError: if the store does not hold the rows that the lock was made for.
        """
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Iterable[SupportsIndex]) -> list[Record]:
        """Several records, as PyTorch asks for a batch; faster than one by one."""
        places = [self._place(operator.index(i)) for i in indices]
        records = self._records(np.asarray(places, dtype=np.int64))
        return [
            self._next_record(place) if record is None else record
            for place, record in zip(places, records, strict=True)
        ]

    def __iter__(self) -> MixtureIterator:
        """Reads on from the first record: see `read_from`."""
        return self.read_from(0)

    def read_from(self, position: int) -> MixtureIterator:
        """The records from a place on, exactly as they stand in the written files.

        Args:
          position: a number of records to pass over, or what `MixtureIterator.position` was.

        Raises:
          IndexError: if it is not in [0, len(self)].
        """
        return MixtureIterator(len(self), self._of_numbers, position)

    def shard(self, index: int, count: int) -> Mixture:
        """The part of one of several readers: every `count`-th record, from `index` on.

        Readers that have read equally many records have together read the first ones of the
        mixture, which are a smaller mixture at the same rates. Parts differ by at most one record.

        Raises:
          UsageError: if there is no such reader, or one would have no record at all.
        """
        if not 0 <= index < count:
            raise UsageError(f"shard: found reader {index} of {count}; expected 0 to {count - 1}.")
        if count > len(self):
            raise UsageError(
                f"shard: found {count:,} readers for {len(self):,} records; expected no more "
                "readers than records."
            )
        return self._stepped(self._begin + index * self._step, self._step * count)

    def settle(self, *, on_shard: Callable[[int], None] | None = None) -> Mixture:
        """The same mixture, with the draws known that come to nothing.

        A built folder knows them, and is given back as it is. Otherwise every record is rendered
        once, which takes about as long as a build with one worker.

        Args:
          on_shard: told of the shards that are looked through.
        """
        if self.settled:
            return self
        dropped: dict[int, dict[str, list[int]]] = {}
        maker = RecordMaker(self.lock, store=self._store, columns=("draw",))
        names = [task.task for task in self.lock.plan.tasks]
        for shard in range(self._shards):
            wanted = self._index.layout.draws(shard)
            for place, record in enumerate(maker.records(wanted)):
                if record is None:
                    of_shard = dropped.setdefault(shard, {})
                    draw = int(wanted.draws[place])
                    of_shard.setdefault(names[int(wanted.tasks[place])], []).append(draw)
            if on_shard:
                on_shard(shard)
        settled = Mixture(
            self.lock,
            store=self._store,
            shards=self._shards,
            dropped=dropped,
            columns=self._columns,
        )
        return settled._stepped(self._begin, self._step)

    def key(self, index: SupportsIndex) -> tuple[str, int]:
        """Task and draw number of one record, without making it; it may come to nothing.

        Raises:
          IndexError: if there is no such number.
        """
        found = self._index.draws(np.asarray([self._place(operator.index(index))], dtype=np.int64))
        return self.lock.plan.tasks[int(found.tasks[0])].task, int(found.draws[0])

    # --- inside ---------------------------------------------------------------------------

    def _prepare(self) -> None:
        self._index = RecordIndex(self.lock.plan, shards=self._shards, dropped=self._dropped)
        self._maker = RecordMaker(self.lock, store=self._store, columns=self._columns)

    def _stepped(self, begin: int, step: int) -> Mixture:
        """Every so-manieth record of the whole mixture; shares all caches."""
        copy = object.__new__(Mixture)
        copy.__dict__.update(self.__dict__, _begin=begin, _step=step)
        return copy

    def __getstate__(self) -> dict[str, Any]:
        """Plain data: what was made of it is made again where it arrives."""
        return {
            "lock": self.lock.to_json(),
            "settled": self.settled,
            "_store": self._store,
            "_columns": self._columns,
            "_shards": self._shards,
            "_dropped": self._dropped,
            "_begin": self._begin,
            "_step": self._step,
        }

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """As `__getstate__` gave it."""
        self.__dict__.update(state)
        self.lock = lock_from_json(state["lock"])
        self._prepare()

    def __repr__(self) -> str:
        """Names the content: equal texts, equal records at equal numbers."""
        part = "" if self._step == 1 else f", from={self._begin}, step={self._step}"
        return (
            f"Mixture({self.lock.plan.name!r}, fingerprint={self.lock.fingerprint!r}, "
            f"records={len(self)}{part})"
        )

    def _place(self, index: int) -> int:
        """The number in the whole mixture for one of this part."""
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"found record {index}; expected 0 to {count - 1}")
        return self._begin + (index % count) * self._step

    def _records(self, places: Indices) -> list[Record | None]:
        """The records at some numbers of the whole mixture; `None` where a draw is dropped."""
        return self._maker.records(self._index.draws(places)) if len(places) else []

    def _of_numbers(self, numbers: range) -> list[Record | None]:
        """The records at some numbers of this part; `None` where a draw is dropped."""
        return self._records(self._begin + np.asarray(numbers, dtype=np.int64) * self._step)

    def _next_record(self, place: int) -> Record:
        for further in range(1, self._index.total + 1):
            at = (place + further) % self._index.total
            record = self._records(np.asarray([at], dtype=np.int64))[0]
            if record is not None:
                return record
        raise RecipeError("every draw of the mixture comes to nothing; `build` says why")
