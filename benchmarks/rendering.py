"""What the baselines share: rendering one record with Jinja, as one would write it by hand.

The templates are those of the cards, each compiled once in each process, by Jinja's ordinary
environment (the sandbox is slower). Options are listed in one way and exemplars set off in one
way, nothing is checked, dropped or drawn again: so this does less than a build does.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import pyarrow.parquet as pq

Row = dict[str, Any]

DRAWN = ("task", "template", "shows_options")
"""Columns of a workload's records beside the fields."""


@lru_cache(maxsize=1)
def renderer(folder: str) -> Renderer:
    """The renderer of a workload, one for each process."""
    return Renderer(Path(folder))


class Renderer:
    """Renders records of a workload.

    Args:
      folder: of the workload, see `benchmarks.workload`.
    """

    def __init__(self, folder: Path) -> None:
        facts = json.loads((folder / "templates.json").read_text(encoding="utf-8"))
        self.shots: int = facts["shots"]
        env = jinja2.Environment()  # noqa: S701  (texts for models, not for browsers)
        self._templates = {
            task: [{part: env.from_string(text) for part, text in t.items()} for t in templates]
            for task, templates in facts["templates"].items()
        }
        self._pools: dict[str, list[Row]] = {}
        if self.shots:
            for row in pq.read_table(folder / "pool.parquet").to_pylist():
                self._pools.setdefault(row["task"], []).append(row)

    def render(self, row: Row) -> tuple[str, str]:
        """Prompt and target of one record."""
        template = self._templates[row["task"]][row["template"]]
        shows_options = row["shows_options"]
        shown, target = _pair(template, row, shows_options=shows_options)
        if not self.shots:
            return shown, target
        exemplars: list[str] = []
        pool = self._pools[row["task"]]
        # One to spare, in case the query itself is drawn.
        for other in random.sample(pool, min(self.shots + 1, len(pool))):
            question, answer = _pair(template, other, shows_options=shows_options)
            if question != shown:
                exemplars.append(f"Q: {question}\nA: {answer}")
            if len(exemplars) == self.shots:
                break
        instruction = template["instruction"].render(row) if "instruction" in template else ""
        parts = [*([instruction] if instruction else []), *exemplars, f"Q: {shown}\nA:"]
        return "\n\n".join(parts), target


def _pair(
    template: Mapping[str, jinja2.Template], row: Row, *, shows_options: bool
) -> tuple[str, str]:
    context = row
    options = row.get("options")
    if options:
        answer = options[row["answer_index"]]
        listed = "Options:\n- " + "\n- ".join(options) if shows_options else ""
        context = {**row, "answer": answer, "answer_text": answer, "options_text": listed}
    elif row.get("answers"):
        context = {**row, "answer": row["answers"][0]}
    if row.get("turns"):
        lines = [("A: ", "B: ")[i % 2] + turn for i, turn in enumerate(row["turns"])]
        context = {**context, "dialog_text": "\n".join(lines)}
    return template["input"].render(context).strip(), template["target"].render(context).strip()
