"""Some examples of one task as a recipe would make them, without a build.

Either the first draws, which for stored rows are those of the mixture itself; or one row that
was chosen, said by every template in every variant that it serves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mixture_builder.dealing import deal
from mixture_builder.errors import UsageError
from mixture_builder.findings import did_you_mean
from mixture_builder.jobs.inspect.loaded_tasks import LoadedTask
from mixture_builder.jobs.inspect.preview_rows import PreviewRows, rows_of
from mixture_builder.plan import TaskPlan, make_plan
from mixture_builder.recipes import Submixture
from mixture_builder.render.batch import CountTokens
from mixture_builder.render.parts import ExampleParts
from mixture_builder.render.task import Chosen, RenderedExamples, TaskRenderer
from mixture_builder.sizes import Size
from mixture_builder.style_pools import StylePools
from mixture_builder.task_rates import TaskRates
from mixture_builder.variants import VARIANTS


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviewedExample:
    """One example and the row it asks about.

    Attributes:
      draw: which draw of the task it is; `None` where row and template were chosen.
      row: the canonical fields of the row asked about.
      row_id: its identity.
      number: of the sample record it is made of, or its place in the store, from 0.
      place: where it stands upstream; empty for sample records.
      record: the sample record as the card has it; `None` for stored rows.
      parts: prompt and target taken apart.
    """

    draw: int | None
    variant: str
    template: str
    direction: str
    style: str
    row: Mapping[str, Any]
    row_id: int
    number: int
    place: str
    record: Mapping[str, Any] | None
    inputs: str
    targets: str
    num_exemplars: int
    parts: ExampleParts


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """Examples of one task.

    Attributes:
      stored: whether rows come from the store, or else from the card's sample.
      rows: how many there are.
      dropped: draws or choices that came to nothing, as texts.
    """

    task: str
    stored: bool
    rows: int
    examples: tuple[PreviewedExample, ...]
    dropped: tuple[str, ...]


def preview(
    loaded: LoadedTask,
    *,
    store: Path,
    count: int,
    variants: Collection[str] = (),
    template: str = "",
    row: int | None = None,
) -> Preview:
    """The first draws of a task, or one row in all templates.

    Args:
      loaded: the task.
      store: root of the row store.
      count: how many draws.
      variants: only these; none for all.
      template: only the one with this id.
      row: number or identity of a row, which is then shown in all templates and variants.

    Raises:
      UsageError: if there is no such template or row, or nothing serves the variants.
      SourceError: if the rows come from the card's sample and none of it gives a row.
      RecipeError: if no template serves what the recipe asks for.
    """
    ids = [t.id for t in loaded.templates.templates]
    if template and template not in ids:
        hint = did_you_mean(template, ids) or f"Expected one of {', '.join(ids)}."
        raise UsageError(
            f"--template {template}: {loaded.templates.file} has no such template. {hint}"
        )
    rows = rows_of(loaded.card, store)
    if row is not None:
        examples, dropped = chosen_examples(
            loaded, rows, indices=[rows.find(row)], variants=variants, template=template
        )
        dropped_texts = [d.text() for d in dropped]
    else:
        examples, dropped_texts = _drawn_examples(
            loaded, rows, count=count, variants=variants, template=template
        )
    return Preview(
        task=loaded.card.id,
        stored=rows.stored,
        rows=rows.count,
        examples=tuple(examples),
        dropped=tuple(dropped_texts),
    )


def _drawn_examples(
    loaded: LoadedTask,
    rows: PreviewRows,
    *,
    count: int,
    variants: Collection[str],
    template: str,
) -> tuple[list[PreviewedExample], list[str]]:
    plan = _plan(loaded, loaded.part, rows=rows.count, count=count)
    renderer = _renderer(loaded, plan, rows)
    draws = _draws(loaded, renderer, count=count, variants=variants, template=template)
    rendered, parts = renderer.render_in_parts(draws)
    examples = [
        example
        for example in _examples(loaded, rendered, parts, rows)
        # A draw that failed may have come to a row that its template does not suit.
        if not template or example.template == template
    ]
    dropped = [
        f"draw {d.draw}: {d.reason}: {d.detail} (template {d.template})" for d in rendered.dropped
    ]
    return examples, dropped


def _plan(loaded: LoadedTask, part: Submixture, *, rows: int, count: int) -> TaskPlan:
    """The task's plan as if it stood alone; which draw gives what does not depend on that."""
    task = loaded.card.id
    alone = replace(
        part, rate=Fraction(1), task_rates=TaskRates(kind="equal"), parts=(), tasks=(task,)
    )
    long_enough = replace(loaded.recipe, root=alone, size=Size(examples=max(10_000, 100 * count)))
    plan = make_plan(
        long_enough,
        owners={task: alone},
        cards={task: loaded.card},
        templates={loaded.card.templates: loaded.templates},
        rows={task: rows},
    )
    return plan.tasks[0]


def _renderer(loaded: LoadedTask, plan: TaskPlan, rows: PreviewRows) -> TaskRenderer:
    return TaskRenderer(
        plan,
        templates=loaded.templates.templates,
        styles=StylePools(plan.settings.styles.apply(loaded.styles)),
        rows=rows.rows,
        seed=loaded.recipe.seed,
        count_tokens=_token_counter(loaded, plan.settings.tokenizer),
    )


