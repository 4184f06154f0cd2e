"""Rendering by columns: the same examples, letter for letter, as rendering row by row."""

from __future__ import annotations

import itertools
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jobs.task_renderers import task_renderer
from mixture_builder.render.columnar_options import OptionPieces
from mixture_builder.render.columnar_styles import _beginnings, may_begin_with_label
from mixture_builder.render.columnar_texts import join_texts
from mixture_builder.render.parts import Part
from mixture_builder.render.programs import program_of
from mixture_builder.render.row_columns import DrawColumn, RowColumns
from mixture_builder.render.task import TaskRenderer
from mixture_builder.render.text_arrays import WHITE_SPACE
from tests.jobs.test_build import lock_of
from tests.jobs.test_ingest import card_of, rows_of, stored_of, write
from tests.makers import (
    make_settings,
    make_shots,
    make_task_plan,
    make_template,
    make_templates,
    shipped_styles,
)


def by_draw(rendered: Any) -> dict[int, tuple[Any, ...]]:
    """Draw to everything that is known of its example, from lists and blocks alike."""
    found = dict(
        zip(
            rendered.draws,
            zip(
                rendered.inputs,
                rendered.targets,
                rendered.variants,
                rendered.templates,
                rendered.styles,
                rendered.rows,
                rendered.exemplar_rows,
                strict=True,
            ),
            strict=True,
        )
    )
    for block in rendered.blocks:
        variants = [rendered.plan.cells[code].variant for code in block.cells.tolist()]
        templates = [rendered.template_names[code] for code in block.templates.tolist()]
        texts = [block.inputs.to_pylist(), block.targets.to_pylist()]
        exemplars: list[list[int]] = [[]] * len(block.draws)
        if block.exemplar_rows is not None:
            exemplars = block.exemplar_rows.to_pylist()
        values = zip(
            *(*texts, variants, templates, block.styles.to_pylist(), block.rows.tolist()),
            exemplars,
            strict=True,
        )
        found.update(zip(block.draws.tolist(), values, strict=True))
    return found


@pytest.mark.parametrize("limit", [0, 300, 1500])
@pytest.mark.parametrize("pool", [5, 1024])
def test_blocks_and_rows_give_the_same_examples(quickstart: Any, limit: int, pool: int) -> None:
    """For every shipped kind of task, few-shot and not, over tight budgets and small pools."""
    further: dict[str, Any] = {"limits": {"input_chars": limit}} if limit else {}
    further["shots"] = {"counts": {1: 1, 3: 1, 5: 2}, "pool": pool}
    lock = lock_of(quickstart, shards=1, examples=3000, **further)
    pieces = OptionPieces(lock.style_pools)
    by_columns = {False: 0, True: 0}
    for task in lock.plan.tasks:
        draws = range(task.quota)
        rows = task_renderer(lock, task, store=quickstart.store).render(draws)
        blocks = task_renderer(lock, task, store=quickstart.store).render_blocks(draws, pieces)

        assert by_draw(blocks) == by_draw(rows), task.task
        assert blocks.cells == rows.cells
        assert (blocks.redrawn, blocks.dropped) == (rows.redrawn, rows.dropped)
        for block in blocks.blocks:
            by_columns[block.exemplar_rows is not None] += len(block.draws)
    assert by_columns[False] > (200 if limit == 300 else 800)
    assert by_columns[True] > (20 if limit == 300 or pool == 5 else 800)


def test_blocks_say_where_queries_and_exemplars_stand(quickstart: Any) -> None:
    """At the very byte, under an instruction or not: as rendering in parts tells them apart."""
    lock = lock_of(quickstart, shards=1, examples=2000, shots={"counts": {1: 1, 4: 1}})
    pieces = OptionPieces(lock.style_pools)
    seen: Counter[int] = Counter()
    for task in lock.plan.tasks:
        renderer = task_renderer(lock, task, store=quickstart.store)
        _, parts = renderer.render_in_parts(range(task.quota))
        for block in renderer.render_blocks(range(task.quota), pieces).blocks:
            if block.bounds is None:
                assert block.exemplar_rows is None
                continue
            for draw, bounds in zip(block.draws.tolist(), block.bounds.to_pylist(), strict=True):
                assert bounds == bounds_of(parts[draw].prompt), (task.task, draw)
                seen[len(bounds)] += 1
    assert min(seen[1 + 2], seen[4 + 2]) > 200


def bounds_of(prompt: tuple[Part, ...]) -> list[int]:
    """What `RenderedBlock.bounds` has for a prompt that is told apart."""
    ends = list(itertools.accumulate(len(part.text.encode()) for part in prompt))
    places = list(zip(prompt, [0, *ends], ends, strict=False))
    query = [place for place in places if place[0].kind == "query" and not place[0].exemplar]
    query += [place for place in places if place[0].kind == "options" and not place[0].exemplar]
    firsts: dict[int, int] = {}
    for part, begin, _ in places:
        if part.kind in {"exemplar", "options"} and part.exemplar:
            firsts.setdefault(part.exemplar, begin)
    begins = [firsts[number] for number in sorted(firsts, reverse=True)]
    return [max(end for _, _, end in query), min(begin for _, begin, _ in query), *begins]


