"""Forms of few-shot prompts: how many exemplars, in whose templates, the same for all or drawn."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.cells import cells_of
from mixture_builder.jobs.task_renderers import option_pieces, task_renderer
from mixture_builder.recipes import Shots
from mixture_builder.render.task import RenderedExamples
from mixture_builder.shot_forms import NAMED_FORMS
from tests.jobs.test_build import lock_of
from tests.makers import FEW_SHOT_ONLY, make_settings, make_template, make_templates, render
from tests.render.test_columnar import by_draw

ROWS = [{"question": f"What is number {i}?", "answer": f"it is {i}"} for i in range(300)]
TEN = make_templates(
    *(make_template(f"t{i}", f"{i}«{{{{ question }}}}»", "‹{{ answer }}›") for i in range(10))
)
EVEN = tuple((v, Fraction(1)) for v in ("zs_opt", "zs_noopt", "fs_opt", "fs_noopt"))
FS_OPT = "fs_opt"


def forms(**rates: dict[str, int]) -> Shots:
    return Shots(
        forms=tuple(
            (variant, tuple((n, Fraction(r)) for n, r in sorted(named.items())))
            for variant, named in sorted(rates.items())
        )
    )


def rendered(quota: int, **named: int) -> RenderedExamples:
    settings = make_settings(variants=FEW_SHOT_ONLY, shots=forms(fs_noopt=named))
    made, _ = render(ROWS, TEN, quota=quota, settings=settings)
    return made


def templates_shown(prompt: str) -> list[str]:
    return re.findall(r"(\d)«", prompt)


def test_five_shot_prompts_have_five_exemplars_each_in_a_template_of_its_own():
    """Five are shown in every prompt, and templates mix inside it."""
    made = rendered(200, five_shot=1)

    assert {len(rows) for rows in made.exemplar_rows} == {5}
    assert all(len(set(templates_shown(prompt))) > 1 for prompt in made.inputs)


def test_x_shot_prompts_have_two_or_three_exemplars_at_the_releases_mean():
    """One template a prompt; 2.6 exemplars in the mean, whatever the template."""
    made = rendered(4000, x_shot=1)
    by_template = defaultdict(list)
    for prompt, rows in zip(made.inputs, made.exemplar_rows, strict=True):
        assert len(set(templates_shown(prompt))) == 1
        by_template[templates_shown(prompt)[0]].append(len(rows))
    counts = Counter(n for shown in by_template.values() for n in shown)

    assert NAMED_FORMS["x_shot"].mean == Fraction(26, 10)
    assert set(counts) == {2, 3}
    assert abs(counts[3] / 4000 - 0.6) < 4 * (0.6 * 0.4 / 4000) ** 0.5
    # In the release the number follows from the template: here every template has both.
    assert all(0.4 < shown.count(3) / len(shown) < 0.8 for shown in by_template.values())
    assert len(by_template) == 10


@pytest.mark.parametrize(("form", "count"), [("one_fixed", 1), ("two_fixed", 2)])
def test_fixed_prompts_show_the_same_exemplars_but_to_themselves(form, count):
    """All prompts show the first rows of the pool; where one is the query the next stands in."""
    made = rendered(300, **{form: 1})
    shown = Counter(tuple(rows) for rows in made.exemplar_rows)
    first, usual = shown.most_common(1)[0]

    assert usual == 300 - count
    assert {len(rows) for rows in shown} == {count}
    for row, exemplars in zip(made.rows, made.exemplar_rows, strict=True):
        assert row not in exemplars
        assert (tuple(exemplars) == first) is (row not in first)


def test_half_of_the_prompts_with_options_are_five_shot_and_half_x_shot():
    """The release's corners: both forms in equal parts with options, x-shot alone without."""
    shots = forms(fs_opt={"five_shot": 1, "x_shot": 1}, fs_noopt={"x_shot": 1})
    both = make_templates(
        make_template("ask", "{{ question }}{% if options_text %}\n{{ options_text }}{% endif %}")
    )

    def weights(*, has_options: bool) -> dict[str, int]:
        cells = cells_of(
            both,
            has_options=has_options,
            settings=make_settings(variants=EVEN, shots=shots),
            exemplars_exist=True,
        )
        return {cell.name: cell.weight for cell in cells}

    assert weights(has_options=True) == {
        "zs_opt": 2,
        "zs_noopt": 2,
        "fs_opt:five_shot": 1,
        "fs_opt:x_shot": 1,
        "fs_noopt:x_shot": 2,
    }
    # What a task without options takes over from `fs_opt` keeps its forms.
    assert weights(has_options=False) == {
        "zs_noopt": 4,
        "fs_noopt:five_shot": 1,
        "fs_noopt:x_shot": 3,
    }


