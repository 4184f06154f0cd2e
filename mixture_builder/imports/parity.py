"""Whether imported templates say what promptsource's say, record by record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixture_builder.canonical import Row, RowMaker, RowProblem, plain_values
from mixture_builder.imports.promptsource_files import UpstreamTemplate
from mixture_builder.imports.reference import reference_pair
from mixture_builder.imports.template_files import ImportedSet
from mixture_builder.jinja_running import describe
from mixture_builder.templates import PromptTemplate


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A record for which the two are not the same.

    Attributes:
      template: id of ours.
      record: its number, from 0.
      theirs, ours: prompt and target, or why there is no pair.
    """

    template: str
    record: int
    theirs: tuple[str, str] | str
    ours: tuple[str, str] | str


@dataclass(frozen=True, kw_only=True, slots=True)
class Parity:
    """How one set compares, over all templates and records.

    Attributes:
      pairs: equal prompts and targets.
      neither: times that neither gives a pair: an error, or an empty prompt or target.
      differences: all other times.
    """

    pairs: int
    neither: int
    differences: tuple[Difference, ...]


Pair = tuple[str, str]


def compare(imported: ImportedSet, records: Sequence[Mapping[str, Any]]) -> Parity:
    """Renders every template for every record by promptsource's rules and by ours."""
    pairs = neither = 0
    differences = []
    maker = RowMaker(imported.card_source())
    for number, record in enumerate(records):
        row = maker.row(dict(record))
        for template, source in zip(imported.templates, imported.sources, strict=True):
            theirs = _their_pair(source, record, chance=number)
            ours = our_pair(template, row, chance=number)
            if isinstance(theirs, str) and isinstance(ours, str):
                neither += 1
            elif theirs == ours:
                pairs += 1
            else:
                differences.append(
                    Difference(template=template.id, record=number, theirs=theirs, ours=ours)
                )
    return Parity(pairs=pairs, neither=neither, differences=tuple(differences))


def our_pair(template: PromptTemplate, row: Row | RowProblem | None, *, chance: int) -> Pair | str:
    """Prompt and target of a row, or why there is no pair.

    Args:
      template: an imported one.
      row: what a record gave, see `ImportedSet.card_source`.
      chance: what `choice` chooses by.
    """
    if isinstance(row, RowProblem) or row is None:
        return f"no row: {row.detail}" if row else "no row"
    columns: dict[str, list[Any]] = {name: plain_values([value]) for name, value in row.items()}
    columns["chance"] = [chance]
    texts = []
    for part in (template.input_for(few_shot=False), template.target_for(few_shot=False)):
        text = part.render_many(columns, 1)[0]
        if isinstance(text, Exception):
            return describe(text)
        texts.append(text)
    return (texts[0], texts[1]) if all(texts) else "an empty prompt or target"


def _their_pair(source: UpstreamTemplate, record: Mapping[str, Any], *, chance: int) -> Pair | str:
    try:
        return reference_pair(source, record, chance=chance) or "no prompt and target"
    except Exception as problem:  # noqa: BLE001  (a template may fail in any way)
        return describe(problem)
