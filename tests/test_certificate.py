"""The certificate: quotas met exactly, and every prefix of the shards near its due."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.certificate import (
    TASK_BOUND,
    cell_bound,
    make_certificate,
    prefix_deviation,
)
from mixture_builder.dealing import deal
from mixture_builder.rates import quotas
from mixture_builder.shards import draws_of_shard


@given(
    quota=st.integers(0, 5000),
    shards=st.integers(1, 70),
    offset=st.integers(0, 2**64),
)
def test_a_prefix_of_the_shards_has_less_than_one_draw_too_many_or_too_few(quota, shards, offset):
    """Whatever the quota, the number of shards and where a task begins on the circle."""
    counted = [
        {"demo/a": sum(map(len, draws_of_shard(quota, shard=s, shards=shards, offset=offset)))}
        for s in range(shards)
    ]
    found = prefix_deviation({"demo/a": quota}, counted, shards=shards)

    assert found.draws < TASK_BOUND
    assert sum(counts["demo/a"] for counts in counted) == quota


@given(
    weights=st.lists(st.integers(1, 9), min_size=1, max_size=9),
    quota=st.integers(1, 600),
    shards=st.integers(1, 20),
    offset=st.integers(0, 2**64),
)
def test_a_prefix_of_the_shards_has_each_variant_within_its_bound(weights, quota, shards, offset):
    """Cells of any weights: three draws for each cell of the task, and three more, at most."""
    rates = {str(i): Fraction(w) for i, w in enumerate(weights)}
    asked = quotas(rates, total=quota)
    counted = []
    for shard in range(shards):
        stretches = draws_of_shard(quota, shard=shard, shards=shards, offset=offset)
        draws = [k for stretch in stretches for k in stretch]
        cells, _ = deal(weights, list(asked.values()), draws)
        counted.append(Counter(map(str, cells.tolist())))
    found = prefix_deviation(asked, counted, shards=shards)

    assert found.draws <= cell_bound(len(weights))
    assert sum(counted, Counter()) == Counter({n: q for n, q in asked.items() if q})


def facts(quota: int, realised: int, **dropped: int) -> dict[str, Any]:
    cell = {"quota": quota, "realised": realised}
    return {
        "submixture": "all",
        "share": "1/2",
        "quota": quota,
        "realised": realised,
        "variants": {"zs_opt": cell},
        "dropped": dropped,
    }


def test_a_certificate_counts_exact_tasks_dropped_draws_and_the_worst_prefix():
    """Two shards: one task whole, the other short by a draw that came to nothing."""
    made = make_certificate(
        {"demo/a": facts(3, 3), "demo/b": facts(4, 3, no_exemplar=1)},
        cells=[
            {"demo/a": {"zs_opt": 2}, "demo/b": {"zs_opt": 2}},
            {"demo/a": {"zs_opt": 1}, "demo/b": {"zs_opt": 1}},
        ],
        dropped=[{}, {"demo/b": {"no_exemplar": 1}}],
        shards=2,
    )

    assert made["quotas"] == {
        "tasks": 2,
        "exact": 1,
        "short_by_dropped": 1,
        "cells": 2,
        "cells_exact": 1,
    }
    assert made["prefixes"]["tasks"] == {
        "below": 1,
        "largest": "1/2",
        "at": "demo/a",
        "shards": 1,
    }
    assert made["prefixes"]["cells"]["largest"] == "1/2"
    assert made["parts"] == {"all": {"share": "1", "realised": "1"}}


@pytest.mark.parametrize(("first", "second", "draws"), [(10, 0, 5), (5, 5, 0), (0, 10, 5)])
def test_a_mixture_dealt_out_otherwise_is_found_out(first, second, draws):
    """Shards that do not hold their due of a task are that many draws away from it."""
    counted = [{"demo/a": first}, {"demo/a": second}]

    assert prefix_deviation({"demo/a": 10}, counted, shards=2).draws == draws
