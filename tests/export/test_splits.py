"""Which examples are held back: nothing of a held-back row is seen in training."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.export.splits import HeldBack, split_examples
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA
from tests.cli.conftest import workspace
from tests.cli.helpers import QUESTIONS, Workspace, run
from tests.export.conftest import Export

__all__ = ["workspace"]

IDENTITIES = st.integers(min_value=0, max_value=2**63 - 1)


def table_of(rows: Sequence[tuple[int, list[int]]]) -> pa.Table:
    """Examples that ask about a row and show others; their draws count from 0."""
    nothing: dict[str, Any] = {
        field.name: "" if pa.types.is_string(field.type) else 0 for field in EXAMPLE_SCHEMA
    }
    records = [
        {**nothing, "row": row, "exemplar_rows": shown, "draw": draw}
        for draw, (row, shown) in enumerate(rows)
    ]
    return pa.Table.from_pylist(records, schema=EXAMPLE_SCHEMA)


@given(st.lists(st.tuples(IDENTITIES, st.lists(IDENTITIES, max_size=3)), max_size=30))
def test_every_example_stands_in_one_place_for_the_reason_given(rows):
    """Validation asks about held-back rows, training neither asks about nor shows one."""
    held = HeldBack(share=Fraction(1, 2), seed=0)
    divided = split_examples(table_of(rows), held)

    def is_held(row: int) -> bool:
        return bool(held.holds([row])[0])

    expected: dict[str, list[int]] = {"train": [], "validation": [], "left_out": []}
    for draw, (row, shown) in enumerate(rows):
        split = "validation" if is_held(row) else "train"
        if split == "train" and any(map(is_held, shown)):
            split = "left_out"
        expected[split].append(draw)
    found = {**divided.tables, "left_out": divided.left_out}
    assert {name: t.column("draw").to_pylist() for name, t in found.items()} == expected


def test_chunks_of_the_table_do_not_matter():
    """However the memory of a table is cut, the splits are the same."""
    rows = [(n * 7_919, [n * 104_729, n]) for n in range(40)]
    whole, held = table_of(rows), HeldBack(share=Fraction(1, 3), seed=1)
    pieces = pa.concat_tables([whole.slice(0, 7), whole.slice(7, 0), whole.slice(7)])

    for name, table in split_examples(whole, held).tables.items():
        assert split_examples(pieces, held).tables[name].equals(table)


def test_without_a_share_nothing_is_held_back():
    """A share of 0 gives a single split with every example."""
    table = table_of([(1, [2]), (3, [])])
    divided = split_examples(table, HeldBack(share=Fraction(0), seed=0))

    assert list(divided.tables) == ["train"]
    assert divided.tables["train"].equals(table)
    assert divided.left_out.num_rows == 0


def test_the_share_is_met_and_a_smaller_one_is_part_of_a_larger_one():
    """About the asked share of rows is held back, and no row comes back when the share grows."""
    rows = np.arange(100_000)
    one = HeldBack(share=Fraction(1, 100), seed=0).holds(rows)
    five = HeldBack(share=Fraction(5, 100), seed=0).holds(rows)
    other = HeldBack(share=Fraction(1, 100), seed=1).holds(rows)

    assert 900 < one.sum() < 1_100
    assert 4_700 < five.sum() < 5_300
    assert not (one & ~five).any()
    assert (one & other).sum() < 50


def test_equal_rows_of_two_tasks_are_on_the_same_side(workspace: Workspace, export: Export):
    """A row that two tasks share is not trained on in one of them and asked in the other."""
    for name in ("first", "second"):
        workspace.task(name, QUESTIONS)
    workspace.write_recipe(
        size={"examples": 16},
        variants={"zs_noopt": 1},
        submixtures={"all": {"rate": 1, "tasks": ["tiny/first", "tiny/second"]}},
    )
    out = workspace.out
    done = run("build", workspace.recipe, *workspace.options, "--out", out, "--workers", 0)
    assert done.exit_code == 0, done.output

    data = export(out, "hf", "--validation", "50%") / "data"
    for split in ("train", "validation"):
        rows = pq.read_table(next(data.glob(f"{split}-*"))).to_pylist()
        first, second = (
            {row["row"] for row in rows if row["task_id"] == task}
            for task in ("tiny/first", "tiny/second")
        )
        assert first == second != set()
