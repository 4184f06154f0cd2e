"""Mixture recipes: everything that decides the content of a mixture, and nothing else.

Where a build runs, with how many workers and where its files go is no part of a recipe.
Submixtures nest to any depth; variants, shots, options, styles, limits, filters, the origin
of templates and the inversion rate are inherited from the part around and may be set anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path
from typing import Any

from mixture_builder.filters import NO_FILTERS, Filters
from mixture_builder.findings import Finding, did_you_mean, error
from mixture_builder.rates import exact
from mixture_builder.shot_forms import NAMED_FORMS, OWN_FORM, Counts, ShotForm
from mixture_builder.style_pins import ALL_STYLES, StylePins
from mixture_builder.yaml_files import find_lines, line_of, load_checked

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
    inversion_rate: Fraction | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Submixture:
    """One part of a mixture: tasks of its own, or parts, or both.

    Attributes:
      path: names from the top, joined by dots.
      rate: beside its siblings.
      cap: most rows that count for a task's rate; 0 for no cap. It bounds a rate, not rows.
      tasks, exclude: task ids or globs.
      task_rates: `proportional` (to rows, up to the cap), `equal`, or `explicit`.
      explicit_rates: for `explicit`: glob and rate; the last glob that matches counts.
      parts: nested submixtures.
      filters: what is asked of the tasks' cards.
      templates_from: `ours`, `imported` or `any`: where templates may come from.
    """

    path: str
    rate: Fraction
    settings: Settings
    cap: int = 0
    tasks: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    task_rates: str = "proportional"
    explicit_rates: tuple[tuple[str, Fraction], ...] = ()
    parts: tuple[Submixture, ...] = ()
    filters: Filters = NO_FILTERS
    templates_from: str = "any"

    def select(self, ids: Iterable[str]) -> list[str]:
        """Ids that this part names, in the order of `ids`."""
        return [
            i
            for i in ids
            if any(fnmatchcase(i, glob) for glob in self.tasks)
            and not any(fnmatchcase(i, glob) for glob in self.exclude)
        ]

    def walk(self) -> Iterator[Submixture]:
        """This part and all below it."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(frozen=True, kw_only=True, slots=True)
class MixtureRecipe:
    """A whole recipe.

    Attributes:
      examples: size of the mixture; 0 for as many as no row repeats in.
      shards, format: how it is written, unless the command line says otherwise.
      root: the mixture as the outermost submixture.
      cards, templates: folders the recipe names, or `None` for the shipped ones.
      raw: the checked YAML as plain data, for locks.
    """

    name: str
    file: str
    root: Submixture
    seed: int = 0
    description: str = ""
    examples: int = 0
    shards: int = 0
    format: str = "parquet"
    cards: Path | None = None
    templates: Path | None = None
    raw: Mapping[str, Any]


def load_recipe(path: Path, *, shown_as: str) -> tuple[MixtureRecipe | None, list[Finding]]:
    """A recipe and everything that is wrong with its file.

    Returns:
      The recipe, or `None` and at least one error.
    """
    data, findings = load_checked(
        path, shown_as=shown_as, schema_name="recipe", prepared=_with_text_keys
    )
    if findings:
        return None, findings
    recipe = recipe_from_json(data, file=shown_as, folder=path.parent)
    findings = list(_check(recipe, path))
    return (None, findings) if findings else (recipe, [])


def _with_text_keys(value: Any) -> Any:
    """Plain data as JSON would hold it: YAML keeps keys such as numbers of exemplars as numbers."""
    if isinstance(value, dict):
        return {str(key): _with_text_keys(inner) for key, inner in value.items()}
    return [_with_text_keys(inner) for inner in value] if isinstance(value, list) else value


def recipe_from_json(
    data: Mapping[str, Any], *, file: str, folder: Path | None = None
) -> MixtureRecipe:
    """The recipe from checked plain data: a YAML file, or a lock."""
    outermost = _inherited(Submixture(path="", rate=Fraction(1), settings=Settings()), data)
    root = replace(
        outermost,
        parts=tuple(_submixture(name, raw, outermost) for name, raw in data["submixtures"].items()),
    )
    output = data.get("output", {})

    def below(key: str) -> Path | None:
        return folder / data[key] if folder and key in data else None

    return MixtureRecipe(
        name=data["name"],
        file=file,
        root=root,
        seed=data.get("seed", 0),
        description=data.get("description", ""),
        examples=data["size"].get("examples", 0),
        shards=output.get("shards", 0),
        format=output.get("format", "parquet"),
        cards=below("cards"),
        templates=below("templates"),
        raw=data,
    )


def _inherited(around: Submixture, raw: Mapping[str, Any]) -> Submixture:
    """What a part hands on to those in it."""
    return Submixture(
        path=around.path,
        rate=around.rate,
        settings=_settings(around.settings, raw),
        filters=around.filters.with_more(raw.get("filters", {})),
        templates_from=raw.get("templates_from", around.templates_from),
    )


