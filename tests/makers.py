"""What several tests build their cases from: small cards, templates, recipes, rows, renderers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from mixture_builder.cards import CardSource, Field, TaskCard
from mixture_builder.cells import cells_of
from mixture_builder.plan import TaskPlan
from mixture_builder.rates import quotas
from mixture_builder.recipes import MixtureRecipe, Settings, Shots, recipe_from_json
from mixture_builder.render.memory_rows import MemoryRows
from mixture_builder.render.task import RenderedExamples, TaskRenderer
from mixture_builder.shipped import templates_folder
from mixture_builder.sources import Format, Source
from mixture_builder.style_pools import StylePools
from mixture_builder.styles import load_styles
from mixture_builder.templates import PromptTemplate, TemplateSet, templates_from_json

ZERO_SHOT_ONLY = (("zs_noopt", Fraction(1)),)
FEW_SHOT_ONLY = (("fs_noopt", Fraction(1)),)


@lru_cache(maxsize=1)
def shipped_styles() -> StylePools:
    """The pools that come with the package."""
    styles, _, findings = load_styles(templates_folder())
    assert styles is not None, findings
    return StylePools(styles)


def make_card(
    task: str = "demo/task",
    *,
    fields: Mapping[str, str],
    files: Sequence[str] = ("data.jsonl",),
    file_format: Format = "jsonl",
    folder: Path | str = "",
    keep: str = "",
    optional: Iterable[str] = (),
    types: Mapping[str, Any] | None = None,
    **further: Any,
) -> TaskCard:
    """A card whose fields are expressions over records of JSON lines."""
    fixed: dict[str, Any] = {"options": "list", "answers": "list", "turns": "list"}
    kinds = {**fixed, "answer_index": "int", **(types or {})}
    made = tuple(
        Field(
            name=name,
            expression=expression,
            type=kinds.get(name, "string"),
            optional=name in set(optional),
        )
        for name, expression in fields.items()
    )
    source = Source(files=tuple(files), format=file_format, revision="1")
    plain: dict[str, Any] = {
        "title": "A task",
        "description": "For tests.",
        "category": "tests",
        "kind": "open_qa",
        "languages": ("en",),
        "templates": "demo/templates",
        "licence": {"id": "CC0-1.0"},
        "size": {"rows": None},
        "sample": ({},),
        "file": "task_cards/demo/task.yaml",
    }
    return TaskCard(
        **{**plain, **further},
        id=task,
        sources=(CardSource(source=source, fields=made, keep=keep),),
        folder=str(folder),
    )


def make_template(
    name: str, shown: str, target: str = "{{ answer }}", **further: Any
) -> PromptTemplate:
    """A template; `further` are the keys of a template file."""
    return templates_from_json([{"id": name, "input": shown, "target": target, **further}])[0]


def make_templates(
    *templates: PromptTemplate, name: str = "demo/templates", origin: str = "ours"
) -> TemplateSet:
    """A set of templates as if read from a file."""
    return TemplateSet(
        name=name,
        file=f"templates/{name}.yaml",
        about="For tests.",
        templates=tuple(templates),
        origin=origin,
    )


def make_recipe(**keys: Any) -> MixtureRecipe:
    """A recipe from the keys of its file."""
    return recipe_from_json({"name": "demo", **keys}, file="recipes/demo.yaml")


def make_settings(**further: Any) -> Settings:
    """Settings, by default of zero-shot prompts without options only."""
    return Settings(**{"variants": ZERO_SHOT_ONLY, **further})


def make_shots(*counts: int, **further: Any) -> Shots:
    """Shots with equal rates for each of the counts."""
    return Shots(counts=tuple((n, Fraction(1)) for n in counts), **further)


def make_task_plan(
    *,
    rows: int,
    quota: int,
    templates: TemplateSet,
    settings: Settings,
    has_options: bool = False,
    questions: bool = True,
    fixed_option_order: bool = False,
    task: str = "demo/task",
) -> TaskPlan:
    """A task's plan as `make_plan` would make it for a mixture of this task alone."""
    cells = cells_of(
        templates, has_options=has_options, settings=settings, exemplars_exist=rows > 1
    )
    spent = quotas({f"{i:02d}": Fraction(c.weight) for i, c in enumerate(cells)}, total=quota)
    with_quotas = tuple(
        replace(cell, quota=share) for cell, share in zip(cells, spent.values(), strict=True)
    )
    return TaskPlan(
        task=task,
        submixture="demo",
        rows=rows,
        query_rows=rows,
        pool=min(settings.shots.pool or rows, rows),
        rate=Fraction(1),
        share=Fraction(1),
        quota=quota,
        cells=with_quotas,
        templates=templates.name,
        settings=settings,
        questions=questions,
        fixed_option_order=fixed_option_order,
    )


def render(
    rows: Sequence[Mapping[str, Any]],
    templates: TemplateSet,
    *,
    quota: int,
    settings: Settings,
    seed: int = 0,
    **further: Any,
) -> tuple[RenderedExamples, MemoryRows]:
    """All draws of a task over rows in memory, and these rows."""
    stored = MemoryRows(rows, fields=list(rows[0]))
    plan = make_task_plan(
        rows=len(rows),
        quota=quota,
        templates=templates,
        settings=settings,
        has_options="options" in rows[0],
        **further,
    )
    renderer = TaskRenderer(
        plan,
        templates=templates.templates,
        styles=StylePools(settings.styles.apply(shipped_styles().styles))
        if settings.styles.pinned
        else shipped_styles(),
        rows=stored,
        seed=seed,
    )
    return renderer.render(range(quota)), stored
