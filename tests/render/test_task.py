"""Rendering a task: counts, rows, templates, exemplars and redraws, over hostile rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixture_builder.canonical import text_key
from mixture_builder.render.exemplars import LEAK_LENGTH
from mixture_builder.render.memory_rows import MemoryRows
from mixture_builder.render.task import MAX_REDRAWS, RenderedExamples, TaskRenderer
from tests.makers import (
    FEW_SHOT_ONLY,
    make_settings,
    make_shots,
    make_task_plan,
    make_template,
    make_templates,
    render,
    shipped_styles,
)
from tests.render.test_options import read_back, styles_of

EVEN = tuple((v, Fraction(1)) for v in ("zs_opt", "zs_noopt", "fs_opt", "fs_noopt"))
MARKED = make_templates(make_template("ask", "«{{ question }}»", "‹{{ answer }}›"))
FEW = make_settings(variants=FEW_SHOT_ONLY, shots=make_shots(1, 2, 5))


def by_id(rows: MemoryRows) -> dict[int, dict[str, Any]]:
    every = np.arange(rows.count)
    columns = rows.columns(rows.fields, every)
    return {
        row_id: {name: columns[name][i] for name in rows.fields}
        for i, row_id in enumerate(rows.ids(every).tolist())
    }


def pairs_shown(shown: str) -> list[tuple[str, str]]:
    """Marked exemplars of a prompt, in order."""
    return re.findall(r"«(.*?)».*?‹(.*?)›", shown, flags=re.DOTALL)


def question_answer(i: int) -> dict[str, str]:
    return {"question": f"What is number {i}?", "answer": f"it is {i}"}


SAYINGS = [
    "Who wrote it?",
    "who wrote it",
    "WHO, wrote it",
    "Who read it?",
    "Why?",
    "why",
    "??",
    "...",
]
HOSTILE_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "question": st.sampled_from(SAYINGS),
            "answer": st.sampled_from(["yes", "no", "a long answer that says quite a lot", "yes."]),
        }
    ),
    min_size=1,
    max_size=12,
)


@given(raw=HOSTILE_ROWS, seed=st.integers(0, 2**32))
@settings(max_examples=120, deadline=None)
def test_no_exemplar_asks_what_the_query_asks(raw, seed):
    """Among duplicates and near duplicates, no exemplar's question is the query's, nor twice."""
    made, rows = render(raw, MARKED, quota=20, settings=FEW, seed=seed)
    known = by_id(rows)

    assert len(made.draws) + len(made.dropped) == 20
    for shown, target, row_id, used in zip(
        made.inputs, made.targets, made.rows, made.exemplar_rows, strict=True
    ):
        query = text_key(known[row_id]["question"])
        keys = [text_key(known[r]["question"]) for r in used]
        if rows.count > 1:
            assert row_id not in used
            assert query not in keys
            assert len(set(keys)) == len(keys) >= 1
            assert len(pairs_shown(shown)) == len(used)
        if len(target) >= LEAK_LENGTH:
            assert target not in shown


@given(raw=HOSTILE_ROWS, seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_draw_is_dropped_only_where_no_row_has_an_exemplar(raw, seed):
    """Few-shot draws come to nothing only if no two rows of the pool ask different things."""
    made, rows = render(raw, MARKED, quota=20, settings=FEW, seed=seed)
    asked = {text_key(row["question"]) for row in by_id(rows).values()}

    if rows.count > 1 and len(asked) == 1:
        assert not made.draws
    for drop in made.dropped:
        assert drop.reason == "no_exemplar"


@pytest.mark.parametrize("count", [2, 3, 4, 7, 40, 300])
def test_exemplars_stand_in_the_prompt_as_their_rows_say(count):
    """Each row of `exemplar_rows` is shown with its right answer, in the order of the column."""
    made, rows = render([question_answer(i) for i in range(count)], MARKED, quota=200, settings=FEW)
    known = by_id(rows)

    assert len(made.draws) == 200
    for shown, used, row_id in zip(made.inputs, made.exemplar_rows, made.rows, strict=True):
        solved = [(known[r]["question"], known[r]["answer"]) for r in used]
        assert pairs_shown(shown) == solved
        assert f"«{known[row_id]['question']}»" in shown.split("›")[-1]


@pytest.mark.parametrize("count", [2, 3, 4, 6, 7, 50])
def test_as_many_exemplars_are_shown_as_the_pool_allows(count):
    """The number of exemplars is the one drawn, or the whole pool but the query."""
    shots = make_shots(1, 2, 5)
    made, _ = render(
        [question_answer(i) for i in range(count)],
        MARKED,
        quota=600,
        settings=make_settings(variants=FEW_SHOT_ONLY, shots=shots),
    )
    counts = Counter(len(used) for used in made.exemplar_rows)

    assert set(counts) == {min(n, count - 1) for n in (1, 2, 5)}
    if count > 5:
        assert all(abs(counts[n] - 200) < 60 for n in (1, 2, 5))


def test_exemplars_that_give_the_target_away_are_replaced():
    """Where a long target stands in an exemplar another row takes its place, not none."""
    shared = "the very same long answer, word for word"
    raw = [question_answer(i) for i in range(6)]
    raw += [{"question": f"Another {i}?", "answer": shared} for i in range(6)]
    made, rows = render(
        raw, MARKED, quota=300, settings=make_settings(variants=FEW_SHOT_ONLY, shots=make_shots(5))
    )
    known = by_id(rows)

    assert len(made.draws) == 300
    for shown, used, row_id in zip(made.inputs, made.exemplar_rows, made.rows, strict=True):
        assert len(used) == 5
        assert known[row_id]["answer"] != shared or shared not in shown


LONG_LABELS = ["the first statement follows from it", "the first statement contradicts it"]


def test_long_labels_recur_among_exemplars():
    """Answers from one set for all rows may recur: barring them would tell the right one."""
    raw = [
        {"question": f"What of {i}?", "options": LONG_LABELS, "answer_index": i % 2}
        for i in range(30)
    ]
    templates = make_templates(
        make_template("ask", "«{{ question }}»{% if options_text %} {{ options_text }}{% endif %}")
    )
    made, rows = render(
        raw,
        templates,
        quota=200,
        settings=make_settings(variants=EVEN, shots=make_shots(4)),
    )
    known = by_id(rows)

    assert len(made.draws) == 200
    same = [
        known[r]["answer_index"] == known[row_id]["answer_index"]
        for used, row_id in zip(made.exemplar_rows, made.rows, strict=True)
        for r in used
    ]
    assert 0.35 < sum(same) / len(same) < 0.65


def test_a_field_that_is_the_same_in_all_rows_asks_nothing():
    """A task's definition stands in every prompt and bars no exemplar; the question does."""
    templates = make_templates(
        make_template("ask", "{{ definition }}\n«{{ question }}»", "‹{{ answer }}›"),
        make_template(
            "back", "{{ definition }}\n[{{ answer }}]", "«{{ question }}»", direction="inverted"
        ),
    )
    raw = [
        {"definition": "Say yes or no.", "question": f"Is it {i}?", "answer": "yes"}
        for i in range(8)
    ]
    made, _ = render(raw, templates, quota=100, settings=FEW)

    assert len(made.draws) == 100
    assert not made.redrawn
    assert all(made.exemplar_rows)


