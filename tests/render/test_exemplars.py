"""Exemplars: never the query, never what asks the same, never the answer given away."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixture_builder.render.exemplars import LEAK_LENGTH, choose, doubles_label, join, without_leaks
from mixture_builder.styles import ExemplarLabels, Separator
from tests.makers import (
    FEW_SHOT_ONLY,
    make_settings,
    make_template,
    make_templates,
    render,
    shipped_styles,
)

KEYS = st.integers(0, 6)


def lines_of(*arguments: Any, **named: Any) -> list[list[int]]:
    rows, counts = choose(*arguments, **named)
    return [line[:count] for line, count in zip(rows.tolist(), counts.tolist(), strict=True)]


@given(
    seed=st.integers(0, 2**64 - 1),
    pool=st.one_of(
        st.lists(KEYS, max_size=6),
        st.lists(KEYS, min_size=30, max_size=80),
        st.just(list(range(50))),
    ),
    queries=st.lists(st.tuples(st.integers(0, 2**40), st.integers(1, 9), KEYS), max_size=12),
)
@settings(max_examples=200)
def test_exemplars_are_allowed_different_and_as_many_as_there_can_be(seed, pool, queries):
    """None has the query's key, no two share a key, and none is missing that the pool has."""
    chosen = lines_of(
        seed,
        np.asarray([draw for draw, _, _ in queries], dtype=np.int64),
        wanted=np.asarray([wanted for _, wanted, _ in queries], dtype=np.int64),
        pool_keys=np.asarray(pool, dtype=np.uint64),
        query_keys=np.asarray([key for _, _, key in queries], dtype=np.uint64),
    )

    assert len(chosen) == len(queries)
    for rows, (_, wanted, key) in zip(chosen, queries, strict=True):
        keys = [pool[row] for row in rows]
        assert key not in keys
        assert len(set(keys)) == len(keys)
        assert len(rows) == min(wanted, len(set(pool) - {key}))


@given(seed=st.integers(0, 2**63), draws=st.lists(st.integers(0, 9999), min_size=1, max_size=8))
@pytest.mark.parametrize("kinds", [400, 3])
@pytest.mark.parametrize("pool", [5, 32, 33, 400])
def test_a_choice_belongs_to_its_draw(pool, kinds, seed, draws):
    """What a prompt shows does not depend on the prompts that are made with it."""
    keys = np.arange(pool, dtype=np.uint64) % kinds

    def chosen(some: list[int]) -> list[list[int]]:
        return lines_of(
            seed,
            np.asarray(some),
            wanted=np.asarray([1 + d % 5 for d in some]),
            pool_keys=keys,
            query_keys=np.asarray([d % pool % kinds for d in some], dtype=np.uint64),
        )

    assert chosen(draws) == [chosen([d])[0] for d in draws]


@pytest.mark.parametrize("pool", [20, 200])
def test_every_row_of_the_pool_is_chosen_about_equally_often(pool):
    """No row is favoured (chi-square with a fixed seed)."""
    draws = 4000
    chosen = lines_of(
        9,
        np.arange(draws),
        wanted=np.full(draws, 5),
        pool_keys=np.arange(pool, dtype=np.uint64),
        query_keys=np.full(draws, 10**6, dtype=np.uint64),
    )
    counts = np.bincount([row for rows in chosen for row in rows], minlength=pool)
    expected = draws * 5 / pool

    assert ((counts - expected) ** 2 / expected).sum() < pool + 6 * (2 * pool) ** 0.5


def test_a_long_target_bars_the_exemplars_it_stands_in():
    """From the length at which texts do not recur by nature, prompt and solution are searched."""
    target = "x" * LEAK_LENGTH
    pairs = [("asks", "solves"), (f"asks {target}!", "solves"), ("asks", f"{target}")]

    assert without_leaks(pairs, target) == [0]
    assert without_leaks(pairs, target[1:]) == [0, 1, 2]


LABELS = ExemplarLabels(
    id="l", input="<", target="[", delimiter="\n", suits="any", input_end=">", target_end="]"
)
BARS = Separator(id="s", text="\n--\n")


def test_a_prompt_is_instruction_exemplars_query_and_open_label():
    """What comes next is the target of the query, in the layout of the exemplars."""
    pairs = [("ask 1", "say 1"), ("ask 2", "say 2")]

    assert join(pairs, "ask 3", labels=LABELS, separator=BARS, instruction="Do it.") == (
        "Do it.\n--\n<ask 1>\n[say 1]\n--\n<ask 2>\n[say 2]\n--\n<ask 3>\n["
    )
    assert join(pairs[:1], "ask 3", labels=LABELS, separator=BARS, instruction="") == (
        "<ask 1>\n[say 1]\n--\n<ask 3>\n["
    )


@pytest.mark.parametrize(
    ("pair", "doubled"),
    [
        (("Q: why?", "because"), True),
        (("why?", "a: because"), True),
        (("Quick: why?", "because"), False),
        (("", ""), False),
    ],
)
def test_a_label_is_not_set_before_a_text_that_begins_with_it(pair, doubled):
    """A text that brings its label along is noticed, in any case of letters."""
    labels = ExemplarLabels(id="l", input="Q: ", target="A: ", delimiter="\n", suits="any")

    assert doubles_label(labels, pair) is doubled


def test_no_prompt_ends_in_white_space():
    """The space after a label is left to the target."""
    labels = ExemplarLabels(id="l", input="Q: ", target="A: ", delimiter="\n", suits="any")

    assert join([], "ask", labels=labels, separator=BARS, instruction="") == "Q: ask\nA:"


def test_no_style_leaves_a_trace_in_a_target():
    """In every style, what is set behind a target stands in the prompt, never in the target."""
    rows = [{"q": f"ask {i}", "answer": f"say {i}"} for i in range(9)]
    templates = make_templates(make_template("t", "{{ q }}"))
    made, stored = render(
        rows, templates, quota=3000, settings=make_settings(variants=FEW_SHOT_ONLY)
    )
    answers = stored.columns(["answer"], np.arange(9))["answer"]
    by_id = dict(zip(stored.ids(np.arange(9)).tolist(), answers, strict=True))
    pools = shipped_styles().styles

    assert set(made.targets) == {row["answer"] for row in rows}
    drawn = {style.removeprefix("exemplars=") for style in made.styles}
    known = {f"{la.id}/{se.id}" for la, se in pools.exemplar_styles(questions=True)}
    assert len(drawn & known) == len(drawn) > 40
    for target, row_id in zip(made.targets, made.rows, strict=True):
        assert target == by_id[row_id]
