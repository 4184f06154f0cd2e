"""Parsing what workers will need, once, in the process they are forked from.

Parsing and compiling the templates of a recipe takes half a second, which each worker would
spend anew. All of it is kept by the texts themselves, so a worker that gets another recipe
after all only does not profit.
"""

from __future__ import annotations

import gc
from pathlib import Path

from mixture_builder.fingerprint import canonical_json
from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jobs.build import option_pieces
from mixture_builder.jobs.loading import load_mixture
from mixture_builder.known_files import recall, remember
from mixture_builder.lock import style_pools_of
from mixture_builder.render.columnar_texts import know_programs, program_of, programs_to_json
from mixture_builder.settings import Settings


def warm_up(recipe: Path, *, cards: Path | None, templates: Path | None) -> None:
    """Parses the templates and styles of a recipe.

    Raises:
      MixtureBuilderError: as for `load_mixture`; the main process reports it.
    """
    mixture = load_mixture(recipe, shown_as=str(recipe), cards=cards, templates=templates)
    few_shot = any(_asks_few_shot(part.settings) for part in mixture.recipe.root.walk())
    texts = sorted(
        {
            text
            for template_set in mixture.templates.values()
            for template in template_set.templates
            for key, text in template.texts()
            if few_shot or not key.startswith("few_shot")
        }
    )
    content = canonical_json(texts)
    programs = recall("programs", content)
    if programs is None:
        remember("programs", content, found=programs_to_json(texts))
    else:
        know_programs(programs)
    for text in texts:
        # What needs more than a program is rendered row by row.
        if None in (program_of(text, options_shown=shown) for shown in (False, True)):
            compile_text(text).prepare()
    for pins in {part.settings.styles for part in mixture.recipe.root.walk()}:
        option_pieces(style_pools_of(mixture.styles_plain, pins))
    # What stands now is shared by all workers; a collection would touch, and so copy, each page.
    gc.collect()
    gc.freeze()


def _asks_few_shot(settings: Settings) -> bool:
    return any(rate and variant.startswith("fs_") for variant, rate in settings.variants)
