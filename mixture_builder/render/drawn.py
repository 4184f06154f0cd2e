"""What is drawn for an example beside its row: chance, which answer, layout of options and turns.

Queries and exemplars get the same columns. For a query the draws belong to the query; for an
exemplar they belong to its row, so that its text can be used again.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from mixture_builder.draw import Indices, derive_seed, random_bits
from mixture_builder.render.batch import Batch, TaskContext
from mixture_builder.render.options import list_options, orders
from mixture_builder.templates import PromptTemplate

TARGET_ANSWER = "answer in target"
"""Column with what `answer` stands for in a target; its name cannot be that of a field."""


class DrawnColumns:
    """Adds the drawn columns to those of a task's rows.

    Args:
      context: of the task.
    """

    def __init__(self, context: TaskContext) -> None:
        self._context = context
        self._seed = context.seed
        self._has_options = "options" in context.rows.fields
        self._several_answers = "answers" in context.rows.fields
        self._has_turns = "turns" in context.rows.fields

    @cached_property
    def _has_chance(self) -> bool:
        # Of a small task that is rendered by columns nobody asks, and it has dozens of templates.
        return any(t.reads("chance") for t in self._context.templates)

    def add_to_queries(self, batch: Batch) -> None:
        """Adds answers, options and dialogs to a batch, and says in `styles` what was drawn."""
        columns, styles = batch.columns, self._context.styles
        if self._has_chance:
            self._draw_chance(columns, batch.draws, "chance")
        if self._several_answers:
            self._pick_answers(columns, batch.draws, batch.attempt)
        if self._has_options:
            cells = self._context.plan.cells
            shown = np.asarray([c.shows_options for c in cells])[batch.cells]
            bits = random_bits(derive_seed(self._seed, "option style"), batch.draws)
            drawn = (bits % np.uint64(styles.option_styles)).astype(np.int64)
            numbers = np.where(shown, drawn, -1).tolist()
            batch.option_styles = [
                styles.unambiguous(n, options) if n >= 0 else n
                for n, options in zip(numbers, columns["options"], strict=True)
            ]
            self._list_options(columns, batch.draws, batch.option_styles, "option order")
            batch.styles = [
                f"options={styles.option_id(n)}" if n >= 0 else "" for n in batch.option_styles
            ]
        if self._has_turns:
            chosen = self._write_dialogs(columns, batch.draws, "dialog style")
            uses = [self._shows_dialog(t) for t in self._context.templates]
            for place, template in enumerate(batch.templates.tolist()):
                if uses[template]:
                    listed = batch.styles[place]
                    style = f"dialog={chosen[place]}"
                    batch.styles[place] = f"{listed};{style}" if listed else style

    @staticmethod
    def _shows_dialog(template: PromptTemplate) -> bool:
        return template.reads("dialog_text")

    def add_to_exemplars(
        self, columns: dict[str, list[Any]], rows: Indices, option_styles: list[int]
    ) -> None:
        """Adds answers, options and dialogs to the columns of exemplars.

        Args:
          columns: fields of the exemplars' rows.
          rows: their indices.
          option_styles: those of the prompts they stand in; -1 where options are not shown.
        """
        if self._has_chance:
            self._draw_chance(columns, rows, "exemplar chance")
        if self._several_answers:
            self._pick_answers(columns, rows, -1)
        if self._has_options:
            self._list_options(columns, rows, option_styles, "exemplar option order")
        if self._has_turns:
            self._write_dialogs(columns, rows, "exemplar dialog style")

    def _draw_chance(self, columns: dict[str, list[Any]], counters: Indices, purpose: str) -> None:
        """What `choice` in a template chooses by."""
        columns["chance"] = random_bits(derive_seed(self._seed, purpose), counters).tolist()

    def _pick_answers(self, columns: dict[str, list[Any]], counters: Indices, attempt: int) -> None:
        """Which of several right answers is the target."""
        lists = columns["answers"]
        bits = random_bits(derive_seed(self._seed, "answer", attempt), counters) >> np.uint64(32)
        sizes = np.asarray([len(answers) for answers in lists], dtype=np.uint64)
        picks = ((bits * sizes) >> np.uint64(32)).tolist()
        columns["answer"] = [answers[p] for answers, p in zip(lists, picks, strict=True)]

    def _list_options(
        self,
        columns: dict[str, list[Any]],
        counters: Indices,
        option_styles: list[int],
        purpose: str,
    ) -> None:
        options, plan = columns["options"], self._context.plan
        shuffled = plan.settings.shuffle_options and not plan.fixed_option_order
        listed = list_options(
            options,
            columns["answer_index"],
            styles=self._context.styles,
            numbers=option_styles,
            order=orders(derive_seed(self._seed, purpose), counters, [len(o) for o in options])
            if shuffled
            else None,
        )
        columns["options"] = listed.options
        columns["answer_index"] = listed.places
        columns["options_text"] = listed.texts
        columns["answer_text"] = columns["answer"] = listed.answers
        columns[TARGET_ANSWER] = listed.targets

    def _write_dialogs(
        self, columns: dict[str, list[Any]], counters: Indices, purpose: str
    ) -> list[str]:
        """Adds `dialog_text` and gives the ids of the styles."""
        bits = random_bits(derive_seed(self._seed, purpose), counters).tolist()
        styles = [self._context.styles.dialog_style(b) for b in bits]
        columns["dialog_text"] = [
            style.text(turns) for style, turns in zip(styles, columns["turns"], strict=True)
        ]
        return [style.id for style in styles]
