"""The lock: a recipe with everything resolved, enough to make any shard again.

It holds the recipe, the plan, the texts of all templates and styles that are used, and the
digests of the rows. Nothing in it says where or when a build ran, so its fingerprint names
the content of the mixture, the number of shards and the format.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

from mixture_builder.fingerprint import canonical_json, fingerprint_of_large
from mixture_builder.plan import MixturePlan, TaskPlan
from mixture_builder.settings import Settings, Shots
from mixture_builder.style_pins import ALL_STYLES, StylePins
from mixture_builder.style_pools import StylePools
from mixture_builder.styles import styles_from_json
from mixture_builder.templates import PromptTemplate, templates_from_json, templates_to_json
from mixture_builder.variants import Cell

RENDER_VERSION = 2
"""Raised when the same lock would be rendered to other texts, or in another order."""


def style_pools_of(styles: Mapping[str, Any], pins: StylePins = ALL_STYLES) -> StylePools:
    """The pools for their plain data; the same object for equal data.

    Args:
      styles: plain data of all pools.
      pins: what is left of them.
    """
    return _style_pools(canonical_json(dict(styles)), pins)


@lru_cache(maxsize=16)
def _style_pools(plain: bytes, pins: StylePins) -> StylePools:
    return StylePools(pins.apply(styles_from_json(json.loads(plain))))


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedTask:
    """Which stored rows a task's plan was made for.

    Attributes:
      stored: fingerprint that names the task's folder in the store.
      digest: of the rows themselves.
      excluded: rows that lists left out, by reason; `excluded_digest` is that of these rows.
    """

    stored: str
    digest: str
    excluded: Mapping[str, int] = field(default_factory=dict)
    excluded_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Everything that decides the bytes of a mixture.

    Attributes:
      recipe: the recipe's own plain data, as it was written.
      plan: quotas, cells, shards.
      tasks: by task id.
      templates: by name.
      styles: plain data of the pools.
      format: of the shards.
      cards: what the cards say about the tasks, from `card_facts`; for the manifest. It decides no
        byte of an example, and is no part of the fingerprint.
    """

    recipe: Mapping[str, Any]
    plan: MixturePlan
    tasks: Mapping[str, LockedTask]
    templates: Mapping[str, tuple[PromptTemplate, ...]]
    styles: Mapping[str, Any]
    format: str
    cards: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @cached_property
    def style_pools(self) -> StylePools:
        """All pools; those a task draws from are given by `style_pools_for`."""
        return style_pools_of(self.styles)

    def style_pools_for(self, settings: Settings) -> StylePools:
        """The pools, ready to be drawn from, with what a part's pins leave of them."""
        if not settings.styles.pinned:
            return self.style_pools
        return style_pools_of(self.styles, settings.styles)

    @cached_property
    def fingerprint(self) -> str:
        """Equal for locks that give the same files."""
        plain = self._plain(_TasksToJson(self))
        # What people write about recipes and tasks, tasks that get nothing, and what others
        # would have got, change no byte of an example.
        plain["recipe"] = {"name": plain["recipe"].get("name")}
        plain.pop("left_out")
        plain.pop("wanted", None)
        plain.pop("dry", None)
        plain.pop("cards", None)
        return fingerprint_of_large(plain)

    def for_rendering(self) -> Lock:
        """The same without what decides no byte of a shard, which is a third of it.

        Its fingerprint is known already: working it out takes as much memory as the lock itself.
        """
        slim = replace(
            self,
            recipe={"name": self.recipe["name"]},
            plan=replace(self.plan, left_out={}, wanted=0, dry={}),
            cards={},
        )
        vars(slim)["fingerprint"] = self.fingerprint
        return slim

    def to_json(self) -> dict[str, Any]:
        """Plain data, for `recipe.lock.yaml`."""
        return self._plain(dict(_TasksToJson(self)))

    def _plain(self, tasks: Mapping[str, Any]) -> dict[str, Any]:
        plain = {
            "lock_version": 1,
            "render_version": RENDER_VERSION,
            "recipe": dict(self.recipe),
            "seed": self.plan.seed,
            "examples": self.plan.examples,
            "shards": self.plan.shards,
            "format": self.format,
            "settings": {t.submixture: settings_to_json(t.settings) for t in self.plan.tasks},
            "tasks": tasks,
            "left_out": dict(self.plan.left_out),
            "templates": {n: templates_to_json(t) for n, t in sorted(self.templates.items())},
            "styles": dict(self.styles),
        }
        # As for cells: only where there is something to say.
        if self.plan.wanted:
            plain["wanted"] = self.plan.wanted
        if self.plan.dry:
            plain["dry"] = dict(self.plan.dry)
        if self.cards:
            plain["cards"] = dict(self.cards)
        return plain


def lock_from_json(plain: Mapping[str, Any]) -> Lock:
    """The lock that `Lock.to_json` gave.

    Raises:
      KeyError, TypeError, ValueError: if it is no such thing; callers say which file.
    """
    if plain["lock_version"] != 1:
        raise ValueError(f"found lock_version {plain['lock_version']}; expected 1")
    if plain["render_version"] != RENDER_VERSION:
        raise ValueError(
            f"it was made by render_version {plain['render_version']}; this is {RENDER_VERSION}"
        )
    settings = {path: _settings_from_json(raw) for path, raw in plain["settings"].items()}
    return Lock(
        recipe=plain["recipe"],
        plan=MixturePlan(
            name=plain["recipe"]["name"],
            seed=plain["seed"],
            examples=plain["examples"],
            shards=plain["shards"],
            tasks=tuple(
                _task_from_json(task, raw, settings) for task, raw in plain["tasks"].items()
            ),
            left_out=plain["left_out"],
            wanted=plain.get("wanted", 0),
            dry=plain.get("dry", {}),
        ),
        tasks={
            task: LockedTask(
                stored=raw["stored"],
                digest=raw["digest"],
                excluded=raw.get("excluded", {}).get("rows", {}),
                excluded_digest=raw.get("excluded", {}).get("digest", ""),
            )
            for task, raw in plain["tasks"].items()
        },
        templates={n: templates_from_json(raw) for n, raw in plain["templates"].items()},
        styles=plain["styles"],
        format=plain["format"],
        cards=plain.get("cards", {}),
    )