CLOSED = make_templates(
    make_template(
        "ask",
        "«{{ question }}»{% if options_text %}[[{{ options_text }}]]{% endif %}",
        "‹{{ answer }}›",
    )
)


@pytest.mark.parametrize("fixed", [False, True])
def test_exemplars_with_options_are_solved_rightly(fixed):
    """Read back from the prompt, every exemplar's label names its row's right option."""
    raw = [
        {
            "question": f"Which is number {i}?",
            "options": [f"first {i}", f"second {i}", f"third {i}"],
            "answer_index": i % 3,
        }
        for i in range(25)
    ]
    made, rows = render(
        raw,
        CLOSED,
        quota=240,
        settings=make_settings(variants=EVEN, shots=make_shots(1, 3)),
        fixed_option_order=fixed,
    )
    known = by_id(rows)
    checked = 0
    for shown, variant, style, used, row_id, target in zip(
        made.inputs,
        made.variants,
        made.styles,
        made.exemplar_rows,
        made.rows,
        made.targets,
        strict=True,
    ):
        right = [known[r]["options"][known[r]["answer_index"]] for r in [*used, row_id]]
        if variant.endswith("noopt"):
            assert [solved for _, solved in pairs_shown(shown)] + [target[1:-1]] == right
            continue
        lists = re.findall(r"\[\[(.*?)\]\]", shown, flags=re.DOTALL)
        labels = [solved for _, solved in pairs_shown(shown)] + [target[1:-1]]
        for text, label, row, answer in zip(lists, labels, [*used, row_id], right, strict=True):
            assert read_back(text, styles_of(style), label, known[row]["options"]) == answer
            checked += 1
            if fixed:
                places = [text.index(option) for option in known[row]["options"]]
                assert places == sorted(places)
    assert checked > 200