@pytest.mark.parametrize("variant", ["zs_noopt", "fs_noopt"])
def test_json_fields_and_choices_are_the_same_by_columns(tmp_path: Path, variant: str) -> None:
    """Nested values are read and `choice` chooses the same, row by row and by columns."""
    records = [
        {"q": f"what is {n}", "a": {"text": [f"it is {n}", f"it is {n}!"]}} for n in range(40)
    ]
    write(tmp_path / "c", {"data.jsonl": records})
    fields = {"question": "q", "found": "a"}
    card = card_of(tmp_path / "c", fields=fields, keep="", types=dict.fromkeys(fields, "json"))
    stored = stored_of(card, tmp_path / "store")
    lead = "{{ ['Say', 'Tell'] | choice(chance, 1) }} {{ question }}"
    templates = make_templates(
        make_template("ask", lead, "{{ found['text'] | choice(chance, 2) }}"),
        make_template("plain", "{{ question }}?", "{{ found['text'][0] }}"),
    )
    settings = make_settings(variants=((variant, Fraction(1)),), shots=make_shots(1, 3))
    plan = make_task_plan(rows=stored.rows, quota=120, templates=templates, settings=settings)
    renderers = [
        TaskRenderer(
            plan,
            templates=templates.templates,
            styles=shipped_styles(),
            rows=rows_of(stored, tmp_path / "store"),
            seed=3,
        )
        for _ in range(2)
    ]
    blocks = renderers[0].render_blocks(range(120), OptionPieces(shipped_styles()))

    assert by_draw(blocks) == by_draw(renderers[1].render(range(120)))
    assert sum(len(block.draws) for block in blocks.blocks) > 100


def test_what_strip_strips_is_stripped() -> None:
    """Arrow's white space is another set than Python's; ours is Python's, whole."""
    assert Counter(WHITE_SPACE) == Counter(c for c in map(chr, range(0x110000)) if c.isspace())


TEXTS = st.text(alphabet=st.sampled_from("ab{} \n\t\u00a0\u2028\x1céß漢🙂"), max_size=8)


LITERALS = TEXTS.filter(lambda t: "{" not in t and "}" not in t)
TESTS = ["a", "not b", "a == 'ab'", "b != 'ß'", "options_text"]
NODES = st.recursive(
    LITERALS | st.sampled_from(["{{ a }}", "{{ b }}", "{{ a if b else 'none' }}", "{{ 'é' }}"]),
    lambda inner: st.builds(
        lambda test, then, other, last: (
            f"{{% if {test} %}}{then}{{% elif {other} %}}{last}{{% else %}}{then}-{{% endif %}}"
        ),
        st.sampled_from(TESTS),
        inner,
        st.sampled_from(TESTS),
        inner,
    ),
    max_leaves=6,
)


@given(
    sources=st.lists(st.lists(NODES, max_size=4).map("".join), min_size=2, max_size=2),
    rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=12),
    cut=st.integers(0, 12),
    shown=st.booleans(),
)
def test_programs_say_what_their_templates_render(
    sources: list[str], rows: list[tuple[str, str]], cut: int, shown: bool
) -> None:
    """Whatever stands in the fields, whatever is asked of them, wherever one template ends."""
    columns = {
        "a": [a for a, _ in rows],
        "b": [b for _, b in rows],
        "options_text": ["list" if shown else ""] * len(rows),
    }
    bounds = sorted({0, min(cut, len(rows)), len(rows)})
    stretches = list(itertools.pairwise(bounds))
    used = [sources[i % 2] for i in range(len(stretches))]
    programs = [program_of(source, options_shown=shown) for source in used]
    assert None not in programs
    joined = join_texts(
        [p for p in programs if p is not None],
        [np.arange(start, stop) for start, stop in stretches],
        {n: DrawColumn(values=pa.array(values, pa.string())) for n, values in columns.items()},
    )
    expected: list[Any] = []
    for source, (start, stop) in zip(used, stretches, strict=True):
        part = {name: values[start:stop] for name, values in columns.items()}
        expected += compile_text(source).render_many(part, stop - start)

    assert joined.to_pylist() == expected
    joined.validate(full=True)


