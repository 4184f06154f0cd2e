"""Inputs of strangers, kept and made up: each is read, or refused by an error of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.fuzz import CORPUS, mutated
from tests.fuzz.targets import TARGETS, run

KEPT = sorted(path for path in CORPUS.rglob("*") if path.is_file())


def test_every_target_has_a_corpus() -> None:
    """What is fuzzed begins with inputs that are read."""
    assert {path.parent.name for path in KEPT} == set(TARGETS)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_is_kept_is_read_or_refused(path: Path) -> None:
    """Inputs that once failed, and those that fuzzing starts from, end in no other error."""
    run(path.parent.name, path.read_bytes())


@pytest.mark.parametrize("name", sorted(TARGETS))
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(random_=st.randoms(use_true_random=False))
def test_what_is_changed_at_random_is_read_or_refused(name: str, random_) -> None:
    """Neighbours of what is kept end in no other error either."""
    corpus = [path.read_bytes() for path in KEPT if path.parent.name == name]
    run(name, mutated(random_.choice(corpus), corpus, random_))
