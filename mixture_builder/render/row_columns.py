"""Columns of rows as they are stored, and where the row of each draw stands in them.

Draws go through a task's rows block by block and come back to each row often, so whole blocks are
hardly more than what some draws show of them. What is not copied for each draw is not copied
twice: texts are put together straight from the blocks, and what is asked of a row is asked once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mixture_builder.draw import Indices


@dataclass(frozen=True, kw_only=True, slots=True)
class RowColumns:
    """Some columns of rows for some draws.

    Attributes:
      arrays: a value a row, by name; no nulls.
      at: for each draw the place of its row.
    """

    arrays: Mapping[str, pa.Array]
    at: Indices

    def taken(self, name: str) -> pa.Array:
        """One column, a value a draw."""
        return self.arrays[name].take(pa.array(self.at))


NO_ROWS = RowColumns(arrays={}, at=np.zeros(0, dtype=np.int64))
"""For draws that show nothing of rows."""
