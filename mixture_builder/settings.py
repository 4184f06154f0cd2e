"""What a part of a mixture inherits: how its examples are made, whichever its tasks are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from mixture_builder.rates import exact
from mixture_builder.shot_forms import NAMED_FORMS, OWN_FORM, Counts, ShotForm
from mixture_builder.style_pins import ALL_STYLES, StylePins

DEFAULT_POOL = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Shots:
    """How few-shot prompts are made.

    Attributes:
      counts: number of exemplars and the rate of each, largest shares first in no order.
      pool: rows that exemplars are drawn from, the first of the store; 0 for all.
      reserve: whether pool rows are kept out of the queries.
      mixed_templates: whether each exemplar has a template of its own.
      forms: for few-shot variants the forms their prompts have, by name, and the rate of each;
        a variant that is not named has the form that `counts` and `mixed_templates` spell out.
    """

    counts: Counts = (
        (2, Fraction(1)),
        (3, Fraction(1)),
        (5, Fraction(1)),
    )
    pool: int = DEFAULT_POOL
    reserve: bool = False
    mixed_templates: bool = False
    forms: tuple[tuple[str, tuple[tuple[str, Fraction], ...]], ...] = ()

    def form(self, name: str) -> ShotForm:
        """The form of a name; the one that is spelt out for an empty one."""
        if name:
            return NAMED_FORMS[name]
        return ShotForm(counts=self.counts, mixed_templates=self.mixed_templates)

    def forms_of(self, variant: str) -> tuple[tuple[str, Fraction], ...]:
        """Forms of a variant's prompts and their rates; an empty name is the spelt-out form."""
        for named, forms in self.forms:
            if named == variant:
                return forms
        return (("", Fraction(1)),)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a submixture inherits.

    Attributes:
      variants: rate of each variant.
      shots: how few-shot prompts are made.
      shuffle_options: whether answer options are shuffled for each example.
      strict_options: whether templates that write the options out themselves serve only
        variants with options.
      styles: the styles that may be drawn.
      input_chars, target_chars: length budgets in characters; 0 for none.
      input_tokens, target_tokens: length budgets in tokens; 0 for none.
      tokenizer: SHA-256 of the `tokenizer.json` they are counted with.
      inversion_rate: rate of inverted templates beside 1 for direct ones; `None` treats
        all templates alike.
    """

    variants: tuple[tuple[str, Fraction], ...] = (
        ("zs_opt", Fraction(1)),
        ("zs_noopt", Fraction(1)),
        ("fs_opt", Fraction(1)),
        ("fs_noopt", Fraction(1)),
    )
    shots: Shots = Shots()
    shuffle_options: bool = True
    strict_options: bool = False
    styles: StylePins = ALL_STYLES
    input_chars: int = 0
    target_chars: int = 0
    input_tokens: int = 0
    target_tokens: int = 0
    tokenizer: str = ""
    inversion_rate: Fraction | None = None


def settings_with(
    around: Settings, raw: Mapping[str, Any], *, tokenizers: Mapping[str, str]
) -> Settings:
    """The settings of a part: those around it with its own keys laid over them.

    Args:
      around: settings of the part around it.
      raw: its own keys.
      tokenizers: SHA-256 of the tokenizers that a recipe names, by what it calls them.
    """
    result = around
    if "variants" in raw:
        result = replace(
            result, variants=tuple((v, exact(rate)) for v, rate in raw["variants"].items())
        )
    if "shots" in raw:
        shots = raw["shots"]
        changed = result.shots
        if "counts" in shots:
            # Sorted, so that the order of keys decides nothing.
            counts = tuple(sorted((int(n), exact(rate)) for n, rate in shots["counts"].items()))
            changed = replace(changed, counts=counts)
        if "pool" in shots:
            changed = replace(changed, pool=0 if shots["pool"] == "all" else shots["pool"])
        if "reserve" in shots:
            changed = replace(changed, reserve=shots["reserve"])
        if "templates" in shots:
            changed = replace(changed, mixed_templates=shots["templates"] == "mixed")
        if "forms" in shots:
            changed = replace(changed, forms=_forms(shots["forms"]))
        result = replace(result, shots=changed)
    if "shuffle" in raw.get("options", {}):
        result = replace(result, shuffle_options=raw["options"]["shuffle"])
    if "strict" in raw.get("options", {}):
        result = replace(result, strict_options=raw["options"]["strict"])
    if "styles" in raw:
        result = replace(result, styles=result.styles.with_more(raw["styles"]))
    limits = raw.get("limits", {})
    numbers = {key: limits[key] for key in limits if key != "tokenizer"}
    result = replace(result, **numbers)
    if "tokenizer" in limits:
        name = limits["tokenizer"]
        result = replace(result, tokenizer=tokenizers.get(name, name))
    if "inversion_rate" in raw:
        result = replace(result, inversion_rate=exact(raw["inversion_rate"]))
    return result


def _forms(raw: Mapping[str, Mapping[str, Any]]) -> tuple[Any, ...]:
    """Forms by variant; sorted, so that the order of keys decides nothing."""
    return tuple(
        (
            variant,
            tuple(sorted(("" if n == OWN_FORM else n, exact(rate)) for n, rate in forms.items())),
        )
        for variant, forms in sorted(raw.items())
    )
