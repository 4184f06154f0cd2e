"""Shards: every draw in one of them, every prefix of them a smaller mixture."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixture_builder.shards import draws_of_shard, shard_name, shard_offset

OFFSETS = st.one_of(st.integers(0, 2**40 - 1), st.sampled_from([0, 1, 2**39, 2**40 - 1, 2**63]))


def draws(quota: int, shard: int, shards: int, offset: int) -> list[int]:
    stretches = draws_of_shard(quota, shard=shard, shards=shards, offset=offset)
    assert len(stretches) <= 2
    return [k for stretch in stretches for k in stretch]


@given(quota=st.integers(0, 3000), shards=st.integers(1, 200), offset=OFFSETS)
def test_each_draw_stands_in_one_shard(quota, shards, offset):
    """The union over all shards is every draw once, in ascending stretches."""
    parts = [draws(quota, s, shards, offset) for s in range(shards)]

    assert all(part == sorted(part) for part in parts)
    assert sorted(k for part in parts for k in part) == list(range(quota))


@given(quota=st.integers(0, 3000), shards=st.integers(1, 100), offset=OFFSETS)
def test_shards_differ_by_at_most_two_draws(quota, shards, offset):
    """A shard holds its equal part of a task, give or take one draw at each of its ends."""
    sizes = [len(draws(quota, s, shards, offset)) for s in range(shards)]

    assert max(sizes) - min(sizes) <= 2
    assert all(abs(size - Fraction(quota, shards)) <= 2 for size in sizes)


@given(
    quotas=st.lists(st.integers(0, 2000), min_size=2, max_size=6),
    shards=st.integers(1, 50),
    offset=OFFSETS,
)
def test_a_prefix_of_shards_keeps_the_shares(quotas, shards, offset):
    """The first p of S shards hold p / S of each task, within two draws."""
    for quota in quotas:
        held = 0
        for shard in range(shards):
            held += len(draws(quota, shard, shards, offset))
            assert abs(held - Fraction(quota * (shard + 1), shards)) <= 2


@given(
    quota=st.sampled_from([2**31, 10**12 + 7, 2**42 + 1]),
    shards=st.sampled_from([1, 2, 7, 64, 999]),
    offset=OFFSETS,
)
@settings(max_examples=30)
def test_huge_quotas_leave_no_gap_between_shards(quota, shards, offset):
    """Shards meet without a gap or an overlap, however many draws there are."""
    stretches = [
        stretch
        for shard in range(shards)
        for stretch in draws_of_shard(quota, shard=shard, shards=shards, offset=offset)
    ]
    ordered = sorted(stretches, key=lambda r: r.start)

    assert ordered[0].start == 0
    assert ordered[-1].stop == quota
    assert all(a.stop == b.start for a, b in itertools.pairwise(ordered))


def test_files_are_called_as_hugging_face_calls_them():
    """Five digits, and an ending that says the format."""
    assert shard_name(3, 64, "parquet") == "train-00003-of-00064.parquet"
    assert shard_name(0, 1, "tfrecord") == "train-00000-of-00001.tfrecord"
    assert shard_name(98_998, 98_999, "jsonl") == "train-98998-of-98999.jsonl"


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_tasks_begin_at_places_of_their_own(seed):
    """Small tasks do not all fall into the first shards: their offsets differ."""
    offsets = [shard_offset(seed, f"demo/task{i}") for i in range(200)]

    assert len(set(offsets)) == 200
    first_half = sum(draws(1, 0, 2, offset) == [0] for offset in offsets)
    assert 60 < first_half < 140
