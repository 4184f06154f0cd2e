"""One table of a shard's examples, in the order of a hash of their keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mixture_builder.draw import Bits, Indices, derive_seed, random_bits
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA
from mixture_builder.render.batch import RenderedExamples
from mixture_builder.render.columnar import RenderedBlock

_ROW_LISTS = EXAMPLE_SCHEMA.field("exemplar_rows").type


def make_table(rendered: Sequence[RenderedExamples], *, seed: int) -> pa.Table:
    """All examples of a shard; the order depends on seed, task and draw alone.

    Args:
      rendered: by task, in any order of examples.
      seed: the recipe's.
    """
    listed = [r for r in rendered if r.draws]
    blocks = [(r, block) for r in rendered for block in r.blocks]
    tasks = [r.task for r in listed] + [r.task for r, _ in blocks]
    parts = [r.submixture for r in listed] + [r.submixture for r, _ in blocks]
    draws_of = [np.asarray(r.draws, dtype=np.int64) for r in listed]
    draws_of += [block.draws for _, block in blocks]
    draws = _joined(draws_of)
    owners = np.repeat(np.arange(len(tasks)), [len(d) for d in draws_of])
    order = _order(seed, tasks, draws_of, owners)
    own: dict[str, Any] = {
        "task_id": _coded(tasks, owners[order]),
        "submixture": _coded(parts, owners[order]),
        "draw": pa.array(draws[order]),
    }
    if blocks:
        found = _with_blocks(listed, [block for _, block in blocks], order)
    else:
        found = _of_lists(listed, order)
    columns = {**found, **own}
    return pa.Table.from_arrays([columns[n] for n in EXAMPLE_SCHEMA.names], schema=EXAMPLE_SCHEMA)


def _order(
    seed: int, tasks: Sequence[str], draws_of: Sequence[Indices], owners: Indices
) -> Indices:
    keys: list[Bits] = [
        random_bits(derive_seed(seed, "order", task), draws)
        for task, draws in zip(tasks, draws_of, strict=True)
    ]
    # Ties are as good as impossible; task and draw settle them all the same. Blocks stand
    # after lists, so ties must not be settled by the place where a task happens to stand.
    names = np.unique(np.asarray(tasks, dtype=object), return_inverse=True)[1]
    joined = np.concatenate(keys) if keys else np.zeros(0, dtype=np.uint64)
    return np.lexsort((_joined(draws_of), names[owners] if len(owners) else owners, joined))


def _of_lists(listed: Sequence[RenderedExamples], order: Indices) -> dict[str, Any]:
    """Columns of examples that stand in lists only.

    Python's texts are put in order before Arrow copies them: no text moves twice.
    """
    places = order.tolist()
    exemplar_rows = _ordered([r.exemplar_rows for r in listed], places)
    return {
        "inputs": pa.array(_ordered([r.inputs for r in listed], places), pa.string()),
        "targets": pa.array(_ordered([r.targets for r in listed], places), pa.string()),
        "variant": _named([r.variants for r in listed]).take(pa.array(order)),
        "template_id": _named([r.templates for r in listed]).take(pa.array(order)),
        "style": pa.array(_ordered([r.styles for r in listed], places), pa.string()),
        "num_exemplars": pa.array([len(rows) for rows in exemplar_rows], pa.int32()),
        "exemplar_rows": pa.array(exemplar_rows, _ROW_LISTS),
        "row": pa.array(_joined([np.asarray(r.rows, dtype=np.int64) for r in listed])[order]),
    }


def _with_blocks(
    listed: Sequence[RenderedExamples], blocks: Sequence[RenderedBlock], order: Indices
) -> dict[str, Any]:
    """Columns of examples of which some stand in lists and the others in blocks."""
    further = sum(len(block.draws) for block in blocks)
    exemplar_rows = [rows for r in listed for rows in r.exemplar_rows]
    no_rows = pa.ListArray.from_arrays(
        pa.array(np.zeros(further + 1, dtype=np.int32)), pa.array([], pa.int64()), type=_ROW_LISTS
    )
    taken = pa.array(order)
    joined: dict[str, list[pa.Array]] = {
        "inputs": [_texts(r.inputs for r in listed), *(b.inputs for b in blocks)],
        "targets": [_texts(r.targets for r in listed), *(b.targets for b in blocks)],
        "variant": [_named([r.variants for r in listed]), *(b.variants for b in blocks)],
        "template_id": [_named([r.templates for r in listed]), *(b.template_ids for b in blocks)],
        "style": [_texts(r.styles for r in listed), *(b.styles for b in blocks)],
        "num_exemplars": [
            pa.array([len(rows) for rows in exemplar_rows], pa.int32()),
            pa.array(np.zeros(further, dtype=np.int32)),
        ],
        "exemplar_rows": [pa.array(exemplar_rows, _ROW_LISTS), no_rows],
        "row": [
            pa.array(_joined([np.asarray(r.rows, dtype=np.int64) for r in listed])),
            *(pa.array(b.rows) for b in blocks),
        ],
    }
    return {name: pa.concat_arrays(arrays).take(taken) for name, arrays in joined.items()}


def _joined(arrays: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=np.int64)


def _texts(parts: Iterator[list[str]]) -> pa.Array:
    return pa.array([text for part in parts for text in part], pa.string())


def _ordered(parts: Sequence[list[Any]], places: list[int]) -> list[Any]:
    joined = [value for part in parts for value in part]
    return [joined[place] for place in places]


def _coded(values: list[str], codes: Indices) -> pa.Array:
    return pa.array(values, pa.string()).take(pa.array(codes))


def _named(parts: Sequence[list[str]]) -> pa.Array:
    """Texts of which few differ: each is stored once before it is spread."""
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(v, len(numbers)) for part in parts for v in part]
    return _coded(list(numbers), np.asarray(codes, dtype=np.int64))
