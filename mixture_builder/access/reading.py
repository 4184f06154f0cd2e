"""Reading a mixture on from any place: where a reader stands is one whole number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mixture_builder.jobs.inspect.records import Record

READ_AHEAD = 2_048
"""Most records that reading on makes at once."""


class MixtureIterator(Iterator[Record]):
    """Reads a mixture on from a place; where it stands is one whole number.

    Attributes:
      position: the number of the record that comes next; given to `Mixture.read_from`, or kept
        with a checkpoint, it goes on with that record.
    """

    def __init__(
        self, count: int, records: Callable[[range], list[Record | None]], position: int
    ) -> None:
        """Made by `Mixture.read_from`.

        Args:
          count: how many numbers the mixture has.
          records: gives those at some numbers, `None` for a draw that is dropped.
          position: where to begin.
        """
        self._count = count
        self._records = records
        self._seek(position)

    def __iter__(self) -> MixtureIterator:
        return self

    def __next__(self) -> Record:
        """The next record; dropped draws, which no file has, are passed over."""
        while True:
            if not self._waiting:
                self._read_ahead()
            position, record = self._waiting.pop()
            self.position = position + 1
            if record is not None:
                return record

    def state_dict(self) -> dict[str, int]:
        """Where it stands, as checkpoints keep it."""
        return {"position": self.position}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Goes to where another one stood.

        Raises:
          IndexError: if the mixture has no such place.
        """
        self._seek(state["position"])

    def _seek(self, position: int) -> None:
        if not 0 <= position <= self._count:
            raise IndexError(f"found position {position}; expected 0 to {self._count}")
        self.position = position
        self._waiting: list[tuple[int, Record | None]] = []
        self._ahead = 1

    def _read_ahead(self) -> None:
        """Makes a few records, then more: the first must not wait for hundreds."""
        numbers = range(self.position, min(self.position + self._ahead, self._count))
        if not numbers:
            raise StopIteration
        self._ahead = min(READ_AHEAD, self._ahead * 4)
        self._waiting = list(zip(numbers, self._records(numbers), strict=True))[::-1]
