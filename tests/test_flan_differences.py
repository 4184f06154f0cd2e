"""Accidents of the Flan 2022 release that are not repeated here, and the page that lists them.

Most of what `docs/reference/flan-differences.md` says is held by tests that stand with the code
they are about; those here have no better place. The first test holds the page to the tests.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from typing import Any

import numpy as np

from mixture_builder.card_files import load_cards
from mixture_builder.io.stored_rows import StoredRows
from mixture_builder.io.stored_task import task_folder
from mixture_builder.shipped import cards_folder, templates_folder
from mixture_builder.styles import Styles
from mixture_builder.template_files import load_templates, template_names
from tests.docs.blocks import DOCS, ROOT
from tests.jobs.test_build import lock_of, records
from tests.makers import (
    FEW_SHOT_ONLY,
    make_settings,
    make_shots,
    make_template,
    make_templates,
    render,
    shipped_styles,
)

PAGE = DOCS / "reference" / "flan-differences.md"
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
ROWS = [{"question": f"What is number {i}?", "answer": f"it is {i}"} for i in range(200)]
ASK = make_templates(make_template("ask", "{{ question }}", "{{ answer }}"))


def test_every_line_of_the_page_names_a_test_that_is_there():
    """Each row of its tables ends in at least one test, and each test named exists."""
    lines = [
        line
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and not line.startswith(("| The release", "| ---"))
    ]
    missing = []
    for line in lines:
        named = _NAMED.findall(line.rstrip(" |").rsplit("|", maxsplit=1)[1])
        assert named, line
        for file, test in named:
            path = ROOT / file
            tree = ast.parse(path.read_text(encoding="utf-8") if path.is_file() else "")
            names = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
            if test not in names:
                missing.append(f"{file}::{test}")

    assert len(lines) >= 20
    assert missing == []


def test_separators_are_drawn_for_each_prompt():
    """One task meets every separator that fits, at its rate; the release drew one for a task."""
    made, _ = render(
        ROWS, ASK, quota=4000, settings=make_settings(variants=FEW_SHOT_ONLY, shots=make_shots(2))
    )
    drawn = Counter(style.removeprefix("exemplars=") for style in made.styles)
    pool = shipped_styles().exemplar_pool(questions=True)
    possible = Counter(separator.id for _, separator in pool)
    found: Counter[str] = Counter()
    for style, count in drawn.items():
        found[style.split("/")[1]] += count

    assert set(found) == set(possible)
    for separator, pairs in possible.items():
        expected = 4000 * pairs / len(pool)
        assert abs(found[separator] - expected) < 5 * expected**0.5


def test_targets_hold_no_mark_of_a_separator_or_label():
    """In every style the target is the template's and no more; in x-shot it had the separator."""
    made, _ = render(
        ROWS,
        ASK,
        quota=4000,
        settings=make_settings(variants=FEW_SHOT_ONLY, shots=make_shots(1, 2)),
    )

    assert len(set(made.styles)) > 300
    for target in made.targets:
        assert re.fullmatch(r"it is \d+", target)


def test_no_target_of_a_mixture_begins_or_ends_in_white_space(quickstart: Any):
    """Over all shipped kinds of tasks and all variants targets are stripped."""
    found = records(lock_of(quickstart, shards=1, examples=3000), quickstart.store, [0])

    assert len(found) > 2900
    assert [r["targets"] for r in found if r["targets"] != r["targets"].strip()] == []


def test_exemplars_are_of_the_querys_own_task(quickstart: Any):
    """Every exemplar's row is one of the task's; for a time the release mixed tasks."""
    lock = lock_of(quickstart, shards=1, examples=1500)
    rows = {}
    for task in lock.plan.tasks:
        folder = task_folder(quickstart.store, task.task, lock.tasks[task.task].stored)
        stored = StoredRows(folder, expected_rows=task.rows)
        rows[task.task] = set(stored.ids(np.arange(task.rows)).tolist())
    few_shot = [r for r in records(lock, quickstart.store, [0]) if r["num_exemplars"]]

    assert len(few_shot) > 500
    for record in few_shot:
        assert set(record["exemplar_rows"]) <= rows[record["task_id"]]


def test_line_breaks_of_a_row_are_kept_in_prompt_and_target():
    """Texts stand as their rows have them; the release turned those of T0 into spaces."""
    raw = [{"question": f"One\n\ntwo\n{i}", "answer": f"a\nb {i}"} for i in range(5)]
    made, _ = render(raw, ASK, quota=5, settings=make_settings())

    assert sorted(made.inputs) == [row["question"] for row in raw]
    assert sorted(made.targets) == [row["answer"] for row in raw]


def test_every_template_of_a_task_is_written_once():
    """No template stands twice under two names, so none is drawn at twice its rate."""
    for name in template_names(templates_folder()):
        loaded, _ = load_templates(templates_folder(), name)
        assert loaded is not None
        texts = [(t.input, t.target, t.few_shot_input, t.instruction) for t in loaded.templates]
        assert len(set(texts)) == len(texts), name


def test_no_style_stands_twice_under_two_names():
    """Labels, bullets, lead-ins: each is in its pool once, so none is drawn at twice its rate."""
    styles: Styles = shipped_styles().styles
    pools: dict[str, list[Any]] = {
        "labels": [
            (s.input, s.input_end, s.target, s.target_end, s.delimiter) for s in styles.labels
        ],
        "separators": [s.text for s in styles.separators],
        "items": [(s.prefix, s.enumerate, s.label) for s in styles.option_items],
        "option lead-ins": [s.text for s in styles.option_lead_ins],
        "endings": [s.text for s in styles.option_endings],
        "dialog lead-ins": [s.text for s in styles.dialog_lead_ins],
        "speakers": [(s.first, s.second) for s in styles.dialog_speakers],
        "turn ends": [s.text for s in styles.dialog_turn_ends],
    }

    assert {name: len(pool) - len(set(pool)) for name, pool in pools.items()} == dict.fromkeys(
        pools, 0
    )


def test_no_worked_example_of_natural_instructions_is_the_row_itself():
    """A row that is its task's worked example has none to show."""
    cards, _ = load_cards(cards_folder(), wanted=lambda file: file.startswith("niv2/"))
    card = next(iter(cards.values()))
    fields = {f.name: f.compiled() for f in card.fields}
    example = {"input": "Is it?", "output": "yes", "explanation": "because"}
    record = {**card.sample[0], "positive_examples": [example, {**example, "input": "Or not?"}]}

    def shown(text: str) -> tuple[Any, Any]:
        raw = {**record, "input": text}
        return fields["example_input"](raw), fields["second_input"](raw)

    assert shown("Was it?") == ("Is it?", "Or not?")
    assert shown("Is it?") == ("", "Or not?")
    assert shown("Or not?") == ("Is it?", "")