LIST_NODES = st.sampled_from(
    [
        "{{ a[0] }}",
        "{{ a[2] }}",
        "{{ a | join }}",
        "{{ a | join(', ') }}",
        "{% for x in a %}({{ x }}) {% endfor %}",
        "{% for x in a %}{{ x }}{% endfor %}",
        "{% if b %}{{ a[1] }}{% endif %}",
        "{% if b == 'yes' %}{% for x in a %}* {{ x }}\n{% endfor %}{% else %}{{ b }}{% endif %}",
        "{{ b }}",
        " and ",
    ]
)


@given(
    source=st.lists(LIST_NODES, min_size=1, max_size=4).map("".join),
    rows=st.lists(
        st.tuples(st.lists(TEXTS, max_size=4), st.sampled_from(["", "yes", "no"])),
        min_size=1,
        max_size=8,
    ),
)
def test_items_of_lists_are_shown_as_templates_show_them(
    source: str, rows: list[tuple[list[str], str]]
) -> None:
    """An item that a list does not have leaves the row to the template, which refuses it."""
    program = program_of(source, options_shown=False)
    assert program is not None
    lists, texts = [a for a, _ in rows], [b for _, b in rows]
    joined = join_texts(
        [program],
        [np.arange(len(rows))],
        {
            "a": DrawColumn(values=pa.array(lists, pa.list_(pa.string()))),
            "b": DrawColumn(values=pa.array(texts, pa.string())),
        },
    )

    rendered = compile_text(source).render_many({"a": lists, "b": texts}, len(rows))
    assert joined.to_pylist() == [t if isinstance(t, str) else "" for t in rendered]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("Say {{ a }}.", {"a"}),
        ("{{ a }}{% if b %}.{% endif %}", {"a", "b"}),
        ("x{% if options_text %} {{ options_text }}{% else %}?{% endif %}", set()),
        ("{{ a | lower }}", None),
        ("{{ a[0] }}, {{ b | join(' or ') }}", {"a", "b"}),
        ("{% for x in a %}- {{ x }}; {% endfor %}", {"a"}),
        ("{% for x in a %}{{ loop.index }}{{ x }}{% endfor %}", None),
        ("{% for x in a %}{{ x }}{% else %}none{% endfor %}", None),
        ("{{ a }}{{ a[0] }}", None),
        ("{% if a == 'b' %}{{ a | join(', ') }}{% endif %}", None),
        ("{{ a[-1] }}", None),
        ("{{ a | join(b) }}", None),
        ("{% if a == b %}x{% endif %}", None),
        ("{% if a and b %}x{% endif %}", None),
        ("{{ a if b }}", None),
    ],
)
def test_a_program_reads_columns_and_asks_simple_things_of_them(
    source: str, names: set[str] | None
) -> None:
    """A condition on the list of options is settled; what needs more is left to the rows."""
    program = program_of(source, options_shown=False)

    assert (program if program is None else program.names) == names


def test_every_option_style_lists_alike(quickstart: Any) -> None:
    """The pieces taken by number spell what the style itself would write."""
    from mixture_builder.render.columnar_options import list_options

    pools = lock_of(quickstart, shards=1).style_pools
    pieces = OptionPieces(pools)
    generator = np.random.default_rng(5)
    lists = [["red", "blue."], ["a", "b", "c"], ["x?", "y"], [str(i) for i in range(26)]] * 500
    numbers = generator.integers(0, pools.option_styles, len(lists))
    right = np.asarray([int(generator.integers(len(options))) for options in lists])
    listed = list_options(
        pieces,
        RowColumns(
            arrays={
                "options": pa.array(lists, pa.list_(pa.string())),
                "answer_index": pa.array(right),
            },
            at=np.arange(len(lists)),
        ),
        numbers=numbers,
        order_seed=3,
        draws=np.arange(len(lists)),
        shuffled=False,
    )

    styles = [pools.option_style(int(n)) for n in numbers]
    texts = listed.texts.taken(np.arange(len(lists))).to_pylist()
    assert texts == [s.text(o) for s, o in zip(styles, lists, strict=True)]
    assert listed.targets.to_pylist() == [
        s.target(o, int(r)) for s, o, r in zip(styles, lists, right, strict=True)
    ]
    assert listed.styles.to_pylist() == [f"options={s.id}" for s in styles]


@given(
    texts=st.lists(st.text(alphabet="qQuU:ßſK aİé-", max_size=5), min_size=1, max_size=8),
    labels=st.lists(st.text(alphabet="qu:ssk aé", min_size=1, max_size=4), min_size=1, max_size=3),
)
def test_no_text_that_begins_with_a_label_is_passed_over(
    texts: list[str], labels: list[str]
) -> None:
    """A look at two bytes may suspect too many texts, never too few."""
    folded = [label.casefold() for label in labels]
    suspected = may_begin_with_label(pa.array(texts, pa.string()), _beginnings(folded)).tolist()

    begin = [i for i, t in enumerate(texts) if t.casefold().startswith(tuple(folded))]
    assert set(begin) <= set(suspected)
