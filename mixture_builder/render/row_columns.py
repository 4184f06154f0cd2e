"""Columns of rows as they are stored, and where the row of each draw stands in them.

Draws go through a task's rows block by block and come back to each row often, so whole blocks are
hardly more than what some draws show of them. What is not copied for each draw is not copied
twice: texts are put together straight from the blocks, and what is asked of a row is asked once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mixture_builder.draw import Indices
from mixture_builder.render.text_arrays import taken


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawColumn:
    """A value for each of some draws; several may have the same.

    Attributes:
      values: no nulls.
      at: for each draw the place of its value; `None` if there is a value a draw, in their order.
    """

    values: pa.Array
    at: Indices | None = None

    def taken(self, draws: Indices) -> pa.Array:
        """The values of some draws, given by their places."""
        return taken(self.values, pa.array(draws if self.at is None else self.at[draws]))


@dataclass(frozen=True, kw_only=True, slots=True)
class RowColumns:
    """Some columns of rows for some draws.

    Attributes:
      arrays: a value a row, by name; no nulls.
      at: for each draw the place of its row.
    """

    arrays: Mapping[str, pa.Array]
    at: Indices

    def columns(self) -> dict[str, DrawColumn]:
        """The same by columns."""
        return {name: DrawColumn(values=a, at=self.at) for name, a in self.arrays.items()}

    def copied(self) -> RowColumns:
        """The same with a row of its own for each draw."""
        return RowColumns(
            arrays={name: self.taken(name) for name in self.arrays}, at=np.arange(len(self.at))
        )

    def taken(self, name: str) -> pa.Array:
        """One column, a value a draw."""
        return taken(self.arrays[name], pa.array(self.at))


class ColumnarRows(Protocol):
    """Rows that can be read as Arrow columns.

    Attributes:
      text_fields: fields that hold texts.
      list_fields: fields that hold lists of texts.
    """

    text_fields: frozenset[str]
    list_fields: frozenset[str]

    def arrays(self, names: Sequence[str], indices: Indices) -> dict[str, pa.Array]:
        """Some columns for rows in the order of `indices`."""
        ...

    def row_columns(self, names: Sequence[str], indices: Indices) -> RowColumns:
        """The same, without a copy for each of them where that can be."""
        ...

    def lengths(self, names: Sequence[str], indices: Indices) -> dict[str, Indices]:
        """Bytes of texts and items of lists, for rows in the order of `indices`."""
        ...

    def empty(self, names: Sequence[str], indices: Indices) -> dict[str, npt.NDArray[np.bool_]]:
        """Which texts and lists are empty, for rows in the order of `indices`."""
        ...
