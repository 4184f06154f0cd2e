"""Sorted runs of rows merged to one order, without holding more of a row than its identity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from mixture_builder.blocks import BLOCK_ROWS
from mixture_builder.draw import identity
from mixture_builder.errors import SourceError
from mixture_builder.io.rowstore import ID
from mixture_builder.render.batch import TooMuchTextError
from mixture_builder.render.text_arrays import one_batch


def merge_order(runs: Sequence[str], *, keep_duplicates: bool) -> tuple[Any, Any]:
    """Global positions of the rows in the order of identity, and their identities.

    Only identities are held: eight bytes a row. Copies keep their first row; where copies
    are kept, each further one gets an identity of its own.
    """
    keys = [_open_run(run).get_batch(0).column(ID).to_numpy() for run in runs]
    ids = np.concatenate(keys) if keys else np.zeros(0, dtype=np.int64)
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    first = np.ones(len(ids), dtype=bool)
    first[1:] = ids[1:] != ids[:-1]
    if not keep_duplicates:
        return order[first], ids[first]
    starts = np.maximum.accumulate(np.where(first, np.arange(len(ids)), 0))
    occurrence = np.arange(len(ids)) - starts
    new_ids = ids.copy()
    for place in np.flatnonzero(occurrence).tolist():
        new_ids[place] = _copy_identity(int(ids[place]), int(occurrence[place]))
    again = np.argsort(new_ids, kind="stable")
    return order[again], new_ids[again]


def _copy_identity(row_id: int, occurrence: int) -> int:
    return identity(f"{row_id}\x1d{occurrence}".encode())


def _open_run(path: str) -> Any:
    return pa.ipc.open_file(pa.memory_map(path))


def blocks(
    runs: Sequence[str], order: Any, ids: Any, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """The rows of all runs as they are stored: block by block, with their identities.

    Args:
      runs: files, in the order of `merge_order`.
      order: global positions of the rows.
      ids: the identities at these positions.
      schema: of the stored rows.

    Raises:
      SourceError: if those of a block come to more than an Arrow array may hold.
    """
    batches = [_open_run(run).get_batch(0) for run in runs]
    starts = np.cumsum([0, *(b.num_rows for b in batches)])
    for begin in range(0, len(order), BLOCK_ROWS):
        places = order[begin : begin + BLOCK_ROWS]
        owner = np.searchsorted(starts, places, side="right") - 1
        pieces = []
        positions = np.empty(len(places), dtype=np.int64)
        done = 0
        for run in np.unique(owner):
            mine = np.flatnonzero(owner == run)
            pieces.append(batches[run].take(pa.array(places[mine] - starts[run])))
            positions[mine] = np.arange(done, done + len(mine))
            done += len(mine)
        try:
            block = one_batch(pieces)
        except TooMuchTextError:
            raise SourceError(
                f"{len(places)} rows that stand together come to more than 2.1 GB; expected less. "
                "Leave the longest records out with `keep` in the card, or shorten their fields."
            ) from None
        block = block.take(pa.array(positions))
        at = schema.get_field_index(ID)
        yield block.set_column(at, schema.field(at), pa.array(ids[begin : begin + BLOCK_ROWS]))
