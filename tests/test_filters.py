"""Filters: what a card must say for its task to stay, and who gets the share of the others."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.errors import RecipeError
from mixture_builder.filters import NO_FILTERS, is_filtered
from mixture_builder.plan import MixturePlan, make_plan
from mixture_builder.recipe_checks import filter_tasks, refused_origin
from mixture_builder.recipes import select_tasks
from tests.makers import make_card, make_recipe, make_template, make_templates

FIELDS = {"question": "q", "answer": "a"}
PLAIN = make_templates(make_template("ask", "{{ question }}"))


def reason(filters: dict[str, Any], **card: Any) -> str:
    return NO_FILTERS.with_more(filters).reason(make_card("demo/a", fields=FIELDS, **card))


@pytest.mark.parametrize(
    ("filters", "card", "expected"),
    [
        ({"licences": {"allow": ["MIT", "CC0*"]}}, {"licence": {"id": "CC0-1.0"}}, ""),
        (
            {"licences": {"allow": ["MIT"]}},
            {"licence": {"id": "CC-BY-4.0"}},
            "filtered: its licence CC-BY-4.0 is not among those allowed",
        ),
        (
            {"licences": {"exclude": ["*-NC-*"]}},
            {"licence": {"id": "CC-BY-NC-4.0"}},
            "filtered: its licence CC-BY-NC-4.0 is excluded",
        ),
        (
            {"licences": {"allow": ["*"]}},
            {"licence": {"id": "unknown"}},
            "filtered: its licence is unknown",
        ),
        (
            {"licences": {"allow": ["MIT"], "unknown": "include"}},
            {"licence": {"id": "unknown"}},
            "",
        ),
        ({"languages": {"allow": ["en", "de"]}}, {"languages": ("de", "en")}, ""),
        (
            {"languages": {"allow": ["en"]}},
            {"languages": ("en", "es")},
            "filtered: its language es is not among those allowed",
        ),
        ({"languages": {"allow": ["en", "pt*"]}}, {"languages": ("en", "pt", "pt-BR")}, ""),
        (
            {"languages": {"exclude": ["pt-*"]}},
            {"languages": ("pt", "pt-BR")},
            "filtered: its language pt-BR is excluded",
        ),
        (
            {"languages": {"exclude": ["zh"]}},
            {"languages": ("en", "zh")},
            "filtered: its language zh is excluded",
        ),
        (
            {"categories": {"exclude": ["toxic*"]}},
            {"category": "toxic language detection"},
            "filtered: its category toxic language detection is excluded",
        ),
        (
            {"availability": {"allow": ["public"]}},
            {"availability": {"state": "manual", "note": "a form"}},
            "filtered: its availability manual is not among those allowed",
        ),
        (
            {"availability": {"exclude": ["unknown"]}},
            {"availability": None},
            "filtered: its availability unknown is excluded",
        ),
        ({"cards": {"include": ["demo/*"]}}, {}, ""),
        ({"cards": {"exclude": ["*/a"]}}, {}, "filtered: its id is excluded"),
        (
            {"held_out": "exclude"},
            {"held_out": ("XQuAD", "MGSM")},
            "filtered: it overlaps with held-out data (XQuAD; MGSM)",
        ),
        ({"held_out": "include"}, {"held_out": ("XQuAD",)}, ""),
    ],
)
def test_a_filter_says_why_a_task_goes(filters, card, expected):
    """What is refused has a reason that names what the card says; what is allowed has none."""
    assert reason(filters, **card) == expected


def test_filters_are_inherited_key_by_key():
    """A part changes the keys that it names and keeps the others."""
    recipe = make_recipe(
        size={"examples": 1},
        filters={"held_out": "exclude", "languages": {"allow": ["en"]}},
        templates_from="ours",
        submixtures={
            "one": {"rate": 1, "tasks": ["demo/*"], "filters": {"languages": {"allow": ["de"]}}},
            "two": {"rate": 1, "tasks": ["other/*"], "templates_from": "any"},
        },
    )
    one, two = recipe.root.parts

    assert (one.filters.held_out, one.filters.languages.allow) == (False, ("de",))
    assert two.filters == recipe.root.filters
    assert (one.templates_from, two.templates_from) == ("ours", "any")


def test_a_glob_of_a_filter_that_names_no_task_is_an_error():
    """A misspelt id would pass unseen: it is reported once, with the nearest spelling."""
    recipe = make_recipe(
        size={"examples": 1},
        filters={"cards": {"exclude": ["demo/colour"]}},
        submixtures={"one": {"rate": 1, "tasks": ["demo/*"]}},
    )
    cards = {"demo/colours": make_card("demo/colours", fields=FIELDS)}
    owners, _ = select_tasks(recipe, cards)
    _, findings = filter_tasks(recipe, owners, cards)

    assert [f.place for f in findings] == ["filters.cards"]
    assert findings[0].remedy == "Did you mean 'demo/colours'?"


@pytest.mark.parametrize(
    ("wanted", "origin", "stays"),
    [
        ("any", "ours", True),
        ("any", "imported", True),
        ("ours", "ours", True),
        ("ours", "imported", False),
        ("imported", "ours", False),
        ("imported", "imported", True),
    ],
)
def test_a_part_takes_templates_of_the_origin_it_asks_for(wanted, origin, stays):
    """A task whose templates come from elsewhere is filtered, and the reason names both."""
    part = make_recipe(
        size={"examples": 1},
        submixtures={"one": {"rate": 1, "tasks": ["demo/*"], "templates_from": wanted}},
    ).root.parts[0]
    found = refused_origin(part, make_templates(make_template("ask", "?"), origin=origin))

    assert (found == "") is stays
    assert stays or is_filtered(found)
    assert stays or (origin in found and wanted in found)


def planned(
    languages: dict[str, str], rows: dict[str, int], total: int, **keys: Any
) -> MixturePlan:
    cards = {t: make_card(t, fields=FIELDS, languages=(languages[t],)) for t in languages}
    recipe = make_recipe(size={"examples": total}, **keys)
    owners, findings = select_tasks(recipe, sorted(cards))
    assert not findings
    filtered, findings = filter_tasks(recipe, owners, cards)
    assert not findings
    return make_plan(
        recipe,
        owners={t: p for t, p in owners.items() if t not in filtered},
        cards=cards,
        templates={"demo/templates": PLAIN},
        rows=rows,
        filtered=filtered,
    )


@given(
    tasks=st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["en", "de"]), st.integers(1, 50)),
        min_size=1,
        max_size=12,
    ),
    rates=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    total=st.integers(1, 500),
)
def test_rates_renormalise_inside_the_part_and_then_among_parts(tasks, rates, total):
    """What stays of a part shares as if the rest had never been named; parts keep their shares."""
    ids = {f"demo/{part}{i}": (part, lang, rows) for i, (part, lang, rows) in enumerate(tasks)}
    parts = {
        part: {"rate": rate, "tasks": [f"demo/{part}*"]}
        for part, rate in zip("ab", rates, strict=True)
        if any(p == part for p, _, _ in ids.values())
    }
    languages = {task: lang for task, (_, lang, _) in ids.items()}
    rows = {task: n for task, (_, _, n) in ids.items()}
    kept = {task for task, lang in languages.items() if lang == "en"}
    keys: dict[str, Any] = {
        "submixtures": parts,
        "filters": {"languages": {"allow": ["en"]}},
    }
    if not kept:
        with pytest.raises(RecipeError, match=f"none of its {len(ids)} tasks .* language de"):
            planned(languages, rows, total, **keys)
        return
    made = planned(languages, rows, total, **keys)

    assert {t.task for t in made.tasks} == kept
    assert set(made.left_out) == set(ids) - kept
    assert all(is_filtered(why) for why in made.left_out.values())
    assert sum(t.quota for t in made.tasks) == total
    alive = {
        part: Fraction(parts[part]["rate"])
        for part in parts
        if any(ids[task][0] == part for task in kept)
    }
    for task in made.tasks:
        mine = sum(rows[t] for t in kept if ids[t][0] == task.submixture)
        expected = alive[task.submixture] / sum(alive.values()) * Fraction(rows[task.task], mine)
        assert task.share == expected


def test_a_filtered_mixture_is_the_one_that_never_named_the_tasks():
    """Filtering and excluding the same tasks give the same plan, but for what is left out."""
    languages = {"demo/a": "en", "demo/b": "de", "demo/c": "en"}
    rows = {"demo/a": 5, "demo/b": 9, "demo/c": 7}
    part = {"rate": 1, "tasks": ["demo/*"]}
    filtered = planned(
        languages,
        rows,
        100,
        submixtures={"all": {**part, "filters": {"languages": {"exclude": ["de"]}}}},
    )
    excluded = planned(languages, rows, 100, submixtures={"all": {**part, "exclude": ["demo/b"]}})

    assert filtered.tasks == excluded.tasks
    assert (set(filtered.left_out), set(excluded.left_out)) == ({"demo/b"}, set())
