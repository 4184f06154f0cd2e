"""The chance of chi-square, worked out without a library, against one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mixture_builder.audit.statistics import chance_of


@given(st.integers(1, 2_000), st.floats(0, 1e4))
@example(1, 0.0)
@example(2, 1e-12)
@example(7, 1e6)
def test_chances_are_those_of_a_library(freedom: int, chi_square: float):
    """To more digits than the document of an audit tells."""
    special = pytest.importorskip("scipy.special")

    expected = float(special.chdtrc(freedom, chi_square))

    assert chance_of(freedom, chi_square) == pytest.approx(expected, rel=1e-9, abs=1e-300)
