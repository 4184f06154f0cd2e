"""Drawn styles and targets that contradict each other: planted faults fire, chance does not."""

from __future__ import annotations

from functools import reduce

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.audit import conflicts
from mixture_builder.audit.statistics import corrected, count_test
from mixture_builder.draw import Bits, random_bits
from tests.audit.conftest import Clean, checks_of, findings_of


def test_a_style_that_no_pool_has_is_found(clean: Clean):
    """An id in the column `style` that no pool has is an error."""
    told = clean.with_fault(
        lambda r: "/dash/" in r["style"],
        lambda r: {**r, "style": r["style"].replace("/dash/", "/invented/")},
    )

    assert "styles/unknown" in checks_of(told)


def test_a_style_that_comes_too_often_is_found(clean: Clean):
    """A separator in place of a third of all others is a warning that names it."""
    shards = clean.shards()
    for records in shards:
        for record in records:
            if record["draw"] % 3 == 0 and "exemplars=" in record["style"]:
                head, _, _ = record["style"].rpartition("/")
                record["style"] = f"{head}/hashes"
    found = findings_of(clean.audit(shards), "styles/uneven")

    assert found
    assert "'hashes'" in found[0]["message"]


def test_one_prompt_with_two_labels_is_found(clean: Clean):
    """A prompt of a closed task that comes with different targets is told."""
    shards = clean.shards()
    first = next(
        r
        for r in shards[0]
        if r["task_id"] == "quickstart/reviews"
        and not clean.is_inverted(r)
        and r["variant"] == "zs_noopt"
    )
    shards[1].append({**first, "targets": "neither"})

    assert "text/different_targets" in checks_of(clean.audit(shards))


def test_large_samples_keep_prompts_whole():
    """However many records there are, a prompt is compared with all its records or not at all."""
    records = hashes_of(np.arange(conflicts.SAMPLE + 1000, dtype=np.uint64) // 2)
    one = conflicts.Conflicts(parts=(records.select(slice(0, None, 2)),))
    other = conflicts.Conflicts(parts=(records.select(slice(1, None, 2)),))
    both = conflicts._smallest(conflicts.merge(one, other))
    counts = np.unique(both.parts[0].prompts, return_counts=True)[1]

    assert set(counts.tolist()) == {2}
    assert both.count <= conflicts.SAMPLE


def test_it_does_not_matter_when_records_are_left_out_of_a_sample():
    """Taken after every merge, or once in the end, the sample is the same, and so is its limit."""
    records = hashes_of(random_bits(7, np.arange(3 * conflicts.SAMPLE) // 2))
    places = np.array_split(np.arange(len(records)), 7)
    parts = [conflicts.Conflicts(parts=(records.select(some),)) for some in places]
    often = reduce(lambda one, other: conflicts._smallest(conflicts.merge(one, other)), parts)
    once = conflicts._smallest(conflicts.Conflicts(parts=(records,)))

    assert often.limit == once.limit
    assert sorted(often.parts[0].prompts.tolist()) == sorted(once.parts[0].prompts.tolist())


def test_what_a_sample_leaves_out_is_left_out_at_once(clean: Clean, monkeypatch):
    """Of a mixture larger than the sample, records above its bound are not even noted."""
    every = clean.audit(clean.shards())["conflicts"]
    monkeypatch.setattr(conflicts, "SAMPLE", every["records"] // 8)
    some = clean.audit(clean.shards())["conflicts"]

    assert every["sample"] == 1
    assert 0.05 < some["sample"] < 0.2
    assert 0.05 < some["records"] / every["records"] <= 0.125


def hashes_of(prompts: Bits) -> conflicts.Hashes:
    """Records of some prompts, all with the same target."""
    none = np.zeros(len(prompts), dtype=np.int64)
    return conflicts.Hashes(prompts=prompts, targets=none.astype(np.uint64), owners=none)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_correction_for_many_tests_only_raises_p_values(values: list[float]):
    """Holm's correction keeps the order of p values, raises them, and stays within 1."""
    found = corrected(values)

    assert all(p <= q <= 1 for p, q in zip(values, found, strict=True))
    assert sorted(range(len(values)), key=lambda i: (values[i], i)) == sorted(
        range(len(values)), key=lambda i: (found[i], values[i], i)
    )


def test_few_records_are_not_tested():
    """Chi-square needs five of each kind; where there are fewer there is no test."""
    assert count_test([3, 2], [1, 1]) is None
    assert count_test([5, 5], [1, 1]) is not None
