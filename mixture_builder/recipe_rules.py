"""Rules of a recipe that its schema cannot say; all that are broken are reported at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mixture_builder.findings import Finding, error
from mixture_builder.recipe_model import REPEAT, MixtureRecipe, Submixture
from mixture_builder.sizes import KINDS
from mixture_builder.task_rates import TEMPERATURE
from mixture_builder.yaml_files import find_lines, format_place, line_of

Place = tuple[str | int, ...]

Broken = tuple[Place, str, str]
"""Place, message and remedy of one broken rule."""

_ALL_ZERO = "found only rates of 0; expected at least one above 0."


def broken_rules(recipe: MixtureRecipe, path: Path) -> Iterator[Finding]:
    """Every rule that a recipe breaks although its schema allows it.

    Args:
      recipe: as parsed.
      path: of its file, for line numbers.
    """
    lines = find_lines(path)
    found = [*_size(recipe.raw)]
    reported: set[object] = set()  # what is inherited is reported where it is written
    for part, place, raw in _with_places(recipe.root, (), recipe.raw):
        found += _part(part, place, raw)
        found += _limits(part, place, raw)
        found += _settings(part, place, reported)
    for place, message, remedy in found:
        yield error(recipe.file, format_place(place), message, remedy, line_of(lines, place))


def _with_places(
    part: Submixture, place: Place, raw: Mapping[str, Any]
) -> Iterator[tuple[Submixture, Place, Mapping[str, Any]]]:
    """Each part with its place in the file and its own keys."""
    yield part, place, raw
    for inner, (name, inner_raw) in zip(
        part.parts, raw.get("submixtures", {}).items(), strict=True
    ):
        yield from _with_places(inner, (*place, "submixtures", name), inner_raw)


def _size(raw: Mapping[str, Any]) -> Iterator[Broken]:
    size = raw["size"]
    asked = [kind for kind in KINDS if kind in size]
    if len(asked) != 1:
        kinds = f"{', '.join(KINDS[:-1])} and {KINDS[-1]}"
        yield (
            ("size",),
            f"found {' and '.join(asked) or 'none'} of {kinds}; expected exactly one.",
            "",
        )
    if size.get("no_repeat") is False:
        yield (
            ("size", "no_repeat"),
            "found false; expected true, or a number of examples beside nothing else.",
            "Write size: {examples: N}, or no_repeat: true.",
        )
    if "tokens" in size and "tokenizer" not in size:
        yield (
            ("size",),
            "the key 'tokenizer' is missing.",
            "Add it: the `tokenizer.json` that tokens are counted with, relative to the recipe.",
        )
    for key in ("tokenizer", "count"):
        if key in size and "tokens" not in size:
            yield ("size", key), "it only goes with tokens.", "Remove it."
    if raw.get("when_dry", REPEAT) != REPEAT and {"no_repeat", "passes"} & size.keys():
        yield (
            ("when_dry",),
            f"it has no effect: with size.{asked[0]} no source runs dry.",
            "Remove it, or say how many examples there should be.",
        )


def _part(part: Submixture, place: Place, raw: Mapping[str, Any]) -> Iterator[Broken]:
    if place and not part.tasks and not part.parts:
        yield (
            place,
            "found neither tasks nor submixtures; expected at least one of them.",
            "Name the tasks, for example tasks: ['cot/*'].",
        )
    if part.tasks and part.parts:
        yield (
            place,
            "found tasks beside submixtures; expected one of them.",
            "Move the tasks into a submixture of their own.",
        )
    if part.parts and not any(p.rate for p in part.parts):
        yield place or ("submixtures",), _ALL_ZERO, ""
    rates = raw.get("task_rates")
    if isinstance(rates, dict) and TEMPERATURE in rates and len(rates) > 1:
        yield (
            (*place, "task_rates"),
            f"found {TEMPERATURE} beside other keys; expected it alone, or globs without it.",
            "Say rates of single tasks with `overrides`.",
        )
    if part.cap and part.task_rates.kind in {"equal", "explicit"}:
        yield (
            (*place, "cap"),
            "it has no effect: rates of the tasks do not follow from their rows.",
            "Remove it, or task_rates.",
        )
    if part.parts:
        for key in ("cap", "max_rows", "task_rates", "exclude"):
            if key in raw:
                yield (
                    (*place, key),
                    "it has no effect on a part that has no tasks of its own.",
                    "Move it into the submixtures.",
                )
    for number, override in enumerate(raw.get("overrides", ())):
        at = (*place, "overrides", number)
        if ("rate" in override) == ("times" in override):
            both = "both rate and times" if "rate" in override else "neither rate nor times"
            yield at, f"found {both}; expected one of them.", ""
        if not {"tasks", "categories", "languages"} & override.keys():
            yield (
                at,
                "found none of tasks, categories and languages; expected at least one.",
                "Say which tasks the rate is for.",
            )


def _limits(part: Submixture, place: Place, raw: Mapping[str, Any]) -> Iterator[Broken]:
    limits, settings = raw.get("limits", {}), part.settings
    tokens = {"input_tokens", "target_tokens"}
    if tokens & limits.keys() and not settings.tokenizer:
        yield (
            (*place, "limits"),
            "the key 'tokenizer' is missing.",
            "Add it: the `tokenizer.json` that tokens are counted with, relative to the recipe.",
        )
    counted = any(p.settings.input_tokens or p.settings.target_tokens for p in part.walk())
    if "tokenizer" in limits and not counted:
        yield (
            (*place, "limits", "tokenizer"),
            "it has no effect: there is no limit in tokens.",
            "Add input_tokens or target_tokens, or remove it.",
        )


def _settings(part: Submixture, place: Place, reported: set[object]) -> Iterator[Broken]:
    shots = part.settings.shots
    groups = [
        (("variants",), part.settings.variants),
        *((("shots", "forms", variant), forms) for variant, forms in shots.forms),
        (("shots", "counts"), shots.counts),
    ]
    for keys, rates in groups:
        if not any(rate for _, rate in rates) and rates not in reported:
            reported.add(rates)
            yield (*place, *keys), _ALL_ZERO, ""
