"""Targets that stand in the exemplars of their own prompts, looked for by columns.

As in `exemplars`: long targets only, for short ones recur by nature.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.draw import Indices, distinct
from mixture_builder.render.columnar_blocks import Pairs, Queries, RenderedBlock
from mixture_builder.render.exemplars import LEAK_LENGTH
from mixture_builder.render.few_shot import FewShot


def long_targets(few_shot: FewShot, queries: Queries) -> npt.NDArray[np.bool_]:
    """Prompts whose target must not stand in an exemplar."""
    long: npt.NDArray[np.bool_] = (
        pc.utf8_length(queries.targets).to_numpy(zero_copy_only=False) >= LEAK_LENGTH
    )
    if queries.labels is not None and not few_shot.varies_in_pool("options"):
        # Answers that are the same for all rows recur by nature; see `FewShot._is_label`.
        long &= ~pc.equal(queries.targets, queries.labels).to_numpy(zero_copy_only=False)
    return long


def shown_by_exemplars(queries: Queries, pairs: Pairs, asked: npt.NDArray[np.bool_]) -> Indices:
    """Places of prompts of which any exemplar shows the target, also one that is cut later.

    Args:
      queries: of all prompts.
      pairs: their exemplars.
      asked: the prompts that are looked at.
    """
    concerned = np.flatnonzero(asked[pairs.owners])
    if not len(concerned):
        return concerned
    places, which = distinct(pairs.shown[concerned])
    taken = pa.array(places)
    # Bytes: a text stands in another just if its bytes do, and they are cheaper to get at.
    inputs = pairs.inputs.take(taken).cast(pa.binary()).to_pylist()
    targets = pairs.targets.take(taken).cast(pa.binary()).to_pylist()
    owners = pairs.owners[concerned]
    mine, position = distinct(owners)
    wanted = queries.targets.take(pa.array(mine)).cast(pa.binary()).to_pylist()
    leaks = [
        wanted[at] in inputs[pair] or wanted[at] in targets[pair]
        for at, pair in zip(position.tolist(), which.tolist(), strict=True)
    ]
    leaking: Indices = owners[np.asarray(leaks, dtype=bool)]
    return leaking


def shown_in_prompts(
    block: RenderedBlock,
    concerned: Indices,
    starts: npt.NDArray[np.int32],
    stops: npt.NDArray[np.int32],
) -> Indices:
    """Places of prompts whose target stands before the query.

    Args:
      block: of finished prompts.
      concerned: places of prompts with long targets.
      starts: byte at which each prompt begins.
      stops: byte at which its query begins.
    """
    if not len(concerned):
        return concerned
    # Bytes: a text stands in another just if its bytes do, and no text is made for looking.
    held = block.inputs.buffers()[2].to_pybytes()
    targets = block.targets.take(pa.array(concerned)).cast(pa.binary()).to_pylist()
    begins, ends = starts[concerned].tolist(), stops[concerned].tolist()
    found = [
        held.find(target, begin, end) >= 0
        for target, begin, end in zip(targets, begins, ends, strict=True)
    ]
    leaking: Indices = concerned[np.asarray(found, dtype=bool)]
    return leaking