NAMES = st.sampled_from(["", *NAMED_FORMS])
RATES = st.integers(0, 9)


@given(
    with_options=st.dictionaries(NAMES, RATES, min_size=1).filter(lambda d: any(d.values())),
    without=st.dictionaries(NAMES, RATES, min_size=1).filter(lambda d: any(d.values())),
    rates=st.fixed_dictionaries({v: RATES for v, _ in EVEN}).filter(lambda d: any(d.values())),
    inversion=st.sampled_from([None, Fraction(0), Fraction(3, 10)]),
    has_options=st.booleans(),
    rows=st.sampled_from([1, 9]),
)
def test_forms_split_a_variant_exactly_and_lose_nothing(
    with_options, without, rates, inversion, has_options, rows
):
    """Each form has its exact share of its variant, in whichever variant it comes to be served."""
    templates = make_templates(
        make_template("ask", "{{ question }}{% if options_text %}\n{{ options_text }}{% endif %}"),
        make_template("back", "{{ answer }}?", "{{ question }}", direction="inverted"),
    )
    shots = forms(fs_opt=with_options, fs_noopt=without)
    cells = cells_of(
        templates,
        has_options=has_options,
        settings=make_settings(
            variants=tuple((v, Fraction(r)) for v, r in rates.items()),
            shots=shots,
            inversion_rate=inversion,
        ),
        exemplars_exist=rows > 1,
    )
    whole, total = sum(c.weight for c in cells), sum(rates.values())
    expected: dict[str, Fraction] = defaultdict(Fraction)
    for variant, rate in rates.items():
        named = {FS_OPT: with_options, "fs_noopt": without}.get(variant, {"": 1})
        for form, of_variant in named.items():
            kept = form if variant.startswith("fs_") and rows > 1 else ""
            expected[kept] += Fraction(rate, total) * Fraction(of_variant, sum(named.values()))
    found: dict[str, Fraction] = defaultdict(Fraction)
    for cell in cells:
        found[cell.form] += Fraction(cell.weight, whole)

    assert {f: share for f, share in expected.items() if share} == dict(found)
    assert len({cell.name for cell in cells}) == len(cells)


def test_forms_render_alike_by_columns_and_row_by_row(quickstart: Any) -> None:
    """A prompt is the same letter for letter, whichever way it is made, in every form."""
    everything = {"five_shot": 1, "x_shot": 1, "one_fixed": 1, "two_fixed": 1, "counts": 1}
    lock = lock_of(
        quickstart,
        shards=1,
        examples=2000,
        shots={"forms": {"fs_opt": everything, "fs_noopt": everything}},
        styles={"options": {"items": ["upper_*", "dash"]}, "exemplars": {"separators": ["dash*"]}},
        limits={"input_chars": 1500},
    )
    used = set()
    for task in lock.plan.tasks:
        used |= {cell.form for cell in task.cells if cell.quota}
        pieces = option_pieces(lock.style_pools_for(task.settings))
        draws = range(task.quota)
        rows = task_renderer(lock, task, store=quickstart.store).render(draws)
        blocks = task_renderer(lock, task, store=quickstart.store).render_blocks(draws, pieces)
        assert by_draw(blocks) == by_draw(rows), task.task
        for style in rows.styles:
            for kind, drawn in (part.split("=") for part in style.split(";") if part):
                assert kind != "exemplars" or drawn.split("/")[1].startswith("dash")
                assert kind != "options" or drawn.split("/")[1].startswith(("upper_", "dash"))
    assert used == {"", *NAMED_FORMS}


OWN_LIST = make_template("own", "{{ question }} {{ options | join(' or ') }}?", "{{ answer }}")
DRAWN_LIST = make_template("drawn", "{{ question }}\n{{ options_text }}", "{{ answer }}")
CHOICES = [
    {"question": f"Is it {i}?", "options": ["yes", "no"], "answer_index": i % 2} for i in range(60)
]


@pytest.mark.parametrize("strict", [False, True])
def test_options_are_shown_only_in_variants_with_options(strict):
    """Strictly, a template that writes the list itself serves `_opt`, and its answers are words."""
    settings = make_settings(variants=EVEN, strict_options=strict)
    made, _ = render(CHOICES, make_templates(OWN_LIST, DRAWN_LIST), quota=240, settings=settings)
    shown = Counter(
        (template, variant[3:])
        for template, variant in zip(made.templates, made.variants, strict=True)
    )

    if not strict:
        assert shown == {("own", "noopt"): 120, ("drawn", "opt"): 120}
        return
    assert shown == {("own", "opt"): 120, ("drawn", "opt"): 120}
    for template, target, style in zip(made.templates, made.targets, made.styles, strict=True):
        assert template == "drawn" or target in {"yes", "no"}
        assert ("options=" in style) is (template == "drawn")
