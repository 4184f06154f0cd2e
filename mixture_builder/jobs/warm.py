"""Parsing what workers will need, once, in the process they are forked from.

Parsing and compiling the templates of a recipe takes half a second, which each worker would
spend anew. All of it is kept by the texts themselves, so a worker that gets another recipe
after all only does not profit.
"""

from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mixture_builder.fingerprint import canonical_json
from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jobs.loading import load_mixture
from mixture_builder.jobs.task_renderers import option_pieces
from mixture_builder.known_files import recall, remember
from mixture_builder.lock import style_pools_of
from mixture_builder.render.programs import know_programs, program_of, programs_to_json
from mixture_builder.settings import Settings
from mixture_builder.style_pins import StylePins
from mixture_builder.template_texts import facts_to_json, know_facts
from mixture_builder.templates import PromptTemplate


def warm_up(recipe: Path, *, cards: Path | None, templates: Path | None) -> None:
    """Parses the templates and styles of a recipe.

    Raises:
      MixtureBuilderError: as for `load_mixture`; the main process reports it.
    """
    # Cards of thousands of tasks would leave memory in pieces that every worker inherits.
    found = in_another_process(lambda: _found(recipe, cards=cards, templates=templates))
    texts = found.texts
    know_facts(found.facts)
    known = know_templates(texts)
    if not known:
        remember("programs", canonical_json(texts), found=programs_to_json(texts))
    for text in texts:
        # What needs more than a program is rendered row by row.
        if None in (program_of(text, options_shown=shown) for shown in (False, True)):
            compile_text(text).prepare()
    for pins in found.pins:
        option_pieces(style_pools_of(found.styles, pins))
    if not known:
        # What parsing has left behind would be held by every worker.
        gc.collect()


def know_templates(texts: Sequence[str]) -> bool:
    """Gives this process the programs of texts, if any before it has worked out those of the same.

    Args:
      texts: as `texts_of` gives them.
    """
    programs = recall("programs", canonical_json(texts))
    if programs is None:
        return False
    know_programs(programs)
    return True


def texts_of(templates: Iterable[PromptTemplate], *, few_shot: bool) -> list[str]:
    """The texts of templates that a mixture needs, sorted.

    Args:
      templates: of all its tasks.
      few_shot: whether it has few-shot examples.
    """
    return sorted(
        {
            text
            for template in templates
            for key, text in template.texts()
            if few_shot or not key.startswith("few_shot")
        }
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What rendering needs of a recipe's files.

    Attributes:
      texts: of all templates, sorted.
      facts: what is known of them, for `know_facts`.
      styles: plain data of the pools.
      pins: what parts of the recipe leave of them.
    """

    texts: list[str]
    facts: dict[str, Any]
    styles: Mapping[str, Any]
    pins: frozenset[StylePins]


def _found(recipe: Path, *, cards: Path | None, templates: Path | None) -> _Found:
    mixture = load_mixture(recipe, shown_as=str(recipe), cards=cards, templates=templates)
    few_shot = any(_asks_few_shot(part.settings) for part in mixture.recipe.root.walk())
    templates_of_all = (t for found in mixture.templates.values() for t in found.templates)
    texts = texts_of(templates_of_all, few_shot=few_shot)
    return _Found(
        texts=texts,
        facts=facts_to_json(texts),
        styles=mixture.styles_plain,
        pins=frozenset(part.settings.styles for part in mixture.recipe.root.walk()),
    )


_Result = TypeVar("_Result")


def in_another_process(function: Callable[[], _Result]) -> _Result:
    """What a function returns in a process forked for it, whose memory is gone with it.

    To be called before there are threads.

    Raises:
      EOFError: if it raises something.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # Nothing of the parent's may run here: neither its handlers at exit nor its output.
        try:
            os.close(reading)
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(function(), pipe)
        finally:
            os._exit(0)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as pipe:
            found: _Result = pickle.load(pipe)  # noqa: S301  (our own, made above)
    finally:
        os.waitpid(child, 0)
    return found


def _asks_few_shot(settings: Settings) -> bool:
    return any(rate and variant.startswith("fs_") for variant, rate in settings.variants)
