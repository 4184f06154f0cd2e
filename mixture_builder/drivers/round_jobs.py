"""The jobs of rounds, in an order in which no worker waits while there is something to do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mixture_builder.drivers.pool import Job
from mixture_builder.jobs.rounds import Round

if TYPE_CHECKING:
    from typing_extensions import Self


class RoundJobs:
    """Iterates over the jobs of rounds as they can be begun; for `WorkerPool.run`.

    Shards are put together as soon as all chunks of their round are rendered, and chunks of the
    next round are rendered meanwhile. A round is begun once the last but one is finished, over
    whose files its chunks are written.

    Args:
      rounds: of a mixture.
      out: folder or URL of the mixture.
      render: a worker's function for chunks.
      assemble: that for assemblies.
    """

    def __init__(
        self,
        rounds: Iterator[Round],
        *,
        out: str,
        render: Callable[[Any], Any],
        assemble: Callable[[Any], Any],
    ) -> None:
        self._rounds = rounds
        self._count = 0
        self._last: _Begun | None = None
        self._out = out
        self._render, self._assemble = render, assemble
        self._begun: deque[_Begun] = deque()
        self._round_of: dict[str, _Begun] = {}

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Job | None:
        for begun in self._begun:
            if not begun.unrendered and begun.assemblies:
                return begun.assemblies.popleft()
        for begun in self._begun:
            if begun.chunks:
                return begun.chunks.popleft()
        if all(begun is self._last for begun in self._begun) and self._begin():
            return next(self)
        if not self._begun:
            raise StopIteration
        return None

    def done(self, job: Job) -> None:
        """Notes that a job is finished."""
        begun = self._round_of.pop(job.label)
        if job.function is self._render:
            begun.unrendered -= 1
        else:
            begun.unassembled -= 1
            if not begun.unassembled:
                self._begun.remove(begun)

    def _begin(self) -> bool:
        """Begins the next round; false if there is none."""
        part = next(self._rounds, None)
        if part is None:
            return False
        self._count += 1
        begun = self._last = _Begun(
            chunks=deque(
                Job(
                    label=f"part {number} of round {self._count}",
                    function=self._render,
                    argument=chunk,
                )
                for number, chunk in enumerate(part.chunks)
            ),
            assemblies=deque(
                Job(label=f"shard {each.shard}", function=self._assemble, argument=each)
                for each in part.assemblies(self._out)
            ),
        )
        self._round_of.update({job.label: begun for job in (*begun.chunks, *begun.assemblies)})
        self._begun.append(begun)
        return True


@dataclass(kw_only=True, slots=True, eq=False)
class _Begun:
    """A round that is not finished.

    Attributes:
      chunks: jobs that render and were not begun.
      assemblies: jobs that put shards together and were not begun.
      unrendered: chunks that are not finished.
      unassembled: shards that are not finished.
    """

    chunks: deque[Job]
    assemblies: deque[Job]
    unrendered: int = field(init=False)
    unassembled: int = field(init=False)

    def __post_init__(self) -> None:
        self.unrendered, self.unassembled = len(self.chunks), len(self.assemblies)
