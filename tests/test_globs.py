"""Globs of which there may be thousands pick what each of them would pick alone."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.globs import Globs, is_name

NAMES = st.text(alphabet="ab/.[]!*?-^", max_size=6)


@given(st.lists(NAMES, max_size=5), NAMES)
def test_a_name_is_matched_by_what_matches_it_alone(globs, name):
    """Together they match what `fnmatch` matches one by one; the last that does is told."""
    matching = [place for place, glob in enumerate(globs) if fnmatchcase(name, glob)]

    assert Globs(globs).match(name) is bool(matching)
    assert Globs(globs).last(name) == (matching[-1] if matching else -1)


@given(NAMES, NAMES)
def test_a_name_matches_itself_only(glob, name):
    """What holds no sign of a glob need not be compared by one."""
    if is_name(glob):
        assert fnmatchcase(name, glob) is (name == glob)
