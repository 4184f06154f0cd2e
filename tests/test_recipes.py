"""Recipes: what is inherited, what is selected, and what every mistake earns.

A folder of `tests/bad_recipes` holds `recipe.yaml` and `expected.txt`: the exact report over
the cards demo/colours and demo/shapes. Written anew with `UPDATE_EXPECTED=1`.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest

from mixture_builder.findings import Report
from mixture_builder.recipes import load_recipe, select_tasks
from mixture_builder.shipped import recipes_folder
from tests.makers import make_recipe

CASES = Path(__file__).parent / "bad_recipes"
IDS = ["demo/colours", "demo/shapes"]


@pytest.mark.parametrize("case", sorted(p.name for p in CASES.iterdir()))
def test_a_bad_recipe_says_what_is_wrong_and_the_way_out(case):
    """Each mistake gives exactly the report its folder expects."""
    recipe, findings = load_recipe(CASES / case / "recipe.yaml", shown_as="recipe.yaml")
    if recipe is not None:
        owners, findings = select_tasks(recipe, IDS)
        assert findings or not owners
    found = Report(findings=tuple(findings)).format() + "\n"
    expected = CASES / case / "expected.txt"
    if os.environ.get("UPDATE_EXPECTED") and not expected.exists():
        expected.write_text(found, encoding="utf-8")

    assert found == expected.read_text(encoding="utf-8")


def test_parts_inherit_and_may_set_anew():
    """Settings come from the part around, key by key for shots and limits."""
    recipe = make_recipe(
        size={"examples": 1},
        variants={"zs_opt": 1},
        shots={"counts": {"3": 1}, "pool": 50},
        limits={"input_chars": 100, "target_chars": 10},
        submixtures={
            "outer": {
                "rate": 1,
                "shots": {"reserve": True, "pool": "all"},
                "options": {"shuffle": False},
                "submixtures": {
                    "inner": {
                        "rate": 0.5,
                        "tasks": ["demo/*"],
                        "variants": {"fs_opt": 0.25},
                        "limits": {"target_chars": 20},
                        "inversion_rate": 0.3,
                        "shots": {"templates": "mixed"},
                    }
                },
            }
        },
    )
    root, outer, inner = recipe.root.walk()

    assert [p.path for p in (root, outer, inner)] == ["", "outer", "outer.inner"]
    assert root.settings.shots.pool == 50
    assert not root.settings.shots.reserve
    assert (outer.settings.shots.pool, outer.settings.shots.reserve) == (0, True)
    assert outer.settings.variants == (("zs_opt", Fraction(1)),)
    assert inner.settings.variants == (("fs_opt", Fraction(1, 4)),)
    assert (inner.settings.input_chars, inner.settings.target_chars) == (100, 20)
    assert inner.settings.shots.mixed_templates
    assert inner.settings.shots.counts == ((3, Fraction(1)),)
    assert not inner.settings.shuffle_options
    assert inner.settings.inversion_rate == Fraction(3, 10)
    assert outer.settings.inversion_rate is None


def test_globs_select_and_exclude():
    """A task belongs to the part that names it, unless that part excludes it."""
    recipe = make_recipe(
        size={"examples": 1},
        submixtures={
            "one": {"rate": 1, "tasks": ["demo/*"], "exclude": ["demo/sh*"]},
            "two": {"rate": 1, "tasks": ["demo/shapes"]},
        },
    )
    owners, findings = select_tasks(recipe, IDS)

    assert not findings
    assert {task: part.path for task, part in owners.items()} == {
        "demo/colours": "one",
        "demo/shapes": "two",
    }


def test_rates_are_the_numbers_that_were_written(tmp_path):
    """0.1 in a file is a tenth, however floats hold it."""
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "name: demo\nsize: {no_repeat: true}\nsubmixtures:\n"
        "  one: {rate: 0.1, tasks: ['demo/*'], task_rates: {'demo/*': 0.7}}\n"
        "shots: {counts: {2: 0.3, 10: 1}}\n",
        encoding="utf-8",
    )
    recipe, findings = load_recipe(path, shown_as="recipe.yaml")

    assert not findings
    assert recipe is not None
    (one,) = recipe.root.parts
    assert one.rate == Fraction(1, 10)
    assert one.task_rates.explicit == (("demo/*", Fraction(7, 10)),)
    assert one.settings.shots.counts == ((2, Fraction(3, 10)), (10, Fraction(1)))
    assert recipe.size.examples == 0


def test_folders_are_relative_to_the_recipe(tmp_path):
    """A recipe brings its own cards and templates wherever it is moved."""
    recipe = make_recipe(
        size={"examples": 1}, submixtures={"one": {"rate": 1, "tasks": ["demo/*"]}}
    )
    assert (recipe.cards, recipe.templates) == (None, None)
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "name: demo\ncards: ../cards\nsize: {examples: 1}\n"
        "submixtures: {one: {rate: 1, tasks: ['demo/*']}}\n",
        encoding="utf-8",
    )
    loaded, _ = load_recipe(path, shown_as="recipe.yaml")

    assert loaded is not None
    assert loaded.cards == tmp_path / "../cards"


@pytest.mark.parametrize("path", sorted(recipes_folder().glob("*.yaml")), ids=lambda p: p.stem)
def test_the_recipes_that_come_with_the_package_are_sound(path):
    """No finding, and a name that is the file's."""
    recipe, findings = load_recipe(path, shown_as=path.name)

    assert not findings, Report(findings=tuple(findings)).format()
    assert recipe is not None
    assert recipe.name == path.stem
