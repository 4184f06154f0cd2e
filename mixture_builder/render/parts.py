"""The parts of finished examples: which letters of a prompt are exemplar, label, option, query.

Parts are noted where a prompt is put together, and held against the prompt itself: their
texts, one after the other, are its text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mixture_builder.jinja_pieces import text_pieces
from mixture_builder.render.batch import Batch, FewShotLayout, TaskContext
from mixture_builder.render.drawn import TARGET_ANSWER, DrawnColumns
from mixture_builder.render.pairs import uses_few_shot_texts
from mixture_builder.templates import PromptTemplate

PROMPT_KINDS = (
    "instruction",
    "exemplar",
    "exemplar_target",
    "query",
    "options",
    "label",
    "separator",
)
"""What a letter of a prompt can belong to."""

PART_KINDS = (*PROMPT_KINDS, "target")

_OPTIONS = frozenset(["options", "options_text"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A stretch of a prompt or target that is all of one kind.

    Attributes:
      kind: one of `PART_KINDS`. Options of an exemplar count as options, not as exemplar.
      text: as it stands there.
      field: names of the fields it was filled from, with spaces between; empty for the words of
        template and style.
      exemplar: which exemplar it belongs to, from 1; 0 for none.
    """

    kind: str
    text: str
    field: str = ""
    exemplar: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ExampleParts:
    """An example in its parts.

    Attributes:
      prompt, target: their texts, one after the other, are the prompt and the target.
      told_apart: whether parts are known; if not, there is one of each.
    """

    prompt: tuple[Part, ...]
    target: tuple[Part, ...]
    told_apart: bool = True


def whole(prompt: str, target: str) -> ExampleParts:
    """An example whose parts are not known."""
    return ExampleParts(
        prompt=(Part(kind="query", text=prompt),),
        target=(Part(kind="target", text=target),),
        told_apart=False,
    )


def parts_of_batch(
    context: TaskContext, drawn: DrawnColumns, batch: Batch
) -> dict[int, ExampleParts]:
    """The parts of all examples of a batch that did not fail, by draw.

    Args:
      context: of the task.
      drawn: adds what is drawn for an exemplar.
      batch: an attempt, with its exemplars.
    """
    found = {}
    draws = batch.draws.tolist()
    for place, draw in enumerate(draws):
        if place in batch.failures:
            continue
        prompt, target = str(batch.inputs[place]), str(batch.targets[place])
        parts = _Taken(context, drawn, batch, place).parts()
        exact = _text(parts.prompt) == prompt and _text(parts.target) == target
        found[draw] = parts if exact else whole(prompt, target)
    return found


def _text(parts: Iterable[Part]) -> str:
    return "".join(part.text for part in parts)


class _Taken:
    """One example of a batch, rendered again piece by piece."""

    def __init__(self, context: TaskContext, drawn: DrawnColumns, batch: Batch, place: int) -> None:
        self._context = context
        self._drawn = drawn
        self._place = place
        self._template = context.templates[int(batch.templates[place])]
        self._columns = {name: values[place] for name, values in batch.columns.items()}
        self._few_shot_texts = uses_few_shot_texts(context.plan, int(batch.cells[place]))
        self._option_style = batch.option_styles[place]
        self._layout = batch.layouts.get(place)

    def parts(self) -> ExampleParts:
        shown, solved = self._pair(self._template, self._columns)
        query = [_part("query", text, names) for text, names in shown]
        target = [Part(kind="target", text=text, field=" ".join(names)) for text, names in solved]
        prompt = self._with_exemplars(query, self._layout) if self._layout else query
        return ExampleParts(prompt=_joined(prompt), target=_joined(target))

    def _with_exemplars(self, query: list[Part], layout: FewShotLayout) -> list[Part]:
        """As `exemplars.join` puts them together."""
        labels = layout.labels
        between = labels.input_end + labels.delimiter + labels.target
        separator = Part(kind="separator", text=layout.separator.text)
        parts: list[Part] = []
        if self._template.instruction and self._few_shot_texts:
            pieces = _pieces(self._template.instruction, self._columns)
            lead = [
                Part(kind="instruction", text=text, field=" ".join(names)) for text, names in pieces
            ]
            parts += [*lead, separator] if lead else []
        for number, (template, row) in enumerate(layout.exemplars, start=1):
            parts.append(Part(kind="label", text=labels.input, exemplar=number))
            shown, solved = self._exemplar(template, row)
            parts += [_part("exemplar", text, names, number) for text, names in shown]
            parts.append(Part(kind="label", text=between, exemplar=number))
            parts += [
                Part(kind="exemplar_target", text=text, field=" ".join(names), exemplar=number)
                for text, names in solved
            ]
            parts.append(Part(kind="label", text=labels.target_end, exemplar=number))
            parts.append(separator)
        parts += [Part(kind="label", text=labels.input), *query, Part(kind="label", text=between)]
        return _without_last_space(parts)

    def _exemplar(self, template: int, row: int) -> tuple[_Pieces, _Pieces]:
        at = np.asarray([row], dtype=np.int64)
        fields = self._context.fields_for([(template, self._few_shot_texts)])
        columns = self._context.rows.columns(fields, at)
        self._drawn.add_to_exemplars(columns, at, [self._option_style])
        plain = {name: values[0] for name, values in columns.items()}
        return self._pair(self._context.templates[template], plain)

    def _pair(
        self, template: PromptTemplate, columns: Mapping[str, Any]
    ) -> tuple[_Pieces, _Pieces]:
        few_shot = self._few_shot_texts
        shown = _pieces(template.input_text(few_shot=few_shot), columns)
        if TARGET_ANSWER in columns:
            columns = {**columns, "answer": columns[TARGET_ANSWER]}
        return shown, _pieces(template.target_text(few_shot=few_shot), columns)


_Pieces = list[tuple[str, tuple[str, ...]]]


def _pieces(source: str, columns: Mapping[str, Any]) -> _Pieces:
    return [(piece.text, piece.names) for piece in text_pieces(source, columns)]


def _part(kind: str, text: str, names: Sequence[str], exemplar: int = 0) -> Part:
    shown = "options" if _OPTIONS & set(names) else kind
    return Part(kind=shown, text=text, field=" ".join(names), exemplar=exemplar)


def _joined(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Parts without empty ones; neighbours that differ in nothing but their text are one."""
    result: list[Part] = []
    for part in parts:
        if not part.text:
            continue
        last = result[-1] if result else None
        if last and replace(last, text="") == replace(part, text=""):
            result[-1] = replace(last, text=last.text + part.text)
        else:
            result.append(part)
    return tuple(result)


def _without_last_space(parts: list[Part]) -> list[Part]:
    rest = list(parts)
    while rest and not rest[-1].text.rstrip():
        del rest[-1]
    if rest:
        rest[-1] = replace(rest[-1], text=rest[-1].text.rstrip())
    return rest