def _token_counter(loaded: LoadedTask, sha256: str) -> CountTokens | None:
    if not sha256:
        return None
    from mixture_builder.io.tokenizer import load_tokenizer

    return load_tokenizer(str(loaded.recipe.tokenizers[sha256])).count


def _draws(
    loaded: LoadedTask,
    renderer: TaskRenderer,
    *,
    count: int,
    variants: Collection[str],
    template: str,
) -> list[int]:
    """The first draws that serve one of the variants with the template."""
    plan = renderer.plan
    if not variants and not template:
        return list(range(count))
    numbers = np.arange(plan.quota)
    cells, _ = deal([c.weight for c in plan.cells], [c.quota for c in plan.cells], numbers)
    serving = [i for i, cell in enumerate(plan.cells) if not variants or cell.variant in variants]
    fitting = np.isin(cells, serving)
    if not fitting.any():
        raise _not_served(variants, plan.task, {c.variant for c in plan.cells if c.quota})
    if template:
        place = [t.id for t in loaded.templates.templates].index(template)
        fitting[fitting] = renderer.templates_of(numbers[fitting]) == place
    draws: list[int] = np.flatnonzero(fitting)[:count].tolist()
    if not draws:
        among = f" in {', '.join(sorted(variants))}" if variants else ""
        raise UsageError(
            f"--template {template}: the recipe draws it for no example of {plan.task}{among}. "
            "Add --row 0 to see it all the same."
        )
    return draws


def _not_served(variants: Collection[str], task: str, served: Collection[str]) -> UsageError:
    asked = " ".join(f"--variant {v}" for v in sorted(variants))
    return UsageError(
        f"{asked}: {task} does not serve it here; expected one of {', '.join(sorted(served))}."
    )


def _examples(
    loaded: LoadedTask,
    rendered: RenderedExamples,
    parts: Mapping[int, ExampleParts],
    rows: PreviewRows,
    *,
    drawn: bool = True,
) -> list[PreviewedExample]:
    """The examples in the order of their draws."""
    directions = {t.id: t.direction for t in loaded.templates.templates}
    result = []
    # Looking for an identity goes through the whole store: once for each row is enough.
    known = {row: rows.shown(rows.rows.index_of(row)) for row in set(rendered.rows)}
    for at in np.argsort(rendered.draws).tolist():
        row = known[rendered.rows[at]]
        result.append(
            PreviewedExample(
                draw=rendered.draws[at] if drawn else None,
                variant=rendered.variants[at],
                template=rendered.templates[at],
                direction=directions[rendered.templates[at]],
                style=rendered.styles[at],
                row=row.fields,
                row_id=row.row,
                number=row.number,
                place=row.place,
                record=row.record,
                inputs=rendered.inputs[at],
                targets=rendered.targets[at],
                num_exemplars=len(rendered.exemplar_rows[at]),
                parts=parts[rendered.draws[at]],
            )
        )
    return result


@dataclass(frozen=True, kw_only=True, slots=True)
class DroppedChoice:
    """A template, variant and row that gave no example, and why.

    Attributes:
      number: of the row, as `PreviewedExample` has it.
    """

    template: str
    variant: str
    number: int
    why: str

    def text(self) -> str:
        """One line."""
        return f"template {self.template}, {self.variant}: {self.why}"


def chosen_examples(
    loaded: LoadedTask,
    rows: PreviewRows,
    *,
    indices: Sequence[int],
    variants: Collection[str] = (),
    template: str = "",
) -> tuple[list[PreviewedExample], list[DroppedChoice]]:
    """Rows said by every template in every variant it serves, whatever the recipe's rates.

    Args:
      loaded: the task.
      rows: its rows.
      indices: of the rows to show.
      variants: only these; none for all.
      template: only the one with this id.

    Returns:
      Examples by template, variant and row, and choices that came to nothing.

    Raises:
      UsageError: if nothing is left to be shown.
      RecipeError: if no template serves any variant.
    """
    every = tuple((variant, Fraction(1)) for variant in VARIANTS)
    even = replace(loaded.part.settings, variants=every, inversion_rate=None)
    plan = _plan(loaded, replace(loaded.part, settings=even), rows=rows.count, count=1)
    ids = [t.id for t in loaded.templates.templates]
    cells = {cell.variant: (place, cell) for place, cell in enumerate(plan.cells)}
    chosen: list[Chosen] = []
    for number, template_id in enumerate(ids):
        if template and template_id != template:
            continue
        for variant in VARIANTS:
            place, cell = cells.get(variant, (-1, None))
            if cell and number in cell.templates and (not variants or variant in variants):
                chosen += [(place, number, index) for index in indices]
    if not chosen:
        raise _not_served(variants, template or loaded.card.id, set(cells))
    rendered, parts = _renderer(loaded, plan, rows).render_chosen(chosen)
    dropped = [
        DroppedChoice(
            template=d.template,
            variant=plan.cells[chosen[d.draw][0]].variant,
            number=rows.shown(chosen[d.draw][2]).number,
            why=f"{d.reason}: {d.detail}",
        )
        for d in sorted(rendered.dropped, key=lambda d: d.draw)
    ]
    return _examples(loaded, rendered, parts, rows, drawn=False), dropped