def _submixture(name: str, raw: Mapping[str, Any], around: Submixture) -> Submixture:
    here = replace(_inherited(around, raw), path=f"{around.path}.{name}" if around.path else name)
    rates = raw.get("task_rates", "proportional")
    return replace(
        here,
        rate=exact(raw["rate"]),
        cap=raw.get("cap", 0),
        tasks=tuple(raw.get("tasks", ())),
        exclude=tuple(raw.get("exclude", ())),
        task_rates=rates if isinstance(rates, str) else "explicit",
        explicit_rates=()
        if isinstance(rates, str)
        else tuple((glob, exact(rate)) for glob, rate in rates.items()),
        parts=tuple(
            _submixture(inner, inner_raw, here)
            for inner, inner_raw in raw.get("submixtures", {}).items()
        ),
    )


def _settings(around: Settings, raw: Mapping[str, Any]) -> Settings:
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
    if "input_chars" in limits:
        result = replace(result, input_chars=limits["input_chars"])
    if "target_chars" in limits:
        result = replace(result, target_chars=limits["target_chars"])
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


def _check(recipe: MixtureRecipe, path: Path) -> Iterator[Finding]:
    lines = find_lines(path)
    if recipe.raw["size"].get("no_repeat") is False:
        yield error(
            recipe.file,
            "size.no_repeat",
            "found false; expected true, or a number of examples beside nothing else.",
            "Write size: {examples: N}, or no_repeat: true.",
            line_of(lines, ("size", "no_repeat")),
        )
    reported: set[object] = set()  # what is inherited is reported where it is written
    for part in recipe.root.walk():
        place: tuple[str | int, ...] = ()
        for name in part.path.split(".") if part.path else []:
            place = (*place, "submixtures", name)
        where = ".".join(str(p) for p in place)
        line = line_of(lines, place)
        if part.path and not part.tasks and not part.parts:
            yield error(
                recipe.file,
                where,
                "found neither tasks nor submixtures; expected at least one of them.",
                "Name the tasks, for example tasks: ['cot/*'].",
                line,
            )
        if part.tasks and part.parts:
            yield error(
                recipe.file,
                where,
                "found tasks beside submixtures; expected one of them.",
                "Move the tasks into a submixture of their own.",
                line,
            )
        if part.parts and not any(p.rate for p in part.parts):
            yield error(
                recipe.file,
                where or "submixtures",
                "found only rates of 0; expected at least one above 0.",
                "",
                line,
            )
        variants, counts = part.settings.variants, part.settings.shots.counts
        if not any(rate for _, rate in variants) and variants not in reported:
            reported.add(variants)
            yield error(
                recipe.file,
                f"{where}.variants" if where else "variants",
                "found only rates of 0; expected at least one above 0.",
                "",
                line,
            )
        for variant, forms in part.settings.shots.forms:
            if not any(rate for _, rate in forms) and forms not in reported:
                reported.add(forms)
                yield error(
                    recipe.file,
                    f"{where}.shots.forms.{variant}" if where else f"shots.forms.{variant}",
                    "found only rates of 0; expected at least one above 0.",
                    "",
                    line,
                )
        if not any(rate for _, rate in counts) and counts not in reported:
            reported.add(counts)
            yield error(
                recipe.file,
                f"{where}.shots.counts" if where else "shots.counts",
                "found only rates of 0; expected at least one above 0.",
                "",
                line,
            )


def select_tasks(
    recipe: MixtureRecipe, ids: Iterable[str]
) -> tuple[dict[str, Submixture], list[Finding]]:
    """Which submixture each task belongs to, and globs or ids that go wrong.

    Args:
      recipe: a checked recipe.
      ids: of all known cards.

    Returns:
      Submixture by task id, sorted by id, and an error for every glob that names no card
      and every task that two submixtures name.
    """
    known = list(ids)
    owners: dict[str, Submixture] = {}
    findings: list[Finding] = []
    for part in recipe.root.walk():
        place = f"submixtures.{part.path}.tasks"
        for glob in part.tasks:
            if not any(fnmatchcase(i, glob) for i in known):
                findings.append(
                    error(
                        recipe.file,
                        place,
                        f"found '{glob}', which names no card.",
                        did_you_mean(glob, known) or "`mixture-builder cards list` shows them.",
                    )
                )
        selected = part.select(known)
        if part.tasks and not selected and part.exclude:
            findings.append(
                error(
                    recipe.file,
                    f"submixtures.{part.path}.exclude",
                    "found no task that is not excluded; expected at least one.",
                    "Exclude less, or leave the submixture out.",
                )
            )
        for task in selected:
            if task in owners:
                findings.append(
                    error(
                        recipe.file,
                        place,
                        f"found '{task}', which submixtures.{owners[task].path} has already.",
                        "Exclude it from one of them.",
                    )
                )
            else:
                owners[task] = part
    return dict(sorted(owners.items())), findings
