"""What the examples of a task are spent on: variants, forms of few-shot prompts, directions."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from mixture_builder.errors import RecipeError
from mixture_builder.rates import shares, whole_weights
from mixture_builder.settings import Settings
from mixture_builder.templates import TemplateSet
from mixture_builder.variants import VARIANTS, Cell, check_cycle


@lru_cache(maxsize=4096)
def cells_of(
    templates: TemplateSet, *, has_options: bool, settings: Settings, exemplars_exist: bool
) -> tuple[Cell, ...]:
    """What a task's examples are spent on.

    A variant that no template of the task serves gives its rate to the one with the same
    number of exemplars, and a few-shot variant of a task with a single row to the
    zero-shot one: shares are moved, never lost.

    Raises:
      RecipeError: if no template serves any variant that the settings ask for, or rates have
        so many digits that variants cannot be dealt out.
    """
    asked = [
        (variant, form, rate * share)
        for variant, rate in settings.variants
        if rate
        for form, share in _forms(settings, variant)
    ]
    serving = {
        form: _serving(templates, settings, form=form, has_options=has_options)
        for form in {"", *(form for _, form, _ in asked)}
    }
    spent: dict[tuple[str, str], Fraction] = {}
    for variant, form, rate in asked:
        for fallback in _fallbacks(variant, exemplars_exist=exemplars_exist):
            kept = form if fallback.startswith("fs_") else ""
            if serving[kept][fallback]:
                spent[fallback, kept] = spent.get((fallback, kept), Fraction(0)) + rate
                break
        else:
            raise RecipeError(
                f"{templates.file}: no template serves the variant {variant}, nor one near it; "
                "expected at least one. Add a template, or set the variant's rate to 0."
            )
    cells: list[tuple[Cell, Fraction]] = []
    for (variant, form), rate in sorted(spent.items()):
        cell = Cell(variant=variant, direction="direct", weight=0, quota=0, templates=(), form=form)
        chosen = serving[form][variant]
        inverted = [i for i in chosen if templates.templates[i].direction == "inverted"]
        direct = [i for i in chosen if i not in inverted]
        inversion = settings.inversion_rate
        if inversion is None or not inverted or not direct:
            cells += _by_lists(templates, settings, cell, rate, chosen)
            continue
        cells += _by_lists(templates, settings, cell, rate / (1 + inversion), direct)
        if inversion:
            other = replace(cell, direction="inverted")
            share = rate * inversion / (1 + inversion)
            cells += _by_lists(templates, settings, other, share, inverted)
    weights = whole_weights([rate for _, rate in cells])
    check_cycle(weights)
    return tuple(
        replace(cell, weight=weight) for (cell, _), weight in zip(cells, weights, strict=True)
    )


def _forms(settings: Settings, variant: str) -> list[tuple[str, Fraction]]:
    """Forms of a variant's prompts with their shares of it; zero-shot prompts have none."""
    if not variant.startswith("fs_"):
        return [("", Fraction(1))]
    rates = dict(settings.shots.forms_of(variant))
    return [(form, share) for form, share in shares(rates).items() if share]


def _serving(
    templates: TemplateSet, settings: Settings, *, form: str, has_options: bool
) -> dict[str, list[int]]:
    """The templates that serve each variant, where few-shot prompts have a certain form."""
    mixed = settings.shots.form(form).mixed_templates
    served = [
        t.served(has_options=has_options, mixed=mixed, strict=settings.strict_options)
        for t in templates.templates
    ]
    return {
        variant: [i for i, variants in enumerate(served) if variant in variants]
        for variant in VARIANTS
    }


def _by_lists(
    templates: TemplateSet, settings: Settings, cell: Cell, rate: Fraction, chosen: list[int]
) -> list[tuple[Cell, Fraction]]:
    """A cell, or two where some of its templates list the options by themselves.

    For those no style is drawn, or a target could be the label of a list that is not shown.
    """
    own: list[int] = []
    if settings.strict_options and cell.variant.endswith("_opt"):
        few_shot = cell.few_shot and not settings.shots.form(cell.form).mixed_templates
        own = [i for i in chosen if templates.templates[i].writes_options(few_shot=few_shot)]
    others = [i for i in chosen if i not in own]
    return [
        (replace(cell, templates=tuple(of), own_lists=of is own), rate * len(of) / len(chosen))
        for of in (others, own)
        if of
    ]


def _fallbacks(variant: str, *, exemplars_exist: bool) -> list[str]:
    shots, options = variant.split("_")
    other = "noopt" if options == "opt" else "opt"
    order = [variant, f"{shots}_{other}"]
    if shots == "fs":
        zero = [f"zs_{options}", f"zs_{other}"]
        return order + zero if exemplars_exist else zero
    return order
