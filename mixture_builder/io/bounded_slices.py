"""Tables cut for writers that hold a piece of the output at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa


def bounded_slices(table: pa.Table, *, rows: int, size: int) -> Iterator[pa.Table]:
    """The rows of `table` in order, in slices of at most `rows` rows and `size` bytes.

    A single row that is larger than `size` is a slice of its own; an empty table has none.
    """
    if table.num_rows > 1 and (table.num_rows > rows or table.nbytes > size):
        middle = table.num_rows // 2
        yield from bounded_slices(table.slice(0, middle), rows=rows, size=size)
        yield from bounded_slices(table.slice(middle), rows=rows, size=size)
    elif table.num_rows:
        yield table
