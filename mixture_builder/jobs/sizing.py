"""How long examples are: some of each task are rendered, always the same, and measured.

A size in bytes or tokens becomes a number of examples by it, and a plan says what a mixture
will come to. The sample is the first draws of each task, so it depends on recipe, rows and seed
alone; tasks with larger shares have larger samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.jobs.build import render_task, without_garbage_collection
from mixture_builder.jobs.lengths import Lengths
from mixture_builder.jobs.loading import LoadedRecipe
from mixture_builder.lock import Lock
from mixture_builder.plan import MixturePlan, TaskPlan, spend
from mixture_builder.render.batch import RenderedExamples

SAMPLE = 16_384
"""Examples that are rendered of all tasks together, where each has its due."""

LEAST, MOST = 24, 4_096
"""Examples that are rendered of each task."""

CountTokens = Callable[[Sequence[str]], Sequence[int]]


def sample_of(plan: MixturePlan) -> MixturePlan:
    """The plan of the sample: the same tasks, with small quotas."""
    return replace(
        plan, tasks=tuple(_with_quota(t, _sampled(t.share)) for t in plan.tasks), shards=1
    )


def _sampled(share: Fraction) -> int:
    if not share:
        return 0
    return min(MOST, max(LEAST, -(-share.numerator * SAMPLE // share.denominator)))


def _with_quota(task: TaskPlan, quota: int) -> TaskPlan:
    return replace(task, quota=quota, cells=spend(task.cells, quota))


def measure(
    lock: Lock, *, store: Path, tokenizers: Mapping[str, CountTokens] | None = None
) -> dict[str, Lengths]:
    """Renders all draws of a lock, of a sample as a rule, and measures them.

    Args:
      lock: of the sample.
      store: root of the row store.
      tokenizers: that count tokens, by what they are to be called.

    Raises:
      StoreError: if the store does not hold the rows that the lock was made for.
    """
    result = {}
    for task in lock.plan.tasks:
        if not task.quota:
            continue
        with without_garbage_collection():
            rendered = render_task(lock, task, store=store, draws=range(task.quota))
        inputs, targets = _texts(rendered)
        result[task.task] = Lengths(
            draws=task.quota,
            input_bytes=_bytes(inputs),
            target_bytes=_bytes(targets),
            cells=_by_cell(rendered),
            tokens={
                name: (sum(count(inputs.to_pylist())), sum(count(targets.to_pylist())))
                for name, count in (tokenizers or {}).items()
            },
        )
    return result


def _texts(rendered: RenderedExamples) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    listed = (rendered.inputs, rendered.targets)
    blocks = ([b.inputs for b in rendered.blocks], [b.targets for b in rendered.blocks])
    inputs, targets = (
        pa.chunked_array([pa.array(texts, pa.string()), *arrays])
        for texts, arrays in zip(listed, blocks, strict=True)
    )
    return inputs, targets


def _by_cell(rendered: RenderedExamples) -> dict[str, tuple[int, int]]:
    """Examples of each cell, and the bytes of their texts."""
    codes = np.concatenate(
        [np.asarray(rendered.cell_codes, np.int64), *(b.cells for b in rendered.blocks)]
    )
    lengths = sum(pc.binary_length(texts).to_numpy() for texts in _texts(rendered))
    names = [cell.name for cell in rendered.plan.cells]
    counts = np.bincount(codes, minlength=len(names)).tolist()
    sizes = np.bincount(codes, weights=lengths, minlength=len(names)).tolist()
    return {
        name: (count, int(size))
        for name, count, size in zip(names, counts, sizes, strict=True)
        if count
    }


def _bytes(texts: pa.ChunkedArray) -> int:
    return int(pc.sum(pc.binary_length(texts)).as_py() or 0)


def keep_tokenizers(mixture: LoadedRecipe, *, store: Path) -> None:
    """Brings the tokenizers that a recipe names into the store.

    Raises:
      UsageError: if one of them is none.
    """
    for sha256, path in mixture.recipe.tokenizers.items():
        from mixture_builder.io.tokenizer import keep_tokenizer

        keep_tokenizer(store, path, sha256=sha256)
