"""Columns of whole blocks, read through the places of draws' rows, and texts made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.blocks import BLOCK_ROWS
from mixture_builder.io import stored_rows
from mixture_builder.jobs.task_renderers import option_pieces
from mixture_builder.render.columnar_options import _end_sentences, unambiguous
from mixture_builder.render.columnar_texts import join_texts
from mixture_builder.render.programs import program_of
from mixture_builder.render.row_columns import DrawColumn, RowColumns
from mixture_builder.render.text_arrays import last_bytes
from mixture_builder.styles import SENTENCE_ENDS
from tests.jobs.test_ingest import card_of, rows_of, stored_of, write
from tests.makers import shipped_styles
from tests.render.test_columnar import LIST_NODES, NODES, TEXTS

RECORDS = st.tuples(st.lists(TEXTS, max_size=4), TEXTS, st.sampled_from(["", "yes", "no"]))


@given(
    source=st.lists(NODES, min_size=1, max_size=4).map("".join),
    records=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6),
    draws=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    own=st.sampled_from(["", "a", "b", "ab"]),
)
def test_texts_are_those_of_columns_that_are_copied_for_each_draw(
    source: str, records: list[tuple[str, str]], draws: list[int], own: str
) -> None:
    """Whichever columns are those of rows, and however often a row is drawn."""
    program = program_of(source, options_shown=False)
    assert program is not None
    at = np.asarray(draws) % len(records)
    whole = {
        "a": pa.array([a for a, _ in records], pa.string()),
        "b": pa.array([b for _, b in records], pa.string()),
    }
    copied = {n: DrawColumn(values=column.take(pa.array(at))) for n, column in whole.items()}
    columns = {**RowColumns(arrays=whole, at=at).columns(), **{n: copied[n] for n in own}}
    members = [np.arange(len(at))]

    joined = join_texts([program], members, columns)
    assert joined.equals(join_texts([program], members, copied))
    joined.validate(full=True)


@given(
    source=st.lists(LIST_NODES, min_size=1, max_size=4).map("".join),
    records=st.lists(RECORDS, min_size=1, max_size=5),
    draws=st.lists(st.integers(0, 4), min_size=1, max_size=9),
)
def test_items_of_lists_are_those_of_the_row_of_each_draw(
    source: str, records: list[tuple[list[str], str, str]], draws: list[int]
) -> None:
    """An item that one row's list does not have empties the texts of that row's draws only."""
    program = program_of(source, options_shown=False)
    assert program is not None
    at = np.asarray(draws) % len(records)
    whole = {
        "a": pa.array([a for a, _, _ in records], pa.list_(pa.string())),
        "b": pa.array([b for _, _, b in records], pa.string()),
    }
    copied = {n: DrawColumn(values=column.take(pa.array(at))) for n, column in whole.items()}
    members = [np.arange(len(at))]

    joined = join_texts([program], members, RowColumns(arrays=whole, at=at).columns())
    assert joined.equals(join_texts([program], members, copied))


@pytest.mark.parametrize("many", [3, 2 * BLOCK_ROWS, 4 * BLOCK_ROWS])
@pytest.mark.parametrize("whole_bytes", [0, stored_rows.WHOLE_BYTES])
def test_blocks_are_read_whole_where_they_are_no_more_than_the_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int, whole_bytes: int
) -> None:
    """Few draws, and large blocks, have their rows copied; either way each draw has its own."""
    monkeypatch.setattr(stored_rows, "WHOLE_BYTES", whole_bytes)
    count = 2 * BLOCK_ROWS + 40
    write(
        tmp_path / "c", {"data.jsonl": [{"q": f"what is {n}", "a": [str(n)]} for n in range(count)]}
    )
    fields = {"question": "q", "answers": "a"}
    card = card_of(tmp_path / "c", fields=fields, keep="", types={"answers": "list"})
    rows = rows_of(stored_of(card, tmp_path / "store"), tmp_path / "store")
    indices = np.random.default_rng(many).integers(0, count, many)
    names = ["question", "answers"]

    found, expected = rows.row_columns(names, indices), rows.arrays(names, indices)
    assert all(found.taken(name).equals(expected[name]) for name in names)
    read = len(found.arrays["question"])
    assert read == (count if whole_bytes and many > count else many)


@given(st.lists(TEXTS | st.sampled_from([*SENTENCE_ENDS, "a。", "é", "\u3001", ""]), max_size=8))
def test_a_sentence_ends_with_its_last_character(texts: list[str]) -> None:
    """Whatever the last byte is shared with, and in a slice of other texts."""
    column = pa.array(["x.", *texts, "y"], pa.string()).slice(1, len(texts))

    assert _end_sentences(column).tolist() == [text[-1:] in SENTENCE_ENDS for text in texts]
    assert last_bytes(column).tolist() == [(text.encode() or b"\0")[-1] for text in texts]


OPTION_LISTS = st.lists(
    st.sampled_from(["A", "b", "0", "1", "II", "i", "yes", "a whole sentence as an option"]),
    min_size=1,
    max_size=4,
)


@given(
    lists=st.lists(OPTION_LISTS, min_size=1, max_size=5),
    draws=st.lists(
        st.tuples(st.integers(0, 4), st.just(-1) | st.integers(0, 1 << 62)), min_size=1, max_size=9
    ),
)
def test_option_styles_are_those_of_rows_one_by_one(
    lists: list[list[str]], draws: list[tuple[int, int]]
) -> None:
    """Whether labels look like all options of a row, like some, or like none of any row."""
    pools = shipped_styles()
    pieces = option_pieces(pools)
    at = np.asarray([row for row, _ in draws]) % len(lists)
    numbers = np.asarray([n if n < 0 else n % pools.option_styles for _, n in draws])
    options = pa.array([[], *lists], pa.list_(pa.string())).slice(1)

    chosen = unambiguous(pieces, RowColumns(arrays={"options": options}, at=at), numbers)
    assert chosen.tolist() == [
        n if n < 0 else pools.unambiguous(n, lists[row])
        for row, n in zip(at.tolist(), numbers.tolist(), strict=True)
    ]