class _TasksToJson(Mapping[str, Any]):
    """Plain data of all tasks of a lock, made one by one as they are asked for."""

    def __init__(self, lock: Lock) -> None:
        self._plans = {task.task: task for task in lock.plan.tasks}
        self._locked = lock.tasks

    def __getitem__(self, task: str) -> dict[str, Any]:
        return _task_to_json(self._plans[task], self._locked[task])

    def __iter__(self) -> Iterator[str]:
        return iter(self._plans)

    def __len__(self) -> int:
        return len(self._plans)


def _task_to_json(task: TaskPlan, locked: LockedTask) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "submixture": task.submixture,
        "templates": task.templates,
        "stored": locked.stored,
        "digest": locked.digest,
        "rows": task.rows,
        "query_rows": task.query_rows,
        "pool": task.pool,
        "rate": str(task.rate),
        "share": str(task.share),
        "quota": task.quota,
        "questions": task.questions,
        "fixed_option_order": task.fixed_option_order,
        "cells": [_cell_to_json(cell) for cell in task.cells],
    }
    if task.max_rows:
        plain["max_rows"] = task.max_rows
    # As for cells.
    if locked.excluded:
        plain["excluded"] = {
            "rows": dict(sorted(locked.excluded.items())),
            "digest": locked.excluded_digest,
        }
    return plain


def _cell_to_json(cell: Cell) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "variant": cell.variant,
        "direction": cell.direction,
        "weight": cell.weight,
        "quota": cell.quota,
        "templates": list(cell.templates),
    }
    # What stands at its default stays out: a lock made before there was a choice is the same.
    if cell.form:
        plain["form"] = cell.form
    if cell.own_lists:
        plain["own_lists"] = True
    return plain


def _task_from_json(
    task: str, raw: Mapping[str, Any], settings: Mapping[str, Settings]
) -> TaskPlan:
    return TaskPlan(
        task=task,
        submixture=raw["submixture"],
        rows=raw["rows"],
        query_rows=raw["query_rows"],
        pool=raw["pool"],
        rate=Fraction(raw["rate"]),
        share=Fraction(raw["share"]),
        quota=raw["quota"],
        cells=tuple(Cell(**{**c, "templates": tuple(c["templates"])}) for c in raw["cells"]),
        templates=raw["templates"],
        settings=settings[raw["submixture"]],
        questions=raw["questions"],
        fixed_option_order=raw["fixed_option_order"],
        max_rows=raw.get("max_rows", 0),
    )


def settings_to_json(settings: Settings) -> dict[str, Any]:
    """Plain data of settings, for locks and comparisons."""
    plain: dict[str, Any] = {
        "variants": {v: str(rate) for v, rate in settings.variants},
        "shots": {
            "counts": {str(n): str(rate) for n, rate in settings.shots.counts},
            "pool": settings.shots.pool,
            "reserve": settings.shots.reserve,
            "mixed_templates": settings.shots.mixed_templates,
        },
        "shuffle_options": settings.shuffle_options,
        "input_chars": settings.input_chars,
        "target_chars": settings.target_chars,
        "inversion_rate": None if settings.inversion_rate is None else str(settings.inversion_rate),
    }
    # As for cells. Forms stand in the cells already, and `explain` reads them there.
    if settings.shots.forms:
        plain["shots"]["forms"] = {
            variant: {form: str(rate) for form, rate in forms}
            for variant, forms in settings.shots.forms
        }
    if settings.strict_options:
        plain["strict_options"] = True
    for key in ("input_tokens", "target_tokens", "tokenizer"):
        if getattr(settings, key):
            plain[key] = getattr(settings, key)
    if settings.styles.pinned:
        plain["styles"] = {pool: list(globs) for pool, globs in settings.styles.pinned}
    return plain


def _settings_from_json(raw: Mapping[str, Any]) -> Settings:
    shots = raw["shots"]
    return Settings(
        variants=tuple((v, Fraction(rate)) for v, rate in raw["variants"].items()),
        shots=Shots(
            counts=tuple((int(n), Fraction(rate)) for n, rate in shots["counts"].items()),
            pool=shots["pool"],
            reserve=shots["reserve"],
            mixed_templates=shots["mixed_templates"],
            forms=tuple(
                (variant, tuple((form, Fraction(rate)) for form, rate in forms.items()))
                for variant, forms in shots.get("forms", {}).items()
            ),
        ),
        shuffle_options=raw["shuffle_options"],
        input_chars=raw["input_chars"],
        target_chars=raw["target_chars"],
        input_tokens=raw.get("input_tokens", 0),
        target_tokens=raw.get("target_tokens", 0),
        tokenizer=raw.get("tokenizer", ""),
        inversion_rate=None if raw["inversion_rate"] is None else Fraction(raw["inversion_rate"]),
        strict_options=raw.get("strict_options", False),
        styles=StylePins(
            pinned=tuple((pool, tuple(globs)) for pool, globs in raw.get("styles", {}).items())
        ),
    )
