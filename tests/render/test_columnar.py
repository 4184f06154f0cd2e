"""Rendering by columns: the same examples, letter for letter, as rendering row by row."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jobs.build import task_renderer
from mixture_builder.render.columnar import (
    WHITE_SPACE,
    OptionPieces,
    join_stretches,
    pieces_of,
)
from tests.jobs.test_build import lock_of


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
                strict=True,
            ),
            strict=True,
        )
    )
    for block in rendered.blocks:
        variants = [rendered.plan.cells[code].variant for code in block.cells.tolist()]
        templates = [rendered.template_names[code] for code in block.templates.tolist()]
        texts = [block.inputs.to_pylist(), block.targets.to_pylist()]
        values = zip(
            *(*texts, variants, templates, block.styles.to_pylist(), block.rows.tolist()),
            strict=True,
        )
        found.update(zip(block.draws.tolist(), values, strict=True))
    return found


@pytest.mark.parametrize("limit", [0, 300])
def test_blocks_and_rows_give_the_same_examples(quickstart: Any, limit: int) -> None:
    """For every shipped kind of task, with options and without, and over a tight budget."""
    further = {"limits": {"input_chars": limit}} if limit else {}
    lock = lock_of(quickstart, shards=1, examples=3000, **further)
    pieces = OptionPieces(lock.style_pools)
    by_columns = 0
    for task in lock.plan.tasks:
        draws = range(task.quota)
        rows = task_renderer(lock, task, store=quickstart.store).render(draws)
        blocks = task_renderer(lock, task, store=quickstart.store).render_blocks(draws, pieces)

        assert by_draw(blocks) == by_draw(rows), task.task
        assert blocks.cells == rows.cells
        assert (blocks.redrawn, blocks.dropped) == (rows.redrawn, rows.dropped)
        by_columns += sum(len(block.draws) for block in blocks.blocks)
    assert by_columns > (200 if limit else 800)


def test_what_strip_strips_is_stripped() -> None:
    """Arrow's white space is another set than Python's; ours is Python's, whole."""
    assert Counter(WHITE_SPACE) == Counter(c for c in map(chr, range(0x110000)) if c.isspace())


TEXTS = st.text(alphabet=st.sampled_from("ab{} \n\t\u00a0\u2028\x1céß漢🙂"), max_size=8)


@given(
    literals=st.lists(TEXTS.filter(lambda t: "{" not in t), min_size=3, max_size=3),
    rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=12),
    cut=st.integers(0, 12),
)
def test_joined_columns_are_what_the_template_renders(
    literals: list[str], rows: list[tuple[str, str]], cut: int
) -> None:
    """Whatever stands in the fields, and wherever one template gives way to another."""
    first, middle, last = literals
    sources = [first + "{{ a }}" + middle + "{{ b }}" + last, middle + "{{ b }}" + first]
    columns = {"a": [a for a, _ in rows], "b": [b for _, b in rows]}
    bounds = sorted({0, min(cut, len(rows)), len(rows)})
    stretches = list(itertools.pairwise(bounds))
    used = [sources[i % 2] for i in range(len(stretches))]
    texts = [pieces_of(source, options_shown=False) for source in used]
    joined = join_stretches(
        [t for t in texts if t is not None],
        stretches,
        {name: pa.array(values, pa.string()) for name, values in columns.items()},
    )
    expected: list[Any] = []
    for source, (start, stop) in zip(used, stretches, strict=True):
        part = {name: values[start:stop] for name, values in columns.items()}
        expected += compile_text(source).render_many(part, stop - start)

    assert joined.to_pylist() == expected


@pytest.mark.parametrize(
    ("source", "shown", "pieces"),
    [
        ("Say {{ a }}.", False, ("Say ", "a", ".")),
        ("{{ a }}{{ b }}", False, ("", "a", "", "b", "")),
        ("x{% if options_text %} {{ options_text }}{% else %}?{% endif %}", False, ("x?",)),
        (
            "x{% if options_text %} {{ options_text }}{% else %}?{% endif %}",
            True,
            ("x ", "options_text", ""),
        ),
        ("{% if a %}{{ a }}{% endif %}", False, None),
        ("{{ a | lower }}", False, None),
        ("{% for x in a %}{{ x }}{% endfor %}", False, None),
    ],
)
def test_only_texts_and_fields_are_pieces(
    source: str, shown: bool, pieces: tuple[str, ...] | None
) -> None:
    """A condition on the list of options is settled; what needs more is left to the rows."""
    assert pieces_of(source, options_shown=shown) == pieces


def test_every_option_style_lists_alike(quickstart: Any) -> None:
    """The pieces taken by number spell what the style itself would write."""
    from mixture_builder.render.columnar import list_options

    pools = lock_of(quickstart, shards=1).style_pools
    pieces = OptionPieces(pools)
    generator = np.random.default_rng(5)
    lists = [["red", "blue."], ["a", "b", "c"], ["x?", "y"], [str(i) for i in range(26)]] * 500
    numbers = generator.integers(0, pools.option_styles, len(lists))
    right = np.asarray([int(generator.integers(len(options))) for options in lists])
    listed = list_options(
        pieces,
        pa.array(lists, pa.list_(pa.string())),
        right,
        numbers=numbers,
        order_seed=3,
        draws=np.arange(len(lists)),
        shuffled=False,
    )

    styles = [pools.option_style(int(n)) for n in numbers]
    assert listed.texts.to_pylist() == [s.text(o) for s, o in zip(styles, lists, strict=True)]
    assert listed.targets.to_pylist() == [
        s.target(o, int(r)) for s, o, r in zip(styles, lists, right, strict=True)
    ]
    assert listed.styles.to_pylist() == [f"options={s.id}" for s in styles]
