"""Options: whatever is drawn, the target denotes the right answer of the row."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.draw import random_bits
from mixture_builder.render.options import ListedOptions, list_options, orders
from mixture_builder.styles import SENTENCE_ENDS, OptionStyle
from tests.makers import make_settings, make_template, make_templates, render, shipped_styles

OPTIONS = st.lists(
    st.text(alphabet="abcdefgh XYZ日é-", min_size=1, max_size=8).map(str.strip).filter(bool),
    min_size=2,
    max_size=30,
    unique=True,
)


def laid_out(options: list[str], right: int, number: int, order: list[int] | None) -> ListedOptions:
    return list_options(
        [options],
        [right],
        styles=shipped_styles(),
        numbers=[number],
        order=None if order is None else [order],
    )


def read_back(text: str, style: OptionStyle, target: str, options: list[str]) -> str:
    """The option that the target denotes, found in the text of the list alone."""
    assert text.startswith(style.lead_in.text)
    rest = text.removeprefix(style.lead_in.text)
    found: dict[str, str] = {}
    # A list in which an option ends with a mark of its own gets no further endings.
    ending = "" if any(o[-1] in SENTENCE_ENDS for o in options) else style.ending.text
    for place in range(len(options)):
        prefix = style.item.prefix_of(place) if style.item.enumerate else style.item.prefix
        if style.separator.inline:
            prefix = prefix.lstrip()
        assert rest.startswith(prefix)
        rest = rest.removeprefix(prefix)
        # The longest option that fits and is followed by what must follow.
        last = place == len(options) - 1
        after = ending + ("" if last else style.separator.text)
        fitting = [
            o for o in options if rest.startswith(o + after) and (not last or rest == o + after)
        ]
        option = max((o for o in fitting if o not in found.values()), key=len)
        rest = rest.removeprefix(option + after)
        label = style.item.label_of(place) if style.item.enumerate else option
        assert label not in found
        found[label] = option
    assert rest == ""
    return found[target]


@given(
    options=OPTIONS, right=st.integers(0, 29), number=st.integers(0, 2**62), draw=st.integers(0, 99)
)
def test_the_target_denotes_the_right_answer_in_any_style_and_order(options, right, number, draw):
    """Reading the list back, the item that the target names holds the row's right option."""
    right %= len(options)
    number %= shipped_styles().option_styles
    style = shipped_styles().option_style(number)
    order = orders(7, np.asarray([draw]), [len(options)])
    listed = laid_out(options, right, number, order[0])

    assert sorted(listed.options[0]) == sorted(options)
    assert listed.answers == [options[right]]
    assert read_back(listed.texts[0], style, listed.targets[0], options) == options[right]


def test_every_option_style_that_can_be_drawn_reads_back():
    """All mixes of lead-in, item, ending and separator name the right one of five options."""
    pools = shipped_styles()
    options = ["red", "dark red", "blue", "green", "grey"]
    seen = set()
    for number in range(0, pools.option_styles, 7):
        style = pools.option_style(number)
        if style.id in seen:
            continue
        seen.add(style.id)
        listed = laid_out(options, 3, number, [4, 3, 1, 0, 2])
        assert read_back(listed.texts[0], style, listed.targets[0], options) == "green"
    assert len(seen) > 4000


def test_options_that_are_not_shown_leave_the_answer_in_words():
    """Without a list there is no label: the target is the option's text."""
    listed = laid_out(["x", "y"], 1, -1, [1, 0])

    assert (listed.texts, listed.targets, listed.answers) == ([""], ["y"], ["y"])
    assert listed.options == [["y", "x"]]


def test_without_an_order_options_stay_as_they_are():
    """`order=None` lists the options as the row has them."""
    listed = laid_out(["x", "y", "z"], 2, 0, None)

    assert listed.options == [["x", "y", "z"]]


@given(
    sizes=st.lists(st.integers(2, 80), min_size=1, max_size=8),
    first=st.integers(0, 2**40),
    seed=st.integers(0, 2**63),
)
def test_an_order_belongs_to_its_counter(sizes, first, seed):
    """Each is a permutation, and the same whatever else is asked for with it."""
    counters = np.arange(first, first + len(sizes))
    together = orders(seed, counters, sizes)

    assert [sorted(order) for order in together] == [list(range(size)) for size in sizes]
    alone = [orders(seed, counters[i : i + 1], [size])[0] for i, size in enumerate(sizes)]
    assert together == alone


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_every_position_is_right_equally_often(size):
    """Over 20,000 draws the place of the right answer is uniform (chi-square, fixed seed)."""
    draws = 20_000
    places = Counter(order.index(0) for order in orders(11, np.arange(draws), [size] * draws))
    expected = draws / size

    assert sum((places[p] - expected) ** 2 / expected for p in range(size)) < 25


