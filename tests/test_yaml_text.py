"""Plain data as YAML: the text that PyYAML writes, made faster."""

from __future__ import annotations

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from mixture_builder.yaml_text import ENTRIES, yaml_pieces

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(["yes", "1", "1.0", "~", "", " a", "a: b", "# a", "2026-11-23", "é\n\nü"])
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def written(plain: dict[str, object]) -> str:
    """All pieces together."""
    return b"".join(yaml_pieces(plain)).decode("utf-8")


@given(st.dictionaries(st.text(min_size=1), PLAIN, min_size=1, max_size=4))
@example({"a": [1, 1.0, True, "1", "1.0", "true"]})
@example({"a": {}, "b": [], "c": [[], {}], "d": {"e": {}}})
def test_the_text_is_what_pyyaml_writes(plain):
    """Values, keys and their order, quotes and lines: nothing differs."""
    expected = yaml.dump(
        plain, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=100_000
    )

    assert written(plain) == expected


def test_large_collections_are_written_piece_by_piece_to_the_same():
    """A list or mapping that is cut into pieces is one again in the text."""
    plain = {
        "before": 1,
        "tasks": {f"task{n}": {"rows": n, "cells": [n, str(n)]} for n in range(3 * ENTRIES + 7)},
        "list": [{"n": n} for n in range(2 * ENTRIES)],
    }

    assert len(list(yaml_pieces(plain))) == 1 + 4 + 2
    assert yaml.load(written(plain), Loader=yaml.CSafeLoader) == plain


def test_what_stands_in_two_places_is_written_twice():
    """People read locks: no anchors, though the same object may stand in many places."""
    cells = [{"weight": 1}]

    assert "&" not in written({"a": {"b": cells, "c": cells}})
