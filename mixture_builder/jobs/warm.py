"""Parsing what workers will need, once, in the process they are forked from.

Parsing and compiling the templates of a recipe takes half a second, which each worker would
spend anew. All of it is kept by the texts themselves, so a worker that gets another recipe
after all only does not profit.
"""

from __future__ import annotations

import gc
from pathlib import Path

from mixture_builder.jobs.build import option_pieces
from mixture_builder.jobs.mixture import load_mixture
from mixture_builder.lock import style_pools_of
from mixture_builder.recipes import Settings
from mixture_builder.render.columnar_texts import program_of
from mixture_builder.templates import PromptTemplate


def warm_up(recipe: Path, *, cards: Path | None, templates: Path | None) -> None:
    """Parses the templates and styles of a recipe.

    Raises:
      MixtureBuilderError: as for `load_mixture`; the main process reports it.
    """
    mixture = load_mixture(recipe, shown_as=str(recipe), cards=cards, templates=templates)
    few_shot = any(_asks_few_shot(part.settings) for part in mixture.recipe.root.walk())
    for template_set in mixture.templates.values():
        for template in template_set.templates:
            _prepare(template, few_shot=few_shot)
    for pins in {part.settings.styles for part in mixture.recipe.root.walk()}:
        option_pieces(style_pools_of(mixture.styles_plain, pins))
    # What stands now is shared by all workers; a collection would touch, and so copy, each page.
    gc.collect()
    gc.freeze()


def _asks_few_shot(settings: Settings) -> bool:
    return any(rate and variant.startswith("fs_") for variant, rate in settings.variants)


def _prepare(template: PromptTemplate, *, few_shot: bool) -> None:
    names = template.names
    assert names is not None
    texts = [template.input, template.target]
    if few_shot:
        further = (template.instruction, template.few_shot_input, template.few_shot_target)
        texts += [text for text in further if text]
    plain = [program_of(text, options_shown=shown) for shown in (False, True) for text in texts]
    # What needs more than a program is rendered row by row.
    if None in plain:
        template.input_for(few_shot=False).prepare()
        template.target_for(few_shot=False).prepare()
        if few_shot:
            template.input_for(few_shot=True).prepare()
            template.target_for(few_shot=True).prepare()