LETTERED = make_templates(
    make_template(
        "letters",
        "«{{ question }} A {{ options[0] }} B {{ options[1] }} C {{ options[2] }}»",
        "‹{{ 'ABC'[answer_index] }}›",
    )
)


def test_a_list_that_a_template_writes_itself_agrees_with_answer_index():
    """The letter at `answer_index` stands before the right option, in queries and exemplars."""
    raw = [
        {
            "question": f"Which is number {i}?",
            "options": [f"one{i}", f"two{i}", f"three{i}"],
            "answer_index": i % 3,
        }
        for i in range(25)
    ]
    made, rows = render(
        raw, LETTERED, quota=120, settings=make_settings(variants=EVEN, shots=make_shots(1, 3))
    )
    known = by_id(rows)
    letters = set()
    for shown, used, row_id, target in zip(
        made.inputs, made.exemplar_rows, made.rows, made.targets, strict=True
    ):
        asked = re.findall(r"«(.*?)»", shown, flags=re.DOTALL)
        solved = [letter for _, letter in pairs_shown(shown)] + [target[1:-1]]
        for text, letter, row in zip(asked, solved, [*used, row_id], strict=True):
            right = known[row]["options"][known[row]["answer_index"]]
            assert f" {letter} {right}" in text
            letters.add(letter)
    assert letters == {"A", "B", "C"}


