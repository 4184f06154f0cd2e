"""What a planned mixture will come to: bytes of text, tokens, and processor time.

Measured on examples that are rendered for it, or else estimated: from how large a task's rows
are in the store, or in the sample of its card.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mixture_builder.cards import TaskCard
from mixture_builder.io.remote_store import ROWS_NAME
from mixture_builder.io.stored_task import StoredTask, task_folder
from mixture_builder.jobs.lengths import Lengths
from mixture_builder.plan import MixturePlan, TaskPlan
from mixture_builder.variants import Cell

TEMPLATE_BYTES = 150
"""About what a template and an option list add to an example."""

ROW_BYTES = 60
"""About what the store keeps beside the texts of a row; for each field it is 12 bytes more."""

SECONDS_TO_START, SECONDS_A_TASK = 1.5, 0.004

SECONDS_AN_EXAMPLE, SECONDS_A_BYTE = 6e-6, 1.2e-8
"""Processor time; from `docs/benchmarks.md`. Another machine may take half or twice of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What each task of a plan will come to.

    Attributes:
      bytes: of prompts and targets, in UTF-8, before compression.
      estimated: tasks that were not measured.
      cells: the bytes by task and cell; those of a task's cells sum to the task's.
      tokens: by what the tokenizer is called and task: of prompts and of targets.
    """

    bytes: Mapping[str, int]
    estimated: frozenset[str]
    cells: Mapping[str, Mapping[str, int]]
    tokens: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)

    def seconds(self, plan: MixturePlan) -> float:
        """About the processor time that building takes, on one core or shared by several."""
        return (
            SECONDS_TO_START
            + SECONDS_A_TASK * len(plan.tasks)
            + self.rendering_seconds(plan.examples, sum(self.bytes.values()))
        )

    @staticmethod
    def rendering_seconds(examples: int, size: int) -> float:
        """About the processor time for some examples of so many bytes, start-up apart."""
        return SECONDS_AN_EXAMPLE * examples + SECONDS_A_BYTE * size


def forecast(
    plan: MixturePlan,
    *,
    cards: Mapping[str, TaskCard],
    stored: Mapping[str, StoredTask],
    store: Path,
    measured: Mapping[str, Lengths],
    recipe_tokenizer: str = "",
) -> Forecast:
    """What a plan will come to.

    Args:
      plan: of the mixture.
      cards: of its tasks.
      stored: those of them that are in the store.
      store: root of the row store.
      measured: lengths of examples, of tasks for which they are known.
      recipe_tokenizer: what that of the recipe's size is called in `measured`.
    """
    expected: dict[str, int] = {}
    cells: dict[str, Mapping[str, int]] = {}
    for task in plan.tasks:
        known = measured.get(task.task)
        row = _row_bytes(task, cards[task.task], stored, store)
        estimated = {c.name: c.quota * _estimated(task, c, row) for c in task.cells}
        if known is None:
            expected[task.task] = round(sum(estimated.values()))
            weights = estimated
        else:
            expected[task.task] = round(task.quota * known.mean_bytes)
            weights = _by_measure(task, known, estimated)
        cells[task.task] = _split(expected[task.task], weights)
    names = {name for lengths in measured.values() for name in lengths.tokens}
    return Forecast(
        bytes=expected,
        estimated=frozenset(t.task for t in plan.tasks if t.task not in measured),
        cells=cells,
        tokens={
            "the recipe's tokenizer" if name == recipe_tokenizer else name: {
                t.task: (round(t.quota * inputs), round(t.quota * targets))
                for t in plan.tasks
                if t.task in measured
                for inputs, targets in [measured[t.task].mean_tokens(name)]
            }
            for name in sorted(names)
        },
    )


def _estimated(task: TaskPlan, cell: Cell, row: float) -> float:
    """About how large an example of a cell is."""
    shown = float(task.form_of(cell).mean) if cell.few_shot else 0.0
    return row * (1 + shown) + TEMPLATE_BYTES


def _by_measure(task: TaskPlan, known: Lengths, estimated: Mapping[str, float]) -> dict[str, float]:
    """What the cells of a measured task have beside each other.

    A cell of which no example was rendered is put in by its estimate, scaled as those of the
    others turned out.
    """
    quotas = {cell.name: cell.quota for cell in task.cells}
    met = {n: quotas[n] * size / count for n, (count, size) in known.cells.items() if n in quotas}
    guessed = sum(estimated[name] for name in met)
    scale = sum(met.values()) / guessed if guessed else 1.0
    return {name: met.get(name, estimated[name] * scale) for name in quotas}


def _split(total: int, weights: Mapping[str, float]) -> dict[str, int]:
    """A whole number split by weights, without a rest."""
    whole, so_far, given = sum(weights.values()), 0.0, 0
    result = {}
    for name, weight in weights.items():
        so_far += weight
        upto = min(total, round(total * so_far / whole)) if whole else 0
        result[name] = upto - given
        given = upto
    return result


def _row_bytes(
    task: TaskPlan, card: TaskCard, stored: Mapping[str, StoredTask], store: Path
) -> float:
    """About how large a row is."""
    there = stored.get(task.task)
    if there is not None:
        file = task_folder(store, task.task, there.fingerprint) / ROWS_NAME
        if file.exists():
            whole = file.stat().st_size / max(1, there.rows)
            return max(0.0, whole - ROW_BYTES - 12 * len(card.fields))
    return sum(_text_bytes(record) for record in card.sample) / max(1, len(card.sample))


def _text_bytes(value: Any) -> int:
    # Nearly all are texts, of which there are some thousands: they are asked for first.
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return sum(map(_text_bytes, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_text_bytes, value))
    return len(str(value).encode("utf-8", "replace"))
