"""What decides one shard: a hash that changes only if the shard's bytes may.

A shard is decided by its stretches of draws and, for each task that has draws in it, by the task's
rows, templates, settings and cells; by seed, styles, format and the code. A task without draws
in a shard, the recipe's description, shares, and the quotas themselves do not matter: quotas
decide where stretches end, and which few draws at a task's end serve another cell.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa

from mixture_builder.dealing import corrections
from mixture_builder.fingerprint import FINGERPRINT_LENGTH, fingerprint
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA
from mixture_builder.jobs.shard_layout import ShardLayout
from mixture_builder.lock import RENDER_VERSION, Lock, settings_to_json
from mixture_builder.plan import TaskPlan
from mixture_builder.shards import shard_name
from mixture_builder.templates import templates_to_json
from mixture_builder.version import __version__


class ShardFingerprints:
    """The fingerprints of all shards of a lock.

    Args:
      lock: of the mixture.
    """

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._layout = ShardLayout(lock.plan)
        self._base = {
            "render_version": RENDER_VERSION,
            "mixture_builder": __version__,
            # Other formats are written without pyarrow's help.
            "pyarrow": str(pa.__version__) if lock.format == "parquet" else "",
            "format": lock.format,
            "columns": [str(field) for field in EXAMPLE_SCHEMA],
            "seed": lock.plan.seed,
            "styles": fingerprint(dict(lock.styles)),
        }
        texts = {n: fingerprint(templates_to_json(t)) for n, t in lock.templates.items()}
        settings = {t.submixture: settings_to_json(t.settings) for t in lock.plan.tasks}
        digests = [
            fingerprint([_of_task(t, lock), texts[t.templates], settings[t.submixture]])
            for t in lock.plan.tasks
        ]
        joined = bytes.fromhex("".join(digests))
        self._tasks = np.frombuffer(joined, dtype=np.uint8).reshape(len(digests), -1)
        # Draws that serve another cell than their number says: task, draw, cell, ordinal.
        moved = [
            (number, draw, cell, ordinal)
            for number, task in enumerate(lock.plan.tasks)
            for draw, (cell, ordinal) in corrections(
                [c.weight for c in task.cells], [c.quota for c in task.cells]
            ).items()
        ]
        self._moved = np.asarray(sorted(moved), dtype=np.int64).reshape(-1, 4)

    def of(self, shard: int) -> str:
        """Equal fingerprints: equal bytes."""
        starts, stops = self._layout.stretches(shard)
        there = np.flatnonzero((starts < stops).any(axis=1))
        tasks, draws = self._moved[:, 0], self._moved[:, 1, None]
        inside = ((starts[tasks] <= draws) & (draws < stops[tasks])).any(axis=1)
        moved = self._moved[inside].copy()
        # By its place among those in the shard: tasks without draws do not matter.
        moved[:, 0] = np.searchsorted(there, moved[:, 0])
        name = shard_name(shard, self._lock.plan.shards, self._lock.format)
        total = hashlib.blake2b(digest_size=FINGERPRINT_LENGTH // 2)
        total.update(fingerprint([self._base, name, len(there), len(moved)]).encode())
        # An empty stretch is one wherever it stands.
        empty = starts[there] >= stops[there]
        for edge in (starts[there], stops[there]):
            total.update(np.where(empty, 0, edge).astype("<i8").tobytes())
        total.update(self._tasks[there].tobytes())
        total.update(moved.astype("<i8").tobytes())
        return total.hexdigest()


def _of_task(task: TaskPlan, lock: Lock) -> dict[str, Any]:
    cells = [
        [c.variant, c.direction, c.weight, list(c.templates), c.form, c.own_lists]
        for c in task.cells
    ]
    return {
        "task": task.task,
        "submixture": task.submixture,
        "digest": lock.tasks[task.task].digest,
        "rows": task.rows,
        "max_rows": task.max_rows,
        "query_rows": task.query_rows,
        "pool": task.pool,
        "questions": task.questions,
        "fixed_option_order": task.fixed_option_order,
        "cells": cells,
    }