@given(
    count=st.integers(1, 9),
    quota=st.integers(0, 60),
    rows=st.integers(1, 30),
    inversion=st.sampled_from([None, Fraction(3, 10)]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_templates_of_a_cell_are_used_equally_often(count, quota, rows, inversion, seed):
    """Counts of two templates of a cell differ by at most one; with enough draws all are used."""
    direct = [make_template(f"t{i}", f"{{{{ question }}}} {i}?") for i in range(count)]
    back = [
        make_template(f"b{i}", f"{i} {{{{ answer }}}}", "{{ question }}", direction="inverted")
        for i in range(2)
    ]
    templates = make_templates(*direct, *back)
    kept = make_settings(
        variants=(("zs_noopt", Fraction(2)), ("fs_noopt", Fraction(1))), inversion_rate=inversion
    )
    raw = [question_answer(i) for i in range(rows)]
    made, _ = render(raw, templates, quota=quota, settings=kept, seed=seed)
    plan = make_task_plan(rows=rows, quota=quota, templates=templates, settings=kept)

    found = Counter(zip(made.variants, made.templates, strict=True))
    assert sum(found.values()) == quota
    for cell in plan.cells:
        counts = [found[cell.variant, templates.templates[i].id] for i in cell.templates]
        assert sum(counts) == cell.quota == made.cells[cell.name]
        assert max(counts) - min(counts) <= 1
        if cell.quota >= len(counts):
            assert min(counts) >= 1


def test_rows_are_gone_through_before_one_comes_again():
    """The rows of the queries of one pass are all rows of the task, each once."""
    raw = [question_answer(i) for i in range(37)]
    made, rows = render(raw, MARKED, quota=3 * 37, settings=make_settings())
    drawn = dict(zip(made.draws, made.rows, strict=True))

    for begin in (0, 37, 74):
        assert sorted(drawn[k] for k in range(begin, begin + 37)) == sorted(by_id(rows))


def renderer(raw: Sequence[Mapping[str, Any]], quota: int, **further: Any) -> TaskRenderer:
    plan = make_task_plan(
        rows=len(raw), quota=quota, templates=MARKED, settings=further.pop("settings"), **further
    )
    return TaskRenderer(
        plan,
        templates=MARKED.templates,
        styles=shipped_styles(),
        rows=MemoryRows(raw, fields=["question", "answer"]),
        seed=3,
    )


def examples(made: RenderedExamples) -> dict[int, tuple[Any, ...]]:
    """Everything about each example, by draw."""
    columns = (made.inputs, made.targets, made.variants, made.templates, made.styles, made.rows)
    rest = zip(*columns, map(tuple, made.exemplar_rows), strict=True)
    return dict(zip(made.draws, rest, strict=True))


def test_an_example_does_not_depend_on_the_draws_rendered_with_it():
    """Rendered alone, in any part and in any order, a draw gives the same example."""
    raw = [question_answer(i) for i in range(50)]
    kept = make_settings(variants=EVEN, shots=make_shots(2, 3))
    whole = examples(renderer(raw, 120, settings=kept).render(range(120)))

    parts: dict[int, tuple[Any, ...]] = {}
    for part in (range(60, 120), range(7), [7], range(59, 7, -1)):
        parts |= examples(renderer(raw, 120, settings=kept).render(part))
    assert parts == whole


def test_other_tasks_and_seeds_draw_otherwise():
    """The task's id and the recipe's seed are what its draws come from."""
    raw = [question_answer(i) for i in range(50)]
    kept = make_settings(variants=FEW_SHOT_ONLY)
    one, _ = render(raw, MARKED, quota=50, settings=kept)
    other, _ = render(raw, MARKED, quota=50, settings=kept, task="demo/other")
    seeded, _ = render(raw, MARKED, quota=50, settings=kept, seed=1)

    assert one.rows != other.rows != seeded.rows
    assert one.exemplar_rows != other.exemplar_rows != seeded.exemplar_rows


def test_a_prompt_that_is_too_long_loses_exemplars_first():
    """Exemplars are dropped from the end until the prompt fits; the query stays whole."""
    raw = [question_answer(i) for i in range(30)]
    shots = make_shots(5)
    free, _ = render(
        raw, MARKED, quota=100, settings=make_settings(variants=FEW_SHOT_ONLY, shots=shots)
    )
    tight, _ = render(
        raw,
        MARKED,
        quota=100,
        settings=make_settings(variants=FEW_SHOT_ONLY, shots=shots, input_chars=200),
    )
    full = examples(free)

    shorter = 0
    for draw, (shown, target, *_, row, used) in examples(tight).items():
        assert len(shown) <= 200
        whole, whole_target, *_rest, whole_row, whole_used = full[draw]
        if row == whole_row:
            assert used == whole_used[: len(used)]
            assert target == whole_target
            assert whole.startswith(shown[:60])
            shorter += len(used) < len(whole_used)
    assert shorter > 50


MIXED_LENGTHS = [
    {"question": f"Is {i} short?" if i % 3 else "Is it long? " * 40, "answer": f"answer {i}"}
    for i in range(30)
]


def test_rows_that_are_too_long_are_drawn_again_and_counted():
    """A row over the budget gives its place to another; asked and realised stay equal."""
    made, rows = render(MIXED_LENGTHS, MARKED, quota=30, settings=make_settings(input_chars=100))
    long_rows = sum(len(row["question"]) > 98 for row in by_id(rows).values())

    assert len(made.draws) == 30
    assert not made.dropped
    assert set(made.redrawn) == {"input_too_long"}
    # In one pass each long row is met once; a row drawn in its place may be long again.
    assert long_rows <= made.redrawn["input_too_long"] <= 4 * long_rows
    assert sum(made.cells.values()) == 30


def test_targets_that_are_too_long_are_drawn_again_and_counted():
    """The budget of targets counts characters of the target alone."""
    raw = [{"question": f"Is it {i}?", "answer": "x" * (5 + 50 * (i % 2))} for i in range(20)]
    made, _ = render(raw, MARKED, quota=40, settings=make_settings(target_chars=20))

    assert all(len(target) <= 20 for target in made.targets)
    assert set(made.redrawn) == {"target_too_long"}
    assert len(made.draws) + len(made.dropped) == 40


def test_texts_that_come_out_empty_are_drawn_again_and_counted():
    """Neither a prompt nor a target of nothing but white space becomes an example."""
    templates = make_templates(
        make_template("t", "{% if question != 'Is it 1?' %}{{ question }}{% endif %}",
                      "{% if question != 'Is it 2?' %}{{ answer }}{% endif %} \n"),
    )  # fmt: skip
    raw = [{"question": f"Is it {i}?", "answer": "yes"} for i in range(6)]
    made, _ = render(raw, templates, quota=60, settings=make_settings())

    assert set(made.redrawn) == {"empty_input", "empty_target"}
    assert all(made.inputs)
    assert all(made.targets)
    assert len(made.draws) == 60


@pytest.mark.parametrize(
    ("template", "kept", "reason"),
    [
        (make_template("t", "{{ question[90] }}"), {}, "render_error"),
        (make_template("t", "{% if answer == '' %}x{% endif %}"), {}, "empty_input"),
        (make_template("t", "{{ question }}", " {{ '' }}"), {}, "empty_target"),
        (make_template("t", "{{ question }}"), {"input_chars": 3}, "input_too_long"),
        (make_template("t", "{{ question }}"), {"target_chars": 3}, "target_too_long"),
    ],
)
def test_a_draw_that_nothing_fits_is_dropped_and_counted(template, kept, reason):
    """After the redraws a draw comes to nothing, with its reason; asked less realised is that."""
    raw = [question_answer(i) for i in range(10)]
    made, rows = render(raw, make_templates(template), quota=15, settings=make_settings(**kept))

    assert made.draws == []
    assert sorted(drop.draw for drop in made.dropped) == list(range(15))
    assert {drop.reason for drop in made.dropped} == {reason}
    assert {drop.template for drop in made.dropped} == {"t"}
    assert {drop.row for drop in made.dropped} <= set(by_id(rows))
    assert all(drop.detail for drop in made.dropped)
    assert made.redrawn == {reason: 15 * MAX_REDRAWS}


def test_only_some_draws_fail():
    """Draws that fit are kept whatever happens to the others; each is kept or dropped, once."""
    templates = make_templates(
        make_template("good", "{{ question }}"), make_template("bad", "{{ question[90] }}")
    )
    raw = [question_answer(i) for i in range(10)]
    made, _ = render(raw, templates, quota=21, settings=make_settings())

    assert sorted([*made.draws, *(d.draw for d in made.dropped)]) == list(range(21))
    assert set(made.templates) == {"good"}
    assert {d.template for d in made.dropped} == {"bad"}
    assert abs(len(made.draws) - len(made.dropped)) <= 1


def test_one_of_several_right_answers_is_drawn_for_each_example():
    """Each answer of a row becomes the target about equally often, and input and target agree."""
    raw = [
        {"question": f"Name one of {i}.", "answers": [f"a{i}", f"b{i}", f"c{i}"]} for i in range(10)
    ]
    templates = make_templates(make_template("t", "{{ question }} ({{ answer }})", "{{ answer }}!"))
    made, _ = render(raw, templates, quota=900, settings=make_settings())
    counts = Counter(target[0] for target in made.targets)

    assert all(
        f"({target[:-1]})" in shown for shown, target in zip(made.inputs, made.targets, strict=True)
    )
    assert all(abs(counts[letter] - 300) < 70 for letter in "abc")


def test_a_dialog_is_laid_out_by_a_drawn_style():
    """Turns alternate between two speakers in one style, which the style column names."""
    raw = [
        {"turns": [f"turn {i} {t}" for t in range(1 + i % 4)], "response": f"reply {i}"}
        for i in range(12)
    ]
    templates = make_templates(make_template("t", "{{ dialog_text }}", "{{ response }}"))
    made, rows = render(
        raw,
        templates,
        quota=60,
        settings=make_settings(variants=(("zs_noopt", 1), ("fs_noopt", 1))),
    )
    known = by_id(rows)
    pools = shipped_styles().styles
    for shown, variant, style, row_id in zip(
        made.inputs, made.variants, made.styles, made.rows, strict=True
    ):
        lead, speakers, end = style.split(";")[0].removeprefix("dialog=").split("/")
        named = next(s for s in pools.dialog_speakers if s.id == speakers)
        labels = (named.first, named.second)
        between = next(p for p in pools.dialog_turn_ends if p.id == end).text
        text = between.join(labels[i % 2] + t for i, t in enumerate(known[row_id]["turns"]))
        text = next(p for p in pools.dialog_lead_ins if p.id == lead).text + text
        assert text.strip() in shown
        assert variant != "zs_noopt" or shown == text.strip()


def test_a_task_of_options_and_turns_says_both_styles():
    """The style column names everything that was drawn."""
    raw = [
        {"turns": ["hi", f"no {i}"], "options": ["bye", f"go {i}"], "answer_index": 0}
        for i in range(5)
    ]
    templates = make_templates(make_template("t", "{{ dialog_text }}\n{{ options_text }}"))
    made, _ = render(raw, templates, quota=10, settings=make_settings(variants=(("fs_opt", 1),)))

    for style in made.styles:
        assert [part.split("=")[0] for part in style.split(";")] == [
            "options",
            "dialog",
            "exemplars",
        ]


OPTIONAL = [
    {"question": f"Is it {i}?", "note": "mind this" if i % 4 == 0 else "", "answer": f"a{i}"}
    for i in range(24)
]


def test_a_template_that_requires_a_field_gets_only_rows_that_have_it():
    """Neither as query nor as exemplar does a row without the field meet such a template."""
    templates = make_templates(
        make_template("plain", "«{{ question }}»", "‹{{ answer }}›"),
        make_template("noted", "«{{ question }}|{{ note }}»", "‹{{ answer }}›", requires=["note"]),
    )
    kept = make_settings(variants=(("zs_noopt", 1), ("fs_noopt", 1)), shots=make_shots(2))
    made, _ = render(OPTIONAL, templates, quota=200, settings=kept)

    assert len(made.draws) == 200
    assert not any("|»" in shown for shown in made.inputs)
    assert set(made.templates) == {"plain", "noted"}


def test_where_every_template_requires_the_field_other_rows_are_drawn():
    """A row that no template can serve is drawn again, with a reason of its own."""
    templates = make_templates(
        make_template("noted", "{{ question }}|{{ note }}", requires=["note"])
    )
    made, _ = render(OPTIONAL, templates, quota=50, settings=make_settings())

    assert set(made.redrawn) == {"required_field"}
    assert all(shown.endswith("|mind this") for shown in made.inputs)
    assert len(made.draws) + len(made.dropped) == 50


def test_a_few_shot_part_replaces_the_texts_and_puts_the_instruction_on_top():
    """Instruction once, then exemplars and query in the few-shot texts; zero-shot is untouched."""
    templates = make_templates(
        make_template(
            "t",
            "Please answer: {{ question }}",
            "{{ answer }}",
            few_shot={
                "instruction": "Answer each.",
                "input": "«{{ question }}»",
                "target": "‹{{ answer }}›",
            },
        )
    )
    raw = [question_answer(i) for i in range(9)]
    kept = make_settings(variants=(("zs_noopt", 1), ("fs_noopt", 1)))
    made, _ = render(raw, templates, quota=40, settings=kept)

    for shown, target, variant in zip(made.inputs, made.targets, made.variants, strict=True):
        if variant == "fs_noopt":
            assert shown.startswith("Answer each.")
            assert shown.count("Answer each.") == 1
            assert shown.count("«") == len(pairs_shown(shown)) + 1
            assert target.startswith("‹")
        else:
            assert shown.startswith("Please answer: What")
            assert target.startswith("it is")


@pytest.mark.parametrize("requires", [[], ["note"]])
def test_mixed_prompts_give_each_exemplar_a_template_of_its_own(requires):
    """Templates are mixed inside a prompt, use their plain texts, and label options rightly."""
    few = {"input": "«{{ question }}»[[{{ options_text }}]]", "instruction": "Never shown."}
    templates = make_templates(
        make_template("one", "1«{{ question }}»[[{{ options_text }}]]", "‹{{ answer }}›"),
        make_template("two", "2«{{ question }}»[[{{ options_text }}]]", "‹{{ answer }}›"),
        make_template("three", "3«{{ question }}»", "‹{{ answer }}›", few_shot=few),
        make_template("four", "4«{{ question }}»[[{{ options_text }}]]", "‹{{ answer }}›",
                      requires=requires),
    )  # fmt: skip
    raw = [
        {"question": f"Is it {i}?", "note": "", "options": ["yes", "no"], "answer_index": i % 2}
        for i in range(20)
    ]
    shots = make_shots(4, mixed_templates=True)
    made, _ = render(
        raw,
        templates,
        quota=90,
        settings=make_settings(variants=(("fs_opt", 1),), shots=shots),
    )
    used = [frozenset(re.findall(r"([1234])«", shown)) for shown in made.inputs]

    assert len(made.draws) == 90
    assert any(len(kinds) > 1 for kinds in used)
    # Template three shows no options as it is, so that it cannot serve a prompt with options.
    assert frozenset().union(*used) == set("12") | (set() if requires else {"4"})
    assert not any("Never shown" in shown for shown in made.inputs)


def test_mixed_prompts_whose_templates_all_require_a_field_use_their_own():
    """Where no template serves every row, exemplars share the query's and have the field."""
    templates = make_templates(
        make_template("noted", "«{{ question }}|{{ note }}»", "‹{{ answer }}›", requires=["note"])
    )
    shots = make_shots(2, mixed_templates=True)
    made, _ = render(
        OPTIONAL, templates, quota=20, settings=make_settings(variants=FEW_SHOT_ONLY, shots=shots)
    )

    assert made.draws
    assert not any("|»" in shown for shown in made.inputs)


@pytest.mark.parametrize("settings_", [make_settings(), FEW])
def test_a_choice_in_a_template_is_drawn_for_each_example(settings_):
    """Prompt and target see the same choice; other draws of the same row see others."""
    word = "{{ ['red', 'green', 'blue'] | choice(chance, 1) }}"
    templates = make_templates(make_template("ask", f"«{{{{ question }}}} {word}»", f"‹{word}›"))
    raw = [question_answer(i) for i in range(10)]
    result, _ = render(raw, templates, quota=200, settings=settings_)
    again, _ = render(raw, templates, quota=200, settings=settings_)

    assert not result.dropped
    assert result.targets == again.targets
    assert {t.strip("‹›") for t in result.targets} == {"red", "green", "blue"}
    for shown, target in zip(result.inputs, result.targets, strict=True):
        assert target.strip("‹›") + "»" in shown
        for prompt, solved in pairs_shown(shown):
            assert prompt.endswith(solved)
