"""Parts of prompts and targets: exact to the letter, whatever the rows hold."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixture_builder.jobs.task_renderers import task_renderer
from mixture_builder.render.memory_rows import MemoryRows
from mixture_builder.render.parts import ExampleParts, Part
from mixture_builder.render.task import TaskRenderer
from tests.jobs.test_build import lock_of
from tests.makers import (
    FEW_SHOT_ONLY,
    make_settings,
    make_shots,
    make_task_plan,
    make_template,
    make_templates,
    shipped_styles,
)

EVEN = tuple((v, Fraction(1)) for v in ("zs_opt", "zs_noopt", "fs_opt", "fs_noopt"))

BORDERS = [s.text for s in shipped_styles().styles.separators] + [
    text for labels in shipped_styles().styles.labels for text in (labels.input, labels.target)
]
HOSTILE = st.one_of(
    st.text(min_size=1, max_size=12),
    st.lists(st.sampled_from([*BORDERS, "a", " ", "Q: ", "مرحبا", "東京", "<b>"]), min_size=1).map(
        "".join
    ),
).filter(lambda t: t.strip())

TEMPLATES = make_templates(
    make_template(
        "both",
        "Is it so? {{ question }}{% if options_text %}\n{{ options_text }}{% endif %}",
    ),
    make_template(
        "instructed",
        "Answer.\n{{ question }}\n",
        few_shot={"instruction": "Answer {{ topic }}. ", "input": " {{ question }} "},
    ),
    make_template("inverted", "{{ answer }} to?", "{{ question }}", direction="inverted"),
    make_template("listed", "{{ question }}{% for o in options %} ({{ o }}){% endfor %}"),
)


def renderer_of(rows: list[dict[str, Any]], **further: Any) -> TaskRenderer:
    chosen = {"variants": EVEN, "shots": make_shots(1, 3), **further}
    plan = make_task_plan(
        rows=len(rows),
        quota=48,
        templates=TEMPLATES,
        settings=make_settings(**chosen),
        has_options=True,
    )
    stored = MemoryRows(rows, fields=list(rows[0]))
    return TaskRenderer(
        plan, templates=TEMPLATES.templates, styles=shipped_styles(), rows=stored, seed=3
    )


def assert_exact(parts: ExampleParts, prompt: str, target: str) -> None:
    assert parts.told_apart
    assert "".join(p.text for p in parts.prompt) == prompt
    assert "".join(p.text for p in parts.target) == target
    assert all(p.text for p in (*parts.prompt, *parts.target))


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.tuples(HOSTILE, HOSTILE, HOSTILE), min_size=2, max_size=6),
    mixed=st.booleans(),
)
def test_parts_put_together_are_prompt_and_target(texts, mixed):
    """For rows that hold labels and separators themselves, in all variants and directions."""
    rows = [
        {
            "question": question,
            "topic": topic,
            "options": [right, f"{right} not", "neither"],
            "answer_index": 0,
        }
        for question, topic, right in texts
    ]
    renderer = renderer_of(rows, shots=make_shots(1, 3, mixed_templates=mixed))

    rendered, parts = renderer.render_in_parts(range(48))

    assert set(parts) == set(rendered.draws)
    for draw, prompt, target, exemplars in zip(
        rendered.draws, rendered.inputs, rendered.targets, rendered.exemplar_rows, strict=True
    ):
        assert_exact(parts[draw], prompt, target)
        assert {p.exemplar for p in parts[draw].prompt} - {0} == {
            n + 1 for n in range(len(exemplars))
        }


def test_shipped_tasks_are_taken_apart_whole(quickstart: Any) -> None:
    """Dialogs, several answers, lists, optional fields: all that the shipped tasks use."""
    lock = lock_of(quickstart, shards=1, examples=1500)
    kinds = set()
    for task in lock.plan.tasks:
        renderer = task_renderer(lock, task, store=quickstart.store)
        rendered, parts = renderer.render_in_parts(range(task.quota))
        for draw, prompt, target in zip(
            rendered.draws, rendered.inputs, rendered.targets, strict=True
        ):
            assert_exact(parts[draw], prompt, target)
            kinds |= {p.kind for p in parts[draw].prompt}
    assert kinds == {
        *("instruction", "exemplar", "exemplar_target", "query"),
        *("options", "label", "separator"),
    }


def test_parts_of_a_few_shot_prompt_are_named() -> None:
    """Instruction, separator, label, exemplar, its target, label, query: each with its fields."""
    rows = [{"question": f"Q: {n}", "answer": f"n{n}"} for n in range(2)]
    templates = make_templates(
        make_template(
            "ask",
            "unused {{ question }}",
            few_shot={"instruction": "Reply.", "input": "({{ question }})"},
        )
    )
    plan = make_task_plan(
        rows=2,
        quota=1,
        templates=templates,
        settings=make_settings(variants=FEW_SHOT_ONLY, shots=make_shots(1)),
        questions=False,
    )
    stored = MemoryRows(rows, fields=["question", "answer"])
    renderer = TaskRenderer(
        plan, templates=templates.templates, styles=shipped_styles(), rows=stored, seed=1
    )

    rendered, parts = renderer.render_in_parts([0])

    asked, shown = (
        stored.columns(["question"], np.asarray([stored.index_of(row)]))["question"][0]
        for row in (rendered.rows[0], rendered.exemplar_rows[0][0])
    )
    found = [(p.kind, p.text, p.field, p.exemplar) for p in parts[0].prompt]
    plain = [part for part in found if part[0] not in {"label", "separator"}]
    assert plain == [
        ("instruction", "Reply.", "", 0),
        ("exemplar", "(", "", 1),
        ("exemplar", shown, "question", 1),
        ("exemplar", ")", "", 1),
        ("exemplar_target", shown.replace("Q: ", "n"), "answer", 1),
        ("query", "(", "", 0),
        ("query", asked, "question", 0),
        ("query", ")", "", 0),
    ]
    assert [kind for kind, *_ in found if kind == "separator"] == ["separator"] * 2
    assert parts[0].target == (Part(kind="target", text=rendered.targets[0], field="answer"),)


@pytest.mark.parametrize("row", [0, 1])
def test_a_chosen_row_is_rendered_by_a_chosen_template(row: int) -> None:
    """Rows, templates and cells that are given are those that come out, in their order."""
    rows = [
        {"question": f"what {n}", "topic": "x", "options": ["a", "b"], "answer_index": n}
        for n in range(2)
    ]
    renderer = renderer_of(rows)
    cells = renderer.plan.cells
    chosen = [
        (number, template, row) for number, cell in enumerate(cells) for template in cell.templates
    ]

    rendered, parts = renderer.render_chosen(chosen)

    assert sorted(rendered.draws) == list(range(len(chosen)))
    for at, draw in enumerate(rendered.draws):
        number, template, _ = chosen[draw]
        assert rendered.cell_codes[at] == number
        assert rendered.templates[at] == TEMPLATES.templates[template].id
        assert_exact(parts[draw], rendered.inputs[at], rendered.targets[at])
    assert len(set(rendered.rows)) == 1


def test_a_choice_that_cannot_be_rendered_is_dropped_with_its_reason() -> None:
    """Nothing else is drawn in place of what was asked for."""
    templates = make_templates(
        make_template("with_note", "{{ question }} {{ note }}", requires=["note"])
    )
    rows = [
        {"question": "q", "note": "", "answer": "a"},
        {"question": "p", "note": "n", "answer": "b"},
    ]
    plan = make_task_plan(rows=2, quota=1, templates=templates, settings=make_settings())
    stored = MemoryRows(rows, fields=["question", "note", "answer"])
    renderer = TaskRenderer(
        plan, templates=templates.templates, styles=shipped_styles(), rows=stored, seed=0
    )
    empty = next(n for n in range(2) if not stored.columns(["note"], np.asarray([n]))["note"][0])

    rendered, parts = renderer.render_chosen([(0, 0, empty), (0, 0, 1 - empty)])

    assert rendered.draws == list(parts) == [1]
    assert [(d.draw, d.reason) for d in rendered.dropped] == [(0, "required_field")]
