"""The plan: nested quotas, caps, sizes, and what a task's examples are spent on."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixture_builder.cells import cells_of
from mixture_builder.errors import RecipeError
from mixture_builder.plan import MixturePlan, make_plan
from mixture_builder.recipes import MixtureRecipe, Submixture, select_tasks
from tests.makers import make_card, make_recipe, make_settings, make_template, make_templates

PLAIN = make_templates(make_template("ask", "{{ question }}"))


def plan(recipe: MixtureRecipe, rows: Mapping[str, int], **further: Any) -> MixturePlan:
    cards = {t: make_card(t, fields={"question": "q", "answer": "a"}) for t in rows}
    owners, findings = select_tasks(recipe, sorted(cards))
    assert not findings
    return make_plan(
        recipe,
        owners=owners,
        cards=cards,
        templates={"demo/templates": PLAIN},
        rows=rows,
        **further,
    )


def quotas(recipe: MixtureRecipe, rows: Mapping[str, int], **further: Any) -> dict[str, int]:
    return {t.task: t.quota for t in plan(recipe, rows, **further).tasks}


def quotas_of_parts(part: Submixture, made: MixturePlan) -> dict[str, int]:
    """Examples of every part: the sum of its tasks' and its parts'."""
    result = {}
    for inner in part.walk():
        below = f"{inner.path}."
        result[inner.path] = sum(
            t.quota
            for t in made.tasks
            if not inner.path or t.submixture == inner.path or t.submixture.startswith(below)
        )
    return result


def tree(draw: Any, path: str, depth: int, rows: dict[str, int], most: int) -> dict[str, Any]:
    """Keys of a random submixture; its tasks are added to `rows`."""
    keys: dict[str, Any] = {"rate": draw(st.sampled_from([1, 2, 0.5, 0.279, 46, 1e-6]))}
    if depth and draw(st.booleans()):
        count = draw(st.integers(1, 3))
        keys["submixtures"] = {
            f"p{i}": tree(draw, f"{path}p{i}_", depth - 1, rows, most) for i in range(count)
        }
        return keys
    own = {f"demo/{path}t{i}": draw(st.integers(1, most)) for i in range(draw(st.integers(1, 4)))}
    rows.update(own)
    keys["tasks"] = list(own)
    keys["task_rates"] = draw(st.sampled_from(["proportional", "equal"]))
    if draw(st.booleans()):
        keys["cap"] = draw(st.integers(1, most))
    return keys


@st.composite
def mixtures(draw: Any, *, most: int = 60) -> tuple[dict[str, Any], dict[str, int]]:
    rows: dict[str, int] = {}
    count = draw(st.integers(1, 3))
    parts = {f"s{i}": tree(draw, f"s{i}_", 2, rows, most) for i in range(count)}
    return parts, rows


@given(made=mixtures(), total=st.one_of(st.integers(1, 300), st.just(10**9 + 7)))
@settings(max_examples=60, deadline=None)
def test_every_level_is_split_exactly(made, total):
    """At each level parts sum to the whole, each less than one example from its share of it."""
    parts, rows = made
    recipe = make_recipe(size={"examples": total}, submixtures=parts)
    result = plan(recipe, rows)

    assert sum(t.quota for t in result.tasks) == total == result.examples
    assert sum(t.share for t in result.tasks) == 1
    held = quotas_of_parts(recipe.root, result)
    for part in recipe.root.walk():
        rates = {p.path: p.rate for p in part.parts}
        for path, rate in rates.items():
            assert abs(held[path] - held[part.path] * rate / sum(rates.values())) < 1
        own = {t.task: (t.rate, t.quota) for t in result.tasks if t.submixture == part.path}
        for rate, quota in own.values():
            whole = sum(r for r, _ in own.values())
            assert abs(quota - held[part.path] * rate / whole) < 1
    for task in result.tasks:
        assert sum(c.quota for c in task.cells) == task.quota


@given(made=mixtures(most=6))
@settings(max_examples=40, deadline=None)
def test_no_repeat_is_the_largest_size_at_which_no_row_repeats(made):
    """No task gets more examples than it has rows; every larger mixture would repeat one."""
    parts, rows = made
    result = plan(make_recipe(size={"no_repeat": True}, submixtures=parts), rows)

    assert all(t.quota <= t.query_rows for t in result.tasks)
    for size in range(result.examples + 1, sum(rows.values()) + 1):
        larger = quotas(make_recipe(size={"examples": size}, submixtures=parts), rows)
        assert any(quota > rows[task] for task, quota in larger.items())


def test_a_cap_bounds_the_rate_of_a_task_and_not_its_rows():
    """A task above the cap counts as if it had as many rows as the cap, and uses all."""
    parts = {"all": {"rate": 1, "tasks": ["demo/*"], "cap": 100}}
    made = plan(
        make_recipe(size={"examples": 2500}, submixtures=parts),
        {"demo/large": 90_000, "demo/middle": 100, "demo/small": 50},
    )

    assert {t.task: t.quota for t in made.tasks} == {
        "demo/large": 1000,
        "demo/middle": 1000,
        "demo/small": 500,
    }
    assert [t.query_rows for t in made.tasks] == [90_000, 100, 50]


def test_tasks_share_in_proportion_equally_or_as_written():
    """`proportional` counts rows, `equal` tasks; of globs the last that matches counts."""
    rows = {"demo/a": 300, "demo/b": 100}

    def split(rates: Any) -> dict[str, int]:
        parts = {"all": {"rate": 1, "tasks": ["demo/*"], "task_rates": rates}}
        return quotas(make_recipe(size={"examples": 100}, submixtures=parts), rows)

    assert split("proportional") == {"demo/a": 75, "demo/b": 25}
    assert split("equal") == {"demo/a": 50, "demo/b": 50}
    assert split({"demo/*": 1, "demo/b": 4}) == {"demo/a": 20, "demo/b": 80}
    assert split({"demo/b": 0.1, "other/*": 9}) == {"demo/a": 0, "demo/b": 100}


def test_a_temperature_flattens_rates_and_a_cap_bounds_what_it_starts_from():
    """Rates are rows, up to the cap, to the power of one over the temperature."""
    rows = {"demo/a": 900, "demo/b": 100, "demo/c": 4}

    def rates(warmth: float, **further: Any) -> dict[str, Fraction]:
        keys = {"rate": 1, "tasks": ["demo/*"], "task_rates": {"temperature": warmth}, **further}
        recipe = make_recipe(size={"examples": 100}, submixtures={"all": keys})
        return {t.task: t.rate for t in plan(recipe, rows).tasks}

    assert rates(1) == {"demo/a": 900, "demo/b": 100, "demo/c": 4}
    assert rates(2) == {"demo/a": 30, "demo/b": 10, "demo/c": 2}
    assert rates(2, cap=100) == {"demo/a": 10, "demo/b": 10, "demo/c": 2}
    assert rates(0.5) == {"demo/a": 810_000, "demo/b": 10_000, "demo/c": 16}
    assert rates(1e300) == {"demo/a": 1, "demo/b": 1, "demo/c": 1}


def test_rows_are_used_up_to_their_most_and_the_rest_is_not_there():
    """Of a task with more rows the first are used: as queries, for its rate, and as exemplars."""
    parts = {"all": {"rate": 1, "tasks": ["demo/*"], "max_rows": 100, "shots": {"pool": "all"}}}
    made = plan(
        make_recipe(size={"examples": 150}, submixtures=parts), {"demo/a": 90_000, "demo/b": 50}
    )
    large, small = made.tasks

    assert (large.rows, large.usable_rows, large.query_rows, large.pool) == (90_000, 100, 100, 100)
    assert (large.first_query, large.quota, large.max_rows) == (0, 100, 100)
    assert (small.usable_rows, small.quota, small.max_rows) == (50, 50, 0)


def test_a_reserved_pool_is_taken_from_the_rows_that_are_used():
    """The pool stands before the queries, and both within the rows that may be used."""
    keys = {"rate": 1, "tasks": ["demo/*"], "max_rows": 100, "shots": {"reserve": True}}
    made = plan(
        make_recipe(size={"examples": 150}, submixtures={"all": keys}), {"demo/a": 90_000}
    ).tasks[0]

    assert (made.pool, made.first_query, made.query_rows) == (20, 20, 80)


def test_the_last_override_that_matches_a_task_changes_its_rate():
    """By id, category and language; what a part says itself comes after what is around it."""
    rows = {"demo/a": 300, "demo/b": 100, "demo/c": 100}
    changes: dict[str, Any] = {
        "demo/b": {"category": "translation"},
        "demo/c": {"languages": ("en", "pt-BR")},
    }

    def rates(around: list[Any], own: list[Any]) -> list[Fraction]:
        parts = {"all": {"rate": 1, "tasks": ["demo/*"], "overrides": own}}
        recipe = make_recipe(size={"examples": 10}, overrides=around, submixtures=parts)
        cards = {
            t: make_card(t, fields={"question": "q", "answer": "a"}, **changes.get(t, {}))
            for t in rows
        }
        owners, _ = select_tasks(recipe, sorted(cards))
        made = make_plan(
            recipe, owners=owners, cards=cards, templates={"demo/templates": PLAIN}, rows=rows
        )
        return [t.rate for t in made.tasks]

    twice, seven = {"times": 2}, {"rate": 7}
    assert rates([], []) == [300, 100, 100]
    assert rates([{"categories": ["trans*"], **twice}], []) == [300, 200, 100]
    assert rates([{"languages": ["pt*"], **seven}], []) == [300, 100, 7]
    assert rates([{"languages": ["en"], "tasks": ["demo/[ab]"], **twice}], []) == [600, 200, 100]
    assert rates([{"tasks": ["demo/*"], **twice}], [{"tasks": ["demo/a"], **seven}]) == [
        7,
        200,
        200,
    ]


def test_a_mixture_of_several_passes_ends_before_any_task_needs_another():
    """Half a pass, one (which is `no_repeat`) or more: the scarcest task decides."""
    parts = {"all": {"rate": 1, "tasks": ["demo/*"], "task_rates": "equal"}}
    rows = {"demo/a": 10, "demo/b": 40}

    def examples(size: Any) -> int:
        return plan(make_recipe(size=size, submixtures=parts), rows).examples

    assert examples({"passes": 1}) == examples({"no_repeat": True})
    assert examples({"passes": 0.5}) == 10
    assert examples({"passes": 3}) == 60


def dry(when: str, total: int, rates: Any = "equal", **rows: int) -> tuple[int, dict[str, int]]:
    parts = {"all": {"rate": 1, "tasks": ["demo/*"], "task_rates": rates}}
    recipe = make_recipe(size={"examples": total}, when_dry=when, submixtures=parts)
    made = plan(recipe, {f"demo/{name}": count for name, count in rows.items()})
    return made.examples, {t.task[5:]: t.quota for t in made.tasks}


def test_a_source_that_runs_dry_repeats_gives_way_or_ends_the_mixture():
    """`repeat` goes through its rows again, `renormalise` leaves the rest to its siblings."""
    assert dry("repeat", 90, a=10, b=100, c=100) == (90, {"a": 30, "b": 30, "c": 30})
    assert dry("renormalise", 90, a=10, b=100, c=100) == (90, {"a": 10, "b": 40, "c": 40})
    assert dry("renormalise", 90, a=10, b=35, c=100) == (90, {"a": 10, "b": 35, "c": 45})
    assert dry("stop", 90, a=10, b=100, c=100) == (30, {"a": 10, "b": 10, "c": 10})
    assert dry("stop", 20, a=10, b=100, c=100) == (20, {"a": 7, "b": 7, "c": 6})


def test_a_mixture_whose_sources_all_run_dry_ends_with_the_last_row():
    """More than all rows cannot be had without repeating; the plan says what was wanted."""
    parts = {"all": {"rate": 1, "tasks": ["demo/*"], "task_rates": "equal"}}
    recipe = make_recipe(size={"examples": 1000}, when_dry="renormalise", submixtures=parts)
    made = plan(recipe, {"demo/a": 10, "demo/b": 30})

    assert {t.task: t.quota for t in made.tasks} == {"demo/a": 10, "demo/b": 30}
    assert (made.examples, made.wanted) == (40, 1000)
    assert made.dry == {"demo/a": 20}


def test_a_part_that_runs_dry_gives_way_to_the_parts_beside_it():
    """What is left goes up one level; a part that repeats takes as much as is left."""
    parts = {
        "small": {"rate": 1, "tasks": ["demo/a", "demo/b"]},
        "large": {"rate": 1, "tasks": ["demo/c"], "when_dry": "repeat"},
    }
    recipe = make_recipe(size={"examples": 100}, when_dry="renormalise", submixtures=parts)
    made = plan(recipe, {"demo/a": 10, "demo/b": 5, "demo/c": 20})

    assert {t.task: t.quota for t in made.tasks} == {"demo/a": 10, "demo/b": 5, "demo/c": 85}
    assert made.dry == {"demo/a": 33, "demo/b": 17}
    assert made.wanted == 0


@given(made=mixtures(most=30), total=st.integers(1, 400))
@settings(max_examples=60, deadline=None)
def test_tasks_that_give_way_never_repeat_a_row_and_the_rest_is_shared_by_rates(made, total):
    """Quotas sum to the size, none is above its rows, and those below them share by their rates."""
    parts, rows = made
    recipe = make_recipe(size={"examples": total}, when_dry="renormalise", submixtures=parts)
    result = plan(recipe, rows)

    assert result.examples == sum(t.quota for t in result.tasks) == min(total, sum(rows.values()))
    assert all(t.quota <= t.rows for t in result.tasks)
    assert all(q > t.quota == t.rows for t in result.tasks for q in [result.dry.get(t.task)] if q)
    for part in recipe.root.walk():
        own = [t for t in result.tasks if t.submixture == part.path]
        open_ = [t for t in own if t.quota < t.rows]
        rest = sum(t.quota for t in open_)
        for task in open_:
            assert abs(task.quota - rest * task.rate / sum(t.rate for t in open_)) < 1 + len(own)


def test_a_size_in_bytes_is_as_many_examples_as_fit():
    """The largest number of examples whose expected bytes are not above those asked for."""
    parts = {"all": {"rate": 1, "tasks": ["demo/*"], "task_rates": "equal"}}
    recipe = make_recipe(size={"bytes": 10_000}, submixtures=parts)
    rows = {"demo/a": 20, "demo/b": 400}
    lengths = {"demo/a": Fraction(100), "demo/b": Fraction(301, 3)}

    assert plan(recipe, rows, lengths=lengths).examples == 99
    with pytest.raises(RecipeError, match=r"size\.bytes.*Run ingest"):
        plan(recipe, rows)
    with pytest.raises(RecipeError, match="less than one example"):
        plan(recipe, rows, lengths=dict.fromkeys(rows, Fraction(10**6)))


def test_a_size_in_bytes_counts_what_tasks_that_give_way_leave_to_longer_ones():
    """Once the short task is used up, longer examples take its place, and fewer of them fit."""
    parts = {"all": {"rate": 1, "tasks": ["demo/*"], "task_rates": "equal"}}
    recipe = make_recipe(size={"bytes": 10_000}, when_dry="renormalise", submixtures=parts)
    lengths = {"demo/a": Fraction(10), "demo/b": Fraction(100)}
    made = plan(recipe, {"demo/a": 20, "demo/b": 400}, lengths=lengths)

    assert {t.task: t.quota for t in made.tasks} == {"demo/a": 20, "demo/b": 98}


def test_ties_go_to_the_task_that_sorts_first():
    """The order of tasks in a recipe does not change what is drawn."""
    rows = {f"demo/{name}": 10 for name in "dbca"}
    for order in ("dbca", "abcd"):
        tasks = [f"demo/{name}" for name in order]
        parts = {"all": {"rate": 1, "tasks": tasks}}
        recipe = make_recipe(size={"examples": 6}, submixtures=parts)
        assert quotas(recipe, rows) == {"demo/a": 2, "demo/b": 2, "demo/c": 1, "demo/d": 1}


def test_a_mixture_larger_than_flan_is_planned():
    """2,500 tasks in one part, half of them capped, come to quotas that sum exactly."""
    rows = {f"demo/t{i:04d}": 1 + i * 7919 % 5000 for i in range(2500)}
    parts = {"all": {"rate": 1, "tasks": ["demo/*"], "cap": 2500}}
    made = plan(make_recipe(size={"examples": 1_000_003}, submixtures=parts), rows)

    whole = sum(min(count, 2500) for count in rows.values())
    assert sum(t.quota for t in made.tasks) == 1_000_003
    for task in made.tasks:
        rate = min(rows[task.task], 2500)
        assert task.share == Fraction(rate, whole)
        assert abs(task.quota - task.share * 1_000_003) < 1


def test_a_task_that_cannot_be_built_leaves_its_share_to_its_siblings():
    """A broken task is named with its reason; parts keep their sizes."""
    parts = {
        "one": {"rate": 1, "tasks": ["demo/a", "demo/b"]},
        "two": {"rate": 1, "tasks": ["demo/c"]},
    }
    recipe = make_recipe(size={"examples": 100}, submixtures=parts)
    made = plan(recipe, {"demo/a": 30, "demo/b": 10, "demo/c": 5}, broken={"demo/b": "gone"})

    assert {t.task: t.quota for t in made.tasks} == {"demo/a": 50, "demo/c": 50}
    assert made.left_out == {"demo/b": "gone"}


def test_a_part_without_any_task_left_leaves_its_share_to_the_other_parts():
    """Where all tasks of a part are broken, or have no row, the other parts take over."""
    parts = {
        "one": {"rate": 9, "submixtures": {"deep": {"rate": 1, "tasks": ["demo/a"]}}},
        "two": {"rate": 1, "tasks": ["demo/b", "demo/c"]},
    }
    recipe = make_recipe(size={"examples": 10}, submixtures=parts)
    made = plan(recipe, {"demo/a": 30, "demo/b": 10, "demo/c": 0}, broken={"demo/a": "gone"})

    assert {t.task: t.quota for t in made.tasks} == {"demo/b": 10}
    assert made.left_out == {"demo/a": "gone", "demo/c": "no row is left of its source"}


def test_a_task_at_rate_0_is_reported_as_left_out():
    """A rate of 0 draws nothing, and the plan says so."""
    parts = {
        "one": {"rate": 0, "tasks": ["demo/a"]},
        "two": {"rate": 1, "tasks": ["demo/b"]},
    }
    made = plan(make_recipe(size={"examples": 10}, submixtures=parts), {"demo/a": 5, "demo/b": 5})

    assert made.left_out == {"demo/a": "its rate, or that of a part around it, is 0"}


@pytest.mark.parametrize("size", [{"examples": 10}, {"no_repeat": True}])
def test_a_mixture_of_nothing_is_refused(size):
    """No task left, or all rates of those that are left at 0, is an error with the reasons."""
    parts = {"all": {"rate": 1, "tasks": ["demo/a"], "task_rates": {"other/*": 1}}}
    recipe = make_recipe(size=size, submixtures=parts)

    with pytest.raises(RecipeError, match=r"none of its 1 tasks can be built.*is 0"):
        plan(recipe, {"demo/a": 5})
    with pytest.raises(RecipeError, match=r"none of its 1 tasks can be built.*gone"):
        plan(recipe, {"demo/a": 5}, broken={"demo/a": "gone"})


@pytest.mark.parametrize("rows", [1, 2, 3, 10, 1000, 5000])
def test_a_reserved_pool_is_kept_out_of_the_queries(rows):
    """Pool and queries share no row, at most a fifth is pool, and queries are never lacking."""
    parts = {"all": {"rate": 1, "tasks": ["demo/a"], "shots": {"reserve": True, "pool": 64}}}
    made = plan(make_recipe(size={"examples": 10}, submixtures=parts), {"demo/a": rows}).tasks[0]

    assert made.query_rows >= 1
    assert 1 <= made.pool <= max(1, -(-rows // 5), 0)
    assert made.pool <= 64
    assert rows == 1 or made.first_query >= made.pool


def test_shards_come_from_the_caller_then_the_recipe_then_the_size():
    """About 25,000 examples a shard where nobody says otherwise, and always one."""
    parts = {"all": {"rate": 1, "tasks": ["demo/a"]}}

    def shards(examples: int, asked: int = 0, **keys: Any) -> int:
        recipe = make_recipe(size={"examples": examples}, submixtures=parts, **keys)
        return plan(recipe, {"demo/a": 5}, shards=asked).shards

    assert shards(10) == 1
    assert shards(25_001) == 2
    assert shards(25_001, output={"shards": 7}) == 7
    assert shards(25_001, 3, output={"shards": 7}) == 3


BOTH = make_template("both", "{{ question }}{% if options_text %}\n{{ options_text }}{% endif %}")
NEVER = make_template("never", "{{ question }}")
ALWAYS = make_template("always", "{{ question }}\n{{ options_text }}")
BACK = make_template("back", "{{ answer }}?", "{{ question }}", direction="inverted")


def spent(*templates: Any, has_options: bool = True, rows: int = 5, **further: Any) -> Any:
    cells = cells_of(
        make_templates(*templates),
        has_options=has_options,
        settings=make_settings(**further),
        exemplars_exist=rows > 1,
    )
    return {cell.name: (cell.weight, cell.templates) for cell in cells}


EVEN = tuple((v, Fraction(1)) for v in ("zs_opt", "zs_noopt", "fs_opt", "fs_noopt"))


def test_a_template_serves_the_variants_its_prompt_can_show():
    """Options under an `if` serve both, without one only their variants, none the others."""
    assert spent(BOTH, NEVER, ALWAYS, variants=EVEN) == {
        "fs_noopt": (1, (0, 1)),
        "fs_opt": (1, (0, 2)),
        "zs_noopt": (1, (0, 1)),
        "zs_opt": (1, (0, 2)),
    }


def test_a_task_without_options_gives_their_rates_to_the_other_variants():
    """Shares are moved, never lost."""
    assert spent(BOTH, variants=EVEN, has_options=False) == {
        "fs_noopt": (1, (0,)),
        "zs_noopt": (1, (0,)),
    }


def test_a_task_of_one_row_has_no_few_shot_prompts():
    """Where there is nobody to be an exemplar, few-shot rates go to zero-shot."""
    assert spent(BOTH, variants=EVEN, rows=1) == {"zs_noopt": (1, (0,)), "zs_opt": (1, (0,))}


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (None, {"zs_noopt": (1, (0, 1))}),
        (Fraction(3, 10), {"zs_noopt": (10, (0,)), "zs_noopt:inverted": (3, (1,))}),
        (Fraction(0), {"zs_noopt": (1, (0,))}),
    ],
)
def test_inverted_templates_get_their_rate_beside_1_for_direct_ones(rate, expected):
    """Without a rate all templates count alike; with one, directions are cells of their own."""
    assert spent(NEVER, BACK, inversion_rate=rate) == expected


def test_a_task_that_no_template_serves_is_left_out_of_the_mixture():
    """A task whose templates serve none of the asked variants is named; the others are built."""
    recipe = make_recipe(
        size={"examples": 4},
        variants={"zs_noopt": 1},
        submixtures={"all": {"rate": 1, "tasks": ["demo/*"]}},
    )
    few_only = make_templates(
        make_template("few", "{{ question }}", variants=["fs_noopt"]), name="demo/few"
    )
    cards = {
        "demo/a": make_card("demo/a", fields={"question": "q", "answer": "a"}),
        "demo/b": make_card(
            "demo/b", fields={"question": "q", "answer": "a"}, templates="demo/few"
        ),
    }
    owners, _ = select_tasks(recipe, cards)
    made = make_plan(
        recipe,
        owners=owners,
        cards=cards,
        templates={"demo/templates": PLAIN, "demo/few": few_only},
        rows={"demo/a": 9, "demo/b": 9},
    )

    assert [t.task for t in made.tasks] == ["demo/a"]
    assert "no template serves the variant zs_noopt" in made.left_out["demo/b"]


def test_rates_of_too_many_digits_are_refused_before_anything_is_drawn():
    """A plan whose variants could not be dealt out is refused when it is made."""
    recipe = make_recipe(
        size={"examples": 4},
        variants={"zs_noopt": 0.12345678, "fs_noopt": 1},
        submixtures={"all": {"rate": 1, "tasks": ["demo/*"]}},
    )
    with pytest.raises(RecipeError, match="Write them with fewer digits"):
        plan(recipe, {"demo/a": 9})


def test_adding_a_task_leaves_the_others_as_they_were():
    """With its quota unchanged, everything about a task's plan is unchanged."""
    parts = {"all": {"rate": 1, "tasks": ["demo/*"], "task_rates": "equal"}}
    before = plan(make_recipe(size={"examples": 20}, submixtures=parts), {"demo/a": 9, "demo/c": 9})
    after = plan(
        make_recipe(size={"examples": 30}, submixtures=parts),
        {"demo/a": 9, "demo/b": 4, "demo/c": 9},
    )

    for old in before.tasks:
        new = next(t for t in after.tasks if t.task == old.task)
        assert (new.quota, new.cells, new.rows, new.pool) == (
            old.quota,
            old.cells,
            old.rows,
            old.pool,
        )
