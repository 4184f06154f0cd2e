"""Pins: what is left of the pools of styles, and what a wrong pin earns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.recipe_checks import check_styles
from mixture_builder.style_pins import ALL_STYLES, POOLS
from mixture_builder.style_pools import StylePools
from tests.makers import make_recipe, shipped_styles

STYLES = shipped_styles().styles
EVERY_POOL = [(file, pool) for file, pools in POOLS.items() for pool in pools]


def ids(pool: str, file: str = "options") -> list[str]:
    return [s.id for s in getattr(STYLES, POOLS[file][pool])]


@given(
    chosen=st.fixed_dictionaries(
        {},
        optional={
            pool: st.lists(st.sampled_from(ids(pool)), min_size=1, max_size=4, unique=True)
            for pool in POOLS["options"]
        },
    ),
    number=st.integers(0, 2**64 - 1),
    options=st.lists(st.text("abc", min_size=1), min_size=2, max_size=5),
)
def test_only_pinned_options_are_drawn_and_each_reads_as_its_number_says(chosen, number, options):
    """Whatever is left of the pools, every drawn piece is pinned and the id names the style."""
    pools = StylePools(ALL_STYLES.with_more({"options": chosen}).apply(STYLES))
    number %= pools.option_styles
    style = pools.option_style(number)
    drawn = {
        "lead_ins": style.lead_in.id,
        "items": style.item.id,
        "endings": style.ending.id,
        "separators": style.separator.id,
    }

    for pool, allowed in chosen.items():
        assert drawn[pool] in allowed
    assert pools.option_id(number) == style.id
    assert pools.options_text(number, options) == style.text(options)


def test_all_exemplar_styles_that_are_left_are_pinned():
    """Labels and separators that may meet are those that are pinned, for all kinds of tasks."""
    pins = ALL_STYLES.with_more({"exemplars": {"labels": ["q_a", "input_*"], "separators": ["d*"]}})
    pools = StylePools(pins.apply(STYLES))
    met = {
        (labels.id, separator.id)
        for questions in (False, True)
        for labels, separator in pools.exemplar_pool(questions=questions)
    }

    assert met
    assert all(
        (labels == "q_a" or labels.startswith("input_")) and separator.startswith("d")
        for labels, separator in met
    )


def test_what_is_not_pinned_is_as_it_was():
    """A pin on one pool leaves the others alone; a part's pin replaces that of the whole."""
    whole = ALL_STYLES.with_more({"dialogs": {"speakers": ["*"]}, "options": {"items": ["dash"]}})
    part = whole.with_more({"options": {"items": ["upper_paren"]}})
    left = part.apply(STYLES)

    assert [s.id for s in left.option_items] == ["upper_paren"]
    assert left.labels == STYLES.labels
    assert left.dialog_speakers == STYLES.dialog_speakers
    assert ALL_STYLES.apply(STYLES) is STYLES


@pytest.mark.parametrize(("file", "pool"), EVERY_POOL)
def test_a_pin_that_names_no_style_is_an_error(file, pool):
    """Every pool is checked; the finding stands where the recipe has it, once."""
    recipe = make_recipe(
        size={"examples": 1},
        styles={file: {pool: ["no_such_style", "*"]}},
        submixtures={"one": {"rate": 1, "tasks": ["demo/*"]}},
    )
    findings = check_styles(recipe, STYLES)

    assert [f.place for f in findings] == [f"styles.{file}.{pool}"]
    assert "'no_such_style'" in findings[0].message


def test_pins_leave_a_style_for_every_task():
    """Labels for questions alone would leave translation and inverted prompts without any."""
    recipe = make_recipe(
        size={"examples": 1},
        submixtures={
            "one": {"rate": 1, "tasks": ["demo/*"], "styles": {"exemplars": {"labels": ["q_a"]}}}
        },
    )
    findings = check_styles(recipe, STYLES)

    assert [f.place for f in findings] == ["submixtures.one.styles.exemplars"]
    assert "suits: any" in findings[0].remedy


def test_every_single_style_can_be_pinned_beside_the_full_pools():
    """Of each pool any one style is enough, but for labels that not all tasks suit."""
    for file, pool in EVERY_POOL:
        for style in ids(pool, file):
            pins = ALL_STYLES.with_more({file: {pool: [style]}})
            problems = list(pins.problems(STYLES))
            suits = {s.id: s.suits for s in STYLES.labels}
            alone = pool == "labels" and suits[style] == "questions"
            assert bool(problems) is alone, (file, pool, style)
