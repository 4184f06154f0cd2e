"""Faults of every kind, planted one at a time: the right check speaks up, and of nothing else none.

`make mutation` plants all of them, in all extents; see docs/reference/audit.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mixture_builder.audit.checks import CHECKS
from tests.audit.faults import KINDS, Kind, check_ids
from tests.audit.mutation import FROM_THE_START, Mutations


@pytest.fixture(scope="module")
def mutations(quickstart_folders: tuple[Path, Path]) -> Mutations:
    """The mixture of the shipped recipe, and its rows."""
    return Mutations(*quickstart_folders)


def test_nothing_is_found_where_there_is_no_fault(mutations: Mutations):
    """No check speaks up of the clean mixture, and all its records are what their rows give."""
    assert mutations.checks() == frozenset()


def test_right_checks_are_checks():
    """A kind names checks that there are, and not one that speaks up of the clean mixture."""
    assert set(check_ids()) <= set(CHECKS) - FROM_THE_START


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "_"))
def test_a_fault_is_found(mutations: Mutations, kind: Kind):
    """The smallest fault of each kind is found by a right check."""
    assert mutations.outcome(kind, kind.extents[0], seed=0).right
