"""Rows that are held in memory: those of a card's sample records, or a test's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mixture_builder.canonical import plain_values, row_identity, text_key
from mixture_builder.draw import Bits, Indices


class MemoryRows:
    """A few rows in the order in which a store would have them; implements `render.rows.Rows`.

    Args:
      rows: canonical rows, each with all fields.
      fields: their names, in the card's order.

    Attributes:
      given: for each row its place among those that were given.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], *, fields: Sequence[str]) -> None:
        self.fields: tuple[str, ...] = tuple(fields)
        copies: Counter[int] = Counter()
        found: list[tuple[int, int, dict[str, Any]]] = []
        for place, row in enumerate(rows):
            plain = {name: row[name] for name in self.fields}
            first = row_identity(plain, self.fields)
            # Exact copies are told apart by their occurrence, as in a store that keeps them.
            found.append((row_identity(plain, self.fields, copies[first]), place, plain))
            copies[first] += 1
        found.sort(key=lambda entry: entry[0])
        self._ids = np.asarray([identity for identity, _, _ in found], dtype=np.int64)
        self._rows = [row for _, _, row in found]
        self.given = tuple(place for _, place, _ in found)
        self.count = len(found)
        self.size = sum(len(str(row)) for row in self._rows)

    def columns(self, names: Iterable[str], indices: Indices) -> dict[str, list[Any]]:
        """The values of some fields for rows in the order of `indices`."""
        places = indices.tolist()
        found = {name: [self._rows[i][name] for i in places] for name in names}
        return {
            name: plain_values(values) if values and type(values[0]) is bytes else values
            for name, values in found.items()
        }

    def ids(self, indices: Indices) -> npt.NDArray[np.int64]:
        """The identities of rows."""
        taken: npt.NDArray[np.int64] = self._ids[indices]
        return taken

    def keys(self, name: str, indices: Indices) -> Bits:
        """For one field, a hash of its text without case, spacing and punctuation."""
        return np.asarray([text_key(self._rows[i][name]) for i in indices.tolist()], np.uint64)

    def index_of(self, row_id: int) -> int:
        """The index of the row with an identity; -1 if there is none."""
        found = np.flatnonzero(self._ids == row_id)
        return int(found[0]) if len(found) else -1

    def forget(self) -> None:
        """Nothing: the rows are all there is."""
