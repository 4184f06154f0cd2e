"""Helpers for tests of your own cards, templates and transforms.

    assert_card_is_sound    a card's sample records give rows, and all templates render them
    make_rows               the canonical rows of a card's sample records
    run_eagerly             what a Beam transform makes of a few elements, as a list

They raise AssertionError, so that any test framework reports them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mixture_builder.canonical import Row, RowMaker, RowProblem, row_identity
from mixture_builder.card_files import load_card_file
from mixture_builder.cards import QUESTION_KINDS, TaskCard
from mixture_builder.draw import Bits, Indices
from mixture_builder.findings import Finding, Report
from mixture_builder.jobs.inspect.check_cards import rendering_signature
from mixture_builder.plan import TaskPlan
from mixture_builder.render.batch import RenderedExamples
from mixture_builder.render.memory_rows import MemoryRows
from mixture_builder.render.task import TaskRenderer
from mixture_builder.settings import Settings, Shots
from mixture_builder.shipped import templates_folder
from mixture_builder.style_pools import StylePools
from mixture_builder.styles import load_styles
from mixture_builder.template_files import check_names, load_templates
from mixture_builder.templates import TemplateSet
from mixture_builder.variants import VARIANTS, Cell

if TYPE_CHECKING:
    from mixture_builder.transforms.quiet_beam import beam


def make_rows(card: TaskCard) -> list[Row]:
    """The canonical rows of a card's sample records, in their order.

    Records for which `keep` is false give no row.

    Raises:
      AssertionError: if a record gives no row for another reason, or none gives one.
    """
    names = tuple(field.name for field in card.fields)
    makers = [RowMaker(source, normalise=card.normalise) for source in card.sources]
    rows: list[Row] = []
    for number, record in enumerate(card.sample):
        # Alternatives may have sources of other shapes; a sample is shaped like one of them.
        made = [maker.row(dict(record)) for maker in makers]
        row = next((r for r in made if not isinstance(r, RowProblem)), made[0])
        if isinstance(row, RowProblem):
            raise AssertionError(  # noqa: TRY004  (the record is at fault, not the caller)
                f"{card.file}: {card.id}: sample[{number}]: {row.reason} in '{row.field}': "
                f"{row.detail}. Correct the field's expression, or the sample."
            )
        if row is not None:
            rows.append({name: row[name] for name in names})
    if not rows:
        raise AssertionError(
            f"{card.file}: {card.id}: none of {len(card.sample)} sample records gave a row, since "
            "'keep' is false for all; expected at least one. Add a sample that is kept."
        )
    return rows


def assert_card_is_sound(
    card: TaskCard | str | Path, *, templates: str | Path | None = None
) -> None:
    """Checks a card against its own samples and its templates.

    A file must have no finding. Every sample record must give a row, every template must
    have a sample that it can show, and must render it to a prompt and a target in every variant
    that it serves, without another row or template in its place. Where there are two samples or
    more, each few-shot variant must come with an exemplar for one of them at least.

    Cards that differ in nothing of this, such as the members of a family, are rendered once.

    Args:
      card: a card, or a file of one or several cards, or of a family.
      templates: the folder of templates and styles; the shipped one if not given.

    Raises:
      AssertionError: with all that is wrong.
    """
    folder = Path(templates) if templates else templates_folder()
    if isinstance(card, TaskCard):
        cards, findings = [card], list[Finding]()
    else:
        cards, findings = load_card_file(Path(card), shown_as=str(card))
    styles, _, style_findings = load_styles(folder)
    if findings or styles is None:
        raise AssertionError(Report(findings=(*findings, *style_findings)).format())
    pools = StylePools(styles)
    different = {(rendering_signature(c), c.kind, c.fixed_option_order): c for c in cards[::-1]}
    problems = [problem for c in different.values() for problem in _card_problems(c, folder, pools)]
    if problems:
        raise AssertionError("\n".join(problems))


def _card_problems(card: TaskCard, folder: Path, styles: StylePools) -> Iterator[str]:
    try:
        rows = make_rows(card)
    except AssertionError as problem:
        yield str(problem)
        return
    loaded, findings = load_templates(folder, card.templates)
    if loaded is not None:
        optional = frozenset(field.name for field in card.fields if field.optional)
        findings = list(
            check_names(loaded, known=card.template_names(), optional=optional, task=card.id)
        )
    if loaded is None or findings:
        yield Report(findings=tuple(findings)).format()
        return
    fields = tuple(field.name for field in card.fields)
    held = MemoryRows(rows, fields=fields)
    needed = {
        (template.id, variant)
        for template in loaded.templates
        for variant in template.served(has_options=card.has_options)
        if held.count > 1 or not variant.startswith("fs_")
    }
    if not needed:
        yield f"{loaded.file}: no template serves {card.id}; expected at least one."
        return
    for row in rows:
        # All other rows are the pool that exemplars are drawn from.
        turned = _LastOf(held, held.index_of(row_identity(row, fields)))
        rendered = _rendered(card, loaded, styles, row, turned)
        needed -= set(zip(rendered.templates, rendered.variants, strict=True))
        for drop in rendered.dropped:
            # Two or three samples may all say the same; a task's rows do not.
            if drop.reason != "no_exemplar":
                # What a sample cannot be rendered with is said once.
                needed -= {(drop.template, variant) for variant in VARIANTS}
                yield (
                    f"{loaded.file}: '{drop.template}': {card.id}: {drop.reason}: {drop.detail}, "
                    f"for the sample that gives {row}. Correct the template, or the sample."
                )
    for template, variant in sorted(needed):
        yield (
            f"{loaded.file}: '{template}': {card.id}: no sample can be shown in the variant "
            f"{variant}: a field that the template requires is empty in all, or none may be an "
            "exemplar of another. Add a sample."
        )


def _rendered(
    card: TaskCard, templates: TemplateSet, styles: StylePools, query: Row, rows: _LastOf
) -> RenderedExamples:
    """The query, the last of the rows, in each template and variant that can show it."""
    cells = tuple(
        Cell(variant=variant, direction=t.direction, weight=1, quota=1, templates=(index,))
        for index, t in enumerate(templates.templates)
        if all(query[name] for name in t.requires)
        for variant in VARIANTS
        if variant in t.served(has_options=card.has_options)
        if rows.count > 1 or not variant.startswith("fs_")
    )
    plan = TaskPlan(
        task=card.id,
        submixture=card.submixture,
        rows=rows.count,
        query_rows=1,
        pool=rows.count - 1,
        rate=Fraction(1),
        share=Fraction(1),
        quota=len(cells),
        cells=cells,
        templates=templates.name,
        settings=Settings(shots=Shots(counts=((max(1, rows.count - 1), Fraction(1)),))),
        questions=card.kind in QUESTION_KINDS,
        fixed_option_order=card.fixed_option_order,
    )
    renderer = TaskRenderer(plan, templates=templates.templates, styles=styles, rows=rows, seed=0)
    return renderer.render(range(plan.quota))


class _LastOf:
    """The same rows with one of them last, where a plan with one query row looks for it."""

    def __init__(self, rows: MemoryRows, last: int) -> None:
        self._rows = rows
        self._order = np.asarray([*(i for i in range(rows.count) if i != last), last])
        self.count = rows.count
        self.fields = rows.fields
        self.size = rows.size

    def columns(self, names: Iterable[str], indices: Indices) -> dict[str, list[Any]]:
        return self._rows.columns(names, self._order[indices])

    def ids(self, indices: Indices) -> npt.NDArray[np.int64]:
        return self._rows.ids(self._order[indices])

    def keys(self, name: str, indices: Indices) -> Bits:
        return self._rows.keys(name, self._order[indices])

    def forget(self) -> None:
        self._rows.forget()


def run_eagerly(elements: Iterable[Any], transform: beam.PTransform[Any, Any]) -> list[Any]:
    """Runs a transform over elements in this process and gives what comes out.

    Args:
      elements: of the input, picklable.
      transform: from one collection to one collection.

    Returns:
      The elements of the output, in no order that means anything.
    """
    from mixture_builder.transforms.quiet_beam import beam

    run = secrets.token_hex(8)
    _collected[run] = []
    try:
        # Without options given, Beam would take this process's command line for them.
        no_options = beam.options.pipeline_options.PipelineOptions([])
        pipeline = beam.Pipeline(runner="FnApiRunner", options=no_options)
        _ = (
            pipeline
            | "Create" >> beam.Create(list(elements), reshuffle=False)
            | transform
            | "Collect" >> beam.Map(_collect, run)
        )
        pipeline.run().wait_until_finish()
        return _collected[run]
    finally:
        del _collected[run]


_collected: dict[str, list[Any]] = {}
"""What came out of runs that are going on; the runner works in this process."""


def _collect(element: Any, run: str) -> None:
    _collected[run].append(element)
