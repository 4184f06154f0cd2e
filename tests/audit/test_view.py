"""A stretch of a shard, laid out by columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.audit.text_column import TextColumn

letters = st.text("aB\n", max_size=40)


@given(st.lists(letters, min_size=2, max_size=5), st.integers(0, 600))
def test_two_stretches_have_in_common_what_they_begin_with(texts: list[str], more: int):
    """Counted are the bytes up to the first that differs; of long stretches, at least so many."""
    texts[0], texts[1] = "a" * more + texts[0], "a" * more + texts[1]
    column = TextColumn(pa.array(texts, pa.string()))
    size = min(len(texts[0]), len(texts[1]))
    begins = column.offsets[:2]

    common = int(column.common(begins[:1], begins[1:], np.asarray([size]))[0])

    pairs = zip(texts[0][:size], texts[1][:size], strict=True)
    truly = next((place for place, (one, other) in enumerate(pairs) if one != other), size)
    # What stands at the very end of all texts, or far behind the beginning, is not compared.
    assert common in {truly, size}
    if common != truly:
        last = int(column.offsets[-1])
        assert truly >= 512 or int(begins[1]) + truly // 64 * 64 + 64 > last


def test_bytes_are_found_wherever_they_stand():
    """Places are those in all texts, one after the other, in whichever block they fall."""
    texts = ["\a" + "a" * 65_534 + "\a", "\aé\n\t", "", "{" + "a" * 140_000 + "\x7f"]
    marks = TextColumn(pa.array(texts, pa.string())).marks

    assert sorted(marks.controls.tolist()) == [0, 65_535, 65_536, 205_542]
    assert marks.braces.tolist() == [65_541]
    assert marks.leads.tolist() == [65_537]


@given(st.lists(st.text("aé東🙂\n", max_size=8), max_size=6), st.integers(0, 400))
def test_characters_are_counted_not_bytes(texts: list[str], more: int):
    """Where few characters take more than a byte, and where most do; in a slice of other texts."""
    texts = [text + "a" * more for text in texts]
    column = pa.array(["é", *texts, "東"], pa.string()).slice(1, len(texts))

    assert TextColumn(column).lengths.tolist() == [len(text) for text in texts]
