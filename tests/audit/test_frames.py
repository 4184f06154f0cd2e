"""Frames of templates: many texts at once are held against them as one text is."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from mixture_builder.audit.frames import Frame, Gap, faults, least_fault
from mixture_builder.audit.text_column import TextColumn

# Few letters, so that values begin with the words that follow them, and much white space.
pieces = st.text("ab \né", max_size=4)
values = st.one_of(pieces, st.just("a" * 20), st.just(" " * 20), st.just("\u00a0"))


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """A frame as `frame_of` makes them: nothing stands before the first word or after the last."""
    words = draw(st.lists(pieces, min_size=1, max_size=4))
    # Between two gaps there always are words; otherwise they would be one gap.
    inner = [word or "b" for word in words[1:-1]]
    kept = [words[0].lstrip(), *inner, words[-1].rstrip()] if len(words) > 1 else [words[0].strip()]
    gaps = [Gap(names=(), filled=draw(st.booleans())) for _ in kept[1:]]
    return Frame(words=tuple(word.encode() for word in kept), gaps=tuple(gaps))


@st.composite
def texts_of(draw: st.DrawFn, tried: list[Frame]) -> str:
    """A text that one of some frames gives, or nearly."""
    if not tried or draw(st.booleans()):
        return draw(values)
    frame = draw(st.sampled_from(tried))
    text = frame.words[0].decode()
    for word in frame.words[1:]:
        text += draw(values) + word.decode()
    start, end = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    return text[start : len(text) - end] if draw(st.booleans()) else text


@st.composite
def columns(draw: st.DrawFn) -> tuple[list[list[Frame]], list[int], list[str]]:
    """Frames by code, and texts with their codes."""
    choices = draw(st.lists(st.lists(frames(), max_size=2), min_size=1, max_size=3))
    codes = draw(st.lists(st.integers(0, len(choices) - 1), max_size=6))
    return choices, codes, [draw(texts_of(choices[code])) for code in codes]


WORDS = Frame(words=(b"a", b"b", b""), gaps=(Gap(names=(), filled=True),) * 2)


@given(columns())
@example(([[WORDS]], [0, 0, 0], ["abab", "a b b", "abb"]))
@example(([[]], [0], ["anything"]))
def test_many_texts_at_once_have_the_faults_that_each_has(
    column: tuple[list[list[Frame]], list[int], list[str]],
):
    """`faults` finds what `Frame.fault` finds, text by text, wherever the texts stand."""
    choices, codes, texts = column
    held = TextColumn(pa.array(["before", *texts, "after"], pa.string()).slice(1, len(texts)))
    data, offsets = held.data, held.offsets
    begins, ends = offsets[:-1], offsets[1:]

    found = faults(held, choices, np.asarray(codes, int), np.arange(len(texts)), begins, ends)

    expected = [
        (row, fault)
        for row, code in enumerate(codes)
        if (fault := least_fault(choices[code], data, int(begins[row]), int(ends[row])))
    ]
    assert found == expected
