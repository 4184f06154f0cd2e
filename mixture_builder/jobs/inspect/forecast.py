"""What a planned mixture will come to: bytes of text, tokens, and processor time.

Measured on examples that are rendered for it, or else estimated: from how large a task's rows
are in the store, or in the sample of its card.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from mixture_builder.cards import TaskCard
from mixture_builder.io.remote_store import ROWS_NAME
from mixture_builder.io.rowstore import StoredTask, task_folder
from mixture_builder.jobs.sizing import Lengths
from mixture_builder.plan import MixturePlan, TaskPlan

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
      tokens: by what the tokenizer is called and task: of prompts and of targets.
    """

    bytes: Mapping[str, int]
    estimated: frozenset[str]
    tokens: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)

    def seconds(self, plan: MixturePlan) -> float:
        """About the processor time that building takes, on one core or shared by several."""
        return (
            SECONDS_TO_START
            + SECONDS_A_TASK * len(plan.tasks)
            + SECONDS_AN_EXAMPLE * plan.examples
            + SECONDS_A_BYTE * sum(self.bytes.values())
        )


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
    for task in plan.tasks:
        known = measured.get(task.task)
        mean = (
            known.mean_bytes
            if known is not None
            else _estimated(task, _row_bytes(task, cards[task.task], stored, store))
        )
        expected[task.task] = round(task.quota * mean)
    names = {name for lengths in measured.values() for name in lengths.tokens}
    return Forecast(
        bytes=expected,
        estimated=frozenset(t.task for t in plan.tasks if t.task not in measured),
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


def _estimated(task: TaskPlan, row: Fraction) -> Fraction:
    shown = sum((c.quota * task.form_of(c).mean for c in task.cells if c.few_shot), Fraction(0))
    return row * (1 + shown / max(1, task.quota)) + TEMPLATE_BYTES


def _row_bytes(
    task: TaskPlan, card: TaskCard, stored: Mapping[str, StoredTask], store: Path
) -> Fraction:
    """About how large a row is."""
    there = stored.get(task.task)
    if there is not None:
        file = task_folder(store, task.task, there.fingerprint) / ROWS_NAME
        if file.exists():
            whole = Fraction(file.stat().st_size, max(1, there.rows))
            return max(Fraction(0), whole - ROW_BYTES - 12 * len(card.fields))
    return Fraction(sum(_text_bytes(record) for record in card.sample), max(1, len(card.sample)))


def _text_bytes(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(map(_text_bytes, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_text_bytes, value))
    return len(str(value).encode("utf-8", "replace"))
