"""Texts that are too much at once: rendered a few at a time, with the same result, or refused."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.errors import BuildError
from mixture_builder.jinja_compiler import TextTooLongError, compile_text
from mixture_builder.jobs.shard_table import CODED_SCHEMA, code_book, too_much_text
from mixture_builder.jobs.task_renderers import option_pieces, task_renderer
from mixture_builder.render import at_once, columnar_texts, text_arrays
from mixture_builder.render.batch import TooMuchTextError
from mixture_builder.render.programs import program_of
from mixture_builder.render.text_arrays import lay_down, one_array, taken
from tests.jobs.test_build import lock_of
from tests.render.test_columnar import by_draw

FEW_SHOT = {"shots": {"counts": {1: 1, 4: 1}}}


def everything(quickstart: Any, **further: Any) -> dict[str, dict[int, tuple[Any, ...]]]:
    """All examples of all tasks, by columns where that can be."""
    lock = lock_of(quickstart, shards=1, examples=1_500, **further)
    result = {}
    for task in lock.plan.tasks:
        renderer = task_renderer(lock, task, store=quickstart.store)
        pieces = option_pieces(lock.style_pools_for(task.settings))
        result[task.task] = by_draw(renderer.render_blocks(range(task.quota), pieces))
    return result


@pytest.mark.parametrize("bytes_at_once", [1, 5_000, 60_000])
def test_parts_of_any_size_come_out_as_all_draws_at_once(
    quickstart: Any, monkeypatch: pytest.MonkeyPatch, bytes_at_once: int
) -> None:
    """However few draws are rendered at once, down to one."""
    wanted = everything(quickstart, **FEW_SHOT)
    monkeypatch.setattr(at_once, "PART_BYTES", bytes_at_once)

    assert everything(quickstart, **FEW_SHOT) == wanted


@pytest.mark.parametrize("most", [12_000, 40_000])
def test_draws_that_are_too_much_for_an_array_are_rendered_in_halves(
    quickstart: Any, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Down to as few as fit; a limit of a few rows stands here for Arrow's own."""
    wanted = everything(quickstart, **FEW_SHOT)
    refused = []

    def counted(values: pa.Array, places: pa.Array) -> pa.Array:
        try:
            return taken(values, places)
        except TooMuchTextError:
            refused.append(places)
            raise

    monkeypatch.setattr(text_arrays, "MAX_BYTES", most)
    monkeypatch.setattr(text_arrays, "taken", counted)

    assert everything(quickstart, **FEW_SHOT) == wanted
    assert refused


def test_texts_that_swell_are_counted_before_they_are_made(
    quickstart: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Templates that show a field often, or have long texts of their own; the result is as ever."""
    wanted = everything(quickstart)
    monkeypatch.setattr(columnar_texts, "OFTEN", 0)
    monkeypatch.setattr(columnar_texts, "MOST_SWOLLEN", 2_000)
    columnar_texts._layouts.clear()

    assert everything(quickstart) == wanted
    columnar_texts._layouts.clear()


@pytest.mark.parametrize(
    ("source", "swells"),
    [
        ("{{ a }} {{ b }} {{ a }}", False),
        ("{{ a }}" * columnar_texts.OFTEN, False),
        ("{{ a }}" * (columnar_texts.OFTEN + 1), True),
        ("x" * columnar_texts.LONG_LITERALS, False),
        ("x" * (columnar_texts.LONG_LITERALS + 1), True),
        ("{{ a | join('" + "-" * columnar_texts.LONG_BETWEEN + "') }}", False),
        ("{{ a | join('" + "-" * (columnar_texts.LONG_BETWEEN + 1) + "') }}", True),
    ],
)
def test_which_templates_may_swell(source: str, swells: bool) -> None:
    """What decides is in the template alone."""
    program = program_of(source, options_shown=False)

    assert program is not None
    assert columnar_texts._swells(program) is swells


def test_arrays_beyond_two_gibibytes_are_refused() -> None:
    """Arrow says wrongly where texts end if they come to more, and says so only where it joins."""
    large = pa.array(["x" * (1 << 29)])

    with pytest.raises(TooMuchTextError):
        one_array([large] * 4)
    with pytest.raises(TooMuchTextError):
        lay_down(large, np.zeros(4, dtype=np.int32), np.ones(4, dtype=np.int32))
    assert len(taken(large, pa.array([0, 0]))) == 2


def test_a_shard_beyond_two_gibibytes_says_how_many_shards_are_enough(quickstart: Any) -> None:
    """Before anything is written; the number makes shards of a gibibyte."""
    lock = lock_of(quickstart, shards=1, examples=100)
    row: dict[str, Any] = {"inputs": "x" * (1 << 29), "targets": "", "style": ""}
    row |= {
        "exemplar_rows": [],
        "row": 0,
        "draw": 0,
        "task": 0,
        "cell": 0,
        "template": 0,
        "order": 0,
    }
    batch = pa.RecordBatch.from_pylist([row], schema=CODED_SCHEMA)

    with pytest.raises(BuildError, match=r"come to 2\.\d GB; expected at most 2\.1 GB.*--shards 3"):
        code_book(lock).finish(pa.Table.from_batches([batch] * 4))
    assert "--shards 12)" in str(too_much_text(3 << 30, shards=4))


@given(
    lengths=st.lists(st.integers(0, 40), min_size=1, max_size=60),
    longest=st.integers(1, 40),
    held=st.integers(1, 100),
)
def test_texts_that_nobody_wants_are_let_go(lengths: list[int], longest: int, held: int) -> None:
    """In place of each stands its length; all others are as without a limit."""
    text = compile_text("{{ a }}")
    columns = {"a": ["x" * length for length in lengths]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mixture_builder.jinja_compiler._HELD_CHARACTERS", held)
        found = text.render_many(columns, len(lengths), longest=longest)

    told = [t.length if isinstance(t, TextTooLongError) else t for t in found]
    assert told == [n if n > longest else "x" * n for n in lengths]


@pytest.mark.parametrize("source", ["{{ a }}{{ missing }}", "{{ a | round(1000) }}"])
def test_a_failing_row_leaves_nothing_behind(source: str) -> None:
    """Rendering runs without garbage collection: what goes in circles would stay."""
    columns = {"a": ["x" * 100]}
    compile_text(source).render_many(columns, 1)
    gc.collect()
    gc.disable()
    try:
        (problem,) = compile_text(source).render_many(columns, 1)
        assert isinstance(problem, Exception)
        assert problem.__traceback__ is None
        del problem
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_want_of_memory_is_no_fault_of_a_row() -> None:
    """It ends the work; as an error of the row it would make other mixtures on small machines."""

    class Full:
        def __str__(self) -> str:
            raise MemoryError

    with pytest.raises(MemoryError):
        compile_text("{{ a }}").render_many({"a": [Full()]}, 1)
    with pytest.raises(MemoryError):
        compile_text("{{ a }}{% for b in c if b %}{% endfor %}").render_many(
            {"a": [Full()], "c": [[1]]}, 1
        )