SHOWN = make_templates(
    make_template("ask", "«{{ question }}»{% if options_text %}\n[[{{ options_text }}]]{% endif %}")
)
ROWS = [
    {
        "question": f"Which is number {i}?",
        "options": [f"first {i}", f"second {i}", f"third {i}", "none of them"],
        "answer_index": i % 4,
    }
    for i in range(40)
]


def styles_of(column: str) -> OptionStyle:
    """The option style that a `style` column names."""
    (named,) = [part for part in column.split(";") if part.startswith("options=")]
    ids = named.removeprefix("options=").split("/")
    pools = shipped_styles().styles
    separators = (
        [s for s in pools.option_separators if s.id == ids[3]]
        if ids[3:]
        else [s for s in pools.option_separators if not s.inline]
    )
    return OptionStyle(
        lead_in=next(p for p in pools.option_lead_ins if p.id == ids[0]),
        item=next(p for p in pools.option_items if p.id == ids[1]),
        ending=next(p for p in pools.option_endings if p.id == ids[2]),
        separator=separators[0],
    )


@pytest.mark.parametrize("fixed", [False, True])
def test_finished_prompts_name_the_right_option_of_their_row(fixed):
    """From prompt, target and style column alone one finds the row's right option."""
    settings = make_settings(variants=(("zs_opt", 1),))
    made, rows = render(ROWS, SHOWN, quota=400, settings=settings, fixed_option_order=fixed)

    assert len(made.inputs) == 400
    kept = 0
    for shown, target, style, row_id in zip(
        made.inputs, made.targets, made.styles, made.rows, strict=True
    ):
        row = rows.columns(["options", "answer_index"], np.asarray([rows.index_of(row_id)]))
        options, right = row["options"][0], row["answer_index"][0]
        listed = shown.split("[[")[1].removesuffix("]]")
        assert read_back(listed, styles_of(style), target, options) == options[right]
        kept += sorted(options, key=listed.index) == options
    # In four options out of 24 orders one is the row's own.
    assert kept == 400 if fixed else kept < 60


def test_shuffling_can_be_left_out_by_the_recipe():
    """With `shuffle: false` every list stands as its row has it."""
    settings = make_settings(variants=(("zs_opt", 1),), shuffle_options=False)
    made, _ = render(ROWS, SHOWN, quota=80, settings=settings)

    assert all(shown.index("first") < shown.index("second") for shown in made.inputs)


def test_styles_are_drawn_evenly():
    """Plain bullets and enumerators, and every lead-in, come as often as their number says."""
    pools = shipped_styles()
    numbers = (random_bits(5, np.arange(6000)) % np.uint64(pools.option_styles)).tolist()
    drawn = Counter(pools.option_style(n).lead_in.id for n in numbers)
    expected = 6000 / len(pools.styles.option_lead_ins)

    assert set(drawn) == {p.id for p in pools.styles.option_lead_ins}
    assert sum((count - expected) ** 2 / expected for count in drawn.values()) < 70


@pytest.mark.parametrize("few_shot", [False, True])
def test_rows_with_more_options_than_letters_are_rendered_like_any_other(few_shot):
    """Seventy options never end a build: no draw is dropped, and the target names the right one."""
    rows = [
        {"q": f"q{r}", "options": [f"o{r}x{i}" for i in range(70)], "answer_index": (r * 13) % 70}
        for r in range(6)
    ]
    variant = "fs_opt" if few_shot else "zs_opt"
    made, stored = render(
        rows,
        make_templates(make_template("t", "{{ q }} [[{{ options_text }}]]")),
        quota=120,
        settings=make_settings(variants=((variant, 1),)),
    )

    assert len(made.inputs) == 120
    assert not made.dropped
    for shown, target, style, row_id in zip(
        made.inputs, made.targets, made.styles, made.rows, strict=True
    ):
        row = stored.columns(["options", "answer_index"], np.asarray([stored.index_of(row_id)]))
        options, right = row["options"][0], row["answer_index"][0]
        listed = shown.split("[[")[-1].split("]]")[0]
        drawn = next(part for part in style.split(";") if part.startswith("options="))
        assert read_back(listed, styles_of(drawn), target, options) == options[right]
