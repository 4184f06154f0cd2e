"""A recipe as plain values: parts that nest to any depth, and what each of them inherits.

Where a build runs, with how many workers and where its files go is no part of a recipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from mixture_builder.filters import NO_FILTERS, Filters
from mixture_builder.globs import Globs
from mixture_builder.rates import exact
from mixture_builder.settings import Settings, settings_with
from mixture_builder.sizes import Size, size_from
from mixture_builder.task_rates import BY_ROWS, TaskRates, overrides_with, task_rates_from

REPEAT, RENORMALISE, STOP = "repeat", "renormalise", "stop"
"""What happens once all rows of a task were used: they are gone through again; the task gets no
more and its siblings take over; the mixture ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Submixture:
    """One part of a mixture: tasks of its own, or parts, or both.

    Attributes:
      path: names from the top, joined by dots.
      rate: beside its siblings.
      tasks, exclude: task ids or globs.
      task_rates: how its tasks share.
      max_rows: most rows of a task that are used, the first of the store; 0 for all.
      when_dry: what happens once all rows of a task were used: `repeat`, `renormalise` or `stop`.
      parts: nested submixtures.
      filters: what is asked of the tasks' cards.
      templates_from: `ours`, `imported` or `any`: where templates may come from.
    """

    path: str
    rate: Fraction
    settings: Settings
    tasks: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    task_rates: TaskRates = BY_ROWS
    max_rows: int = 0
    when_dry: str = REPEAT
    parts: tuple[Submixture, ...] = ()
    filters: Filters = NO_FILTERS
    templates_from: str = "any"

    @property
    def cap(self) -> int:
        """Most rows that count for a task's rate; 0 for no cap."""
        return self.task_rates.cap

    def select(self, ids: Iterable[str]) -> list[str]:
        """Ids that this part names, in the order of `ids`."""
        named, excluded = Globs(self.tasks), Globs(self.exclude)
        return [i for i in ids if named.match(i) and not excluded.match(i)]

    def walk(self) -> Iterator[Submixture]:
        """This part and all below it."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizerFile:
    """A `tokenizer.json` that a recipe names."""

    path: Path
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MixtureRecipe:
    """A whole recipe.

    Attributes:
      size: how large the mixture is.
      shards, format: how it is written, unless the command line says otherwise.
      root: the mixture as the outermost submixture.
      cards, templates: folders the recipe names, or `None` for the shipped ones.
      tokenizers: files of the tokenizers that it names, by their SHA-256.
      folder: where the recipe stands; `None` for one out of a lock.
      raw: the checked YAML as plain data, for locks.
    """

    name: str
    file: str
    root: Submixture
    size: Size
    seed: int = 0
    description: str = ""
    shards: int = 0
    format: str = "parquet"
    cards: Path | None = None
    templates: Path | None = None
    tokenizers: Mapping[str, Path] = field(default_factory=dict)
    folder: Path | None = None
    raw: Mapping[str, Any]


def recipe_from_json(
    data: Mapping[str, Any],
    *,
    file: str,
    folder: Path | None = None,
    tokenizers: Mapping[str, TokenizerFile] | None = None,
) -> MixtureRecipe:
    """The recipe from checked plain data: a YAML file, or a lock.

    Args:
      data: of the file.
      file: how messages name it.
      folder: that it stands in.
      tokenizers: files that it names, by what it calls them.
    """
    known = tokenizers or {}
    digests = {name: found.sha256 for name, found in known.items()}
    outermost = _inherited(
        Submixture(path="", rate=Fraction(1), settings=Settings()), data, digests
    )
    root = replace(
        outermost,
        parts=tuple(
            _submixture(name, raw, outermost, digests) for name, raw in data["submixtures"].items()
        ),
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
        size=size_from(data["size"], tokenizers=digests),
        shards=output.get("shards", 0),
        format=output.get("format", "parquet"),
        cards=below("cards"),
        templates=below("templates"),
        tokenizers={found.sha256: found.path for found in known.values()},
        folder=folder,
        raw=data,
    )


def _inherited(
    around: Submixture, raw: Mapping[str, Any], tokenizers: Mapping[str, str]
) -> Submixture:
    """What a part hands on to those in it."""
    return Submixture(
        path=around.path,
        rate=around.rate,
        settings=settings_with(around.settings, raw, tokenizers=tokenizers),
        filters=around.filters.with_more(raw.get("filters", {})),
        templates_from=raw.get("templates_from", around.templates_from),
        when_dry=raw.get("when_dry", around.when_dry),
        task_rates=TaskRates(overrides=overrides_with(around.task_rates.overrides, raw)),
    )


def _submixture(
    name: str, raw: Mapping[str, Any], around: Submixture, tokenizers: Mapping[str, str]
) -> Submixture:
    here = replace(
        _inherited(around, raw, tokenizers), path=f"{around.path}.{name}" if around.path else name
    )
    return replace(
        here,
        rate=exact(raw["rate"]),
        tasks=tuple(raw.get("tasks", ())),
        exclude=tuple(raw.get("exclude", ())),
        task_rates=task_rates_from(raw, around.task_rates.overrides),
        max_rows=raw.get("max_rows", 0),
        parts=tuple(
            _submixture(inner, inner_raw, here, tokenizers)
            for inner, inner_raw in raw.get("submixtures", {}).items()
        ),
    )
