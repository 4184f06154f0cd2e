"""Rules for packing whole examples into sequences of one length."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.packing import TOO_LONG, assign, lay_out, loss_mask, sequences
from mixture_builder.token_lists import Lengths, token_lists

CAPACITY = 12
LENGTHS = st.lists(st.integers(0, CAPACITY + 2), max_size=60)
WINDOWS = st.integers(1, 8)


def as_array(lengths: list[int]) -> Lengths:
    """Lengths as `assign` wants them."""
    return np.array(lengths, dtype=np.int64)


def next_k_fit(lengths: list[int], window: int) -> list[int]:
    """The method as it is described, one example at a time, with lists."""
    numbers, opened, room = [], 0, dict[int, int]()
    for length in lengths:
        if length > CAPACITY:
            numbers.append(TOO_LONG)
            continue
        fitting = [number for number, left in sorted(room.items()) if left >= length]
        if fitting:
            number = fitting[0]
        else:
            if len(room) == window:
                del room[min(room)]
            number, opened = opened, opened + 1
            room[number] = CAPACITY
        room[number] -= length
        numbers.append(number)
    return numbers


@given(lengths=LENGTHS, window=WINDOWS)
def test_the_method_is_next_k_fit(lengths: list[int], window: int):
    """Each example is where first fit among the youngest `window` sequences puts it."""
    found = assign([as_array(lengths)], capacities=[CAPACITY], window=window)

    assert found.tolist() == next_k_fit(lengths, window)


@given(
    pairs=st.lists(st.tuples(st.integers(0, 14), st.integers(0, 6)), max_size=60), window=WINDOWS
)
def test_no_sequence_is_overfull_and_no_example_lost(pairs: list[tuple[int, int]], window: int):
    """Every example that fits alone is in one sequence; sums stay within both lengths."""
    inputs, targets = as_array([a for a, _ in pairs]), as_array([b for _, b in pairs])
    found = assign([inputs, targets], capacities=[CAPACITY, 5], window=window)

    fits = (inputs <= CAPACITY) & (targets <= 5)
    assert (found != TOO_LONG).tolist() == fits.tolist()
    for number in set(found[fits].tolist()):
        assert inputs[found == number].sum() <= CAPACITY
        assert targets[found == number].sum() <= 5
    # Numbers are given in the order of the first examples, and none is left out.
    firsts = list(dict.fromkeys(found[fits].tolist()))
    assert firsts == list(range(len(firsts)))


@given(lengths=LENGTHS, window=WINDOWS)
def test_an_example_stays_near_its_place(lengths: list[int], window: int):
    """No example is put into a sequence that `window` others were opened after."""
    found = assign([as_array(lengths)], capacities=[CAPACITY], window=window)

    packed = found[found != TOO_LONG]
    youngest = np.maximum.accumulate(packed)
    assert (youngest - packed < window).all()


def test_a_window_saves_what_one_sequence_wastes():
    """Long and short examples in turn: next fit fills half, a window of two nearly all."""
    lengths = as_array([7, 6, 5, 6] * 50)
    count = {w: int(assign([lengths], capacities=[12], window=w).max()) + 1 for w in (1, 2)}

    assert count == {1: 150, 2: 100}


@given(
    examples=st.lists(
        st.lists(st.integers(5, 99), max_size=CAPACITY).flatmap(
            lambda tokens: st.tuples(st.just(tokens), st.integers(0, len(tokens)))
        ),
        max_size=20,
    ),
    window=WINDOWS,
)
def test_sequences_hold_their_examples_and_nothing_else(
    examples: list[tuple[list[int], int]], window: int
):
    """By segment ids each example is found whole, with its positions and its loss mask."""
    tokens = token_lists([item for item, _ in examples])
    contexts = as_array([context for _, context in examples])
    chosen = sequences(assign([tokens.lengths], capacities=[CAPACITY], window=window))
    packed = lay_out(tokens, chosen, capacity=CAPACITY, padding=3)
    mask = loss_mask(packed, contexts, chosen)

    assert sorted(chosen.members.tolist()) == list(range(len(examples)))
    first = 0
    for row, count in enumerate(chosen.counts.tolist()):
        members = chosen.members[first : first + count].tolist()
        first += count
        assert members == sorted(members)
        for segment, member in enumerate(members, start=1):
            here = packed.segment_ids[row] == segment
            item, context = examples[member]
            assert packed.tokens[row][here].tolist() == item
            assert packed.positions[row][here].tolist() == list(range(len(item)))
            assert mask[row][here].tolist() == [int(n >= context) for n in range(len(item))]
        padding = packed.segment_ids[row] == 0
        assert set(packed.tokens[row][padding].tolist()) <= {3}
        assert not packed.positions[row][padding].any()
        assert not mask[row][padding].any()
        # Padding stands at the end.
        assert not np.diff(padding.astype(int)).min(initial=0) < 0


@given(lengths=LENGTHS, window=WINDOWS, data=st.data())
def test_pieces_are_laid_out_like_the_whole(lengths: list[int], window: int, data: st.DataObject):
    """Sequences laid out piece by piece are those laid out at once."""
    tokens = token_lists([[7] * length for length in lengths])
    chosen = sequences(assign([tokens.lengths], capacities=[CAPACITY], window=window))
    cut = data.draw(st.integers(0, len(chosen)))
    whole = lay_out(tokens, chosen, capacity=CAPACITY, padding=0)
    pieces = [
        lay_out(tokens, part, capacity=CAPACITY, padding=0)
        for part in (chosen.slice(0, cut), chosen.slice(cut, len(chosen)))
    ]

    assert np.concatenate([p.tokens for p in pieces]).tolist() == whole.tokens.tolist()
    assert np.concatenate([p.segment_ids for p in pieces]).tolist() == whole.segment_ids.tolist()
