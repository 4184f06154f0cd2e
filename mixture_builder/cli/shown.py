"""Rows, prompts and targets as people read them: each part stands under a heading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mixture_builder.cli.output import facts, indented

if TYPE_CHECKING:
    from mixture_builder.jobs.inspect.prompts import PromptParts

BAR = "  | "


def row_text(row: Mapping[str, Any]) -> str:
    """The fields of a row, lists with an item a line."""
    return facts([(name, _value(value)) for name, value in row.items()])


def _value(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\n".join(f"- {item}" for item in value) or "(empty)"
    return str(value) or "(empty)"


def prompt_text(parts: PromptParts) -> str:
    """A prompt with a heading where each exemplar and the query begin."""
    blocks = []
    if parts.instruction:
        blocks.append(f"prompt, instruction\n{indented(parts.instruction, BAR)}")
    total = len(parts.exemplars)
    for number, exemplar in enumerate(parts.exemplars, start=1):
        blocks.append(f"prompt, exemplar {number} of {total}\n{indented(exemplar, BAR)}")
    if parts.clear:
        heading = "prompt, query" if total else "prompt"
    else:
        heading = "prompt (a text in it looks like a border, so its exemplars are not told apart)"
    blocks.append(f"{heading}\n{indented(parts.query, BAR)}")
    return "\n".join(blocks)


def target_text(target: str) -> str:
    """The target under its heading."""
    return f"target\n{indented(target, BAR)}"
