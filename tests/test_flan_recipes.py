"""The recipes of the Flan 2022 paper and release, planned over all shipped cards."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

import pytest

from mixture_builder.card_files import load_cards
from mixture_builder.cards import TaskCard
from mixture_builder.findings import Report
from mixture_builder.plan import MixturePlan, make_plan
from mixture_builder.recipes import MixtureRecipe, load_recipe, select_tasks
from mixture_builder.shipped import cards_folder, recipes_folder, templates_folder
from mixture_builder.template_files import load_templates
from mixture_builder.templates import TemplateSet

PAPER_CAPS = {"cot": 100_000, "muffin": 30_000, "t0_sf": 20_000, "niv2": 5_000}
TASKS = {"cot": 9, "muffin": 80, "t0_sf": 193, "niv2": 1554}
A = {"muffin": 52, "t0_sf": 15, "cot": 3, "niv2": 30}
B = {"muffin": "46.0", "t0_sf": "27.9", "cot": "1.8", "niv2": "24.2"}
DIALOGS = {"muffin/qrecc", "muffin/task_master", "muffin/wiki_dialog"}

RECIPES: dict[str, Mapping[str, int | str]] = {
    "flan2022-scaling": A,
    "flan2022-9": {"cot": 3},
    "flan2022-89": {"muffin": 52, "cot": 3},
    "flan2022-282": {"muffin": 52, "t0_sf": 15, "cot": 3},
    "flan2022-1836": A,
    "flan2022-cot-only": {"cot": 1},
    "flan2022-no-cot": {"muffin": 52, "t0_sf": 15, "niv2": 30},
    "flan2022-zero-shot": B,
    "flan2022-few-shot": B,
}


@lru_cache(maxsize=1)
def shipped() -> tuple[dict[str, TaskCard], dict[str, TemplateSet]]:
    cards, findings = load_cards(cards_folder())
    assert not findings, Report(findings=tuple(findings)).format()
    templates = {}
    for name in {card.templates for card in cards.values()}:
        loaded, problems = load_templates(templates_folder(), name)
        assert loaded is not None, Report(findings=tuple(problems)).format()
        templates[name] = loaded
    return cards, templates


def planned(name: str) -> tuple[MixtureRecipe, MixturePlan]:
    """The plan over the rows that cards state; of tasks that state none, rows are made up."""
    cards, templates = shipped()
    recipe, findings = load_recipe(recipes_folder() / f"{name}.yaml", shown_as=name)
    assert recipe is not None, Report(findings=tuple(findings)).format()
    owners, findings = select_tasks(recipe, cards)
    assert not findings
    rows = {task: cards[task].known_rows or 10_000 for task in owners}
    return recipe, make_plan(recipe, owners=owners, cards=cards, templates=templates, rows=rows)


def shares_of_parts(plan: MixturePlan) -> dict[str, Fraction]:
    shares: dict[str, Fraction] = {}
    for task in plan.tasks:
        shares[task.submixture] = shares.get(task.submixture, Fraction(0)) + task.share
    return shares


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_of_the_paper_have_its_tasks_shares_and_caps(name):
    """Every task of its parts, the paper's shares to the last digit, its caps, and no repeat."""
    asked = RECIPES[name]
    recipe, plan = planned(name)
    whole = sum(Fraction(rate) for rate in asked.values())
    counts = {part: sum(t.submixture == part for t in plan.tasks) for part in asked}

    assert plan.left_out == {}
    assert counts == {part: TASKS[part] for part in asked}
    assert shares_of_parts(plan) == {part: Fraction(r) / whole for part, r in asked.items()}
    assert {p.path: p.cap for p in recipe.root.parts} == {p: PAPER_CAPS[p] for p in asked}
    for task in plan.tasks:
        assert task.rate == min(task.rows, PAPER_CAPS[task.submixture])
        assert task.quota <= task.query_rows


@pytest.mark.parametrize(("name", "count"), [("9", 9), ("89", 89), ("282", 282), ("1836", 1836)])
def test_a_rung_of_the_ladder_has_as_many_tasks_as_its_name_says(name, count):
    """9, 89, 282 and 1,836 tasks, each rung holding the one below."""
    _, plan = planned(f"flan2022-{name}")

    assert len(plan.tasks) == count


@pytest.mark.parametrize(("name", "shots"), [("zero-shot", "zs_"), ("few-shot", "fs_")])
def test_prompts_are_zero_shot_or_few_shot_only(name, shots):
    """Apart from tasks of one row, which can have no exemplar, every prompt is of the one kind."""
    _, plan = planned(f"flan2022-{name}")
    others = [
        t.task
        for t in plan.tasks
        if t.rows > 1 and any(c.quota and not c.variant.startswith(shots) for c in t.cells)
    ]

    assert others == []


def test_the_release_has_the_shares_of_its_example():
    """40, 32, 5, 20 and 3 %; dialogs are a part of their own, and all 1,836 tasks are there."""
    recipe, plan = planned("flan2022-release")
    dialogs = {t.task for t in plan.tasks if t.submixture == "dialog"}

    assert shares_of_parts(plan) == {
        "muffin": Fraction(40, 100),
        "t0_sf": Fraction(32, 100),
        "cot": Fraction(5, 100),
        "niv2": Fraction(20, 100),
        "dialog": Fraction(3, 100),
    }
    assert dialogs == DIALOGS
    assert len(plan.tasks) == 1836
    assert {p.path: p.cap for p in recipe.root.parts} == {
        "muffin": 30_000,
        "t0_sf": 20_000,
        "cot": 100_000,
        "niv2": 0,
        "dialog": 200_000,
    }


def test_the_release_has_the_corners_and_forms_of_its_mixtures():
    """Half zero-shot, half few-shot; five-shot only where options are asked for, half of it."""
    recipe, plan = planned("flan2022-release")

    for task in plan.tasks:
        shares = {c.name: Fraction(c.weight, sum(d.weight for d in task.cells)) for c in task.cells}
        few = {c: s for c, s in shares.items() if c.startswith("fs_")}
        assert sum(few.values()) == Fraction(1, 2), task.task
        five = sum(s for c, s in few.items() if ":five_shot" in c)
        fixed = sum(s for c, s in few.items() if ":one_fixed" in c)
        both_corners = task.submixture in {"muffin", "t0_sf"}
        expected = {"niv2": 0, "cot": Fraction(1, 4), "dialog": Fraction(1, 4)}
        # A task none of whose templates can leave options out gives `fs_noopt` to `fs_opt`.
        assert five == (Fraction(1, 8) if both_corners else expected[task.submixture])
        assert fixed == (Fraction(1, 4) if task.submixture == "niv2" else 0)
        directions = {"direct": Fraction(0), "inverted": Fraction(0)}
        for cell in task.cells:
            directions[cell.direction] += shares[cell.name]
        if task.submixture in {"cot", "dialog"}:
            assert directions["inverted"] <= Fraction(3, 13)
    rates = {p.path: p.settings.inversion_rate for p in recipe.root.parts}
    assert rates["cot"] == rates["dialog"] == Fraction(3, 10)
