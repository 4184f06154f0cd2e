"""Plain YAML: the same data as PyYAML's safe loader gives, and the same refusals."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.plain_yaml import load_plain

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(
        ["yes", "~", "1e3", "0x1f", "1_000", "12:30:45", "2024-01-02", "=", "<<", "-"]
    )
)
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SCALARS, inner, max_size=4),
    max_leaves=20,
)


@given(data=DATA, flow=st.sampled_from([None, False, True]))
def test_written_data_comes_back(data: Any, flow: bool | None):
    """Whatever was written as plain data is read back equal, as PyYAML reads it."""
    raw = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True).encode()

    assert repr(load_plain(raw)) == repr(yaml.safe_load(raw))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "word",
        "- on\n- 'on'\n- 017\n- .inf\n- 2001-12-14t21:59:43.10-05:00\n",
        "a: &x [1, 2]\nb: *x\n",
        "a: &x 1\n*x : 2\n",
        "base: &b {k: 1}\nmore:\n  <<: *b\n  l: 2\n",
        "a: !!str 1\nb: !!set {x, y}\n",
        "a: 1\na: 2\n",
        "? x\n: 2\n",
        "a: |\n  two\n  lines\nb: >\n  one\n  line\n",
    ],
)
def test_written_text_is_read_as_pyyaml_reads_it(text: str):
    """Anchors, tags, merge keys and block texts mean what they mean to PyYAML."""
    assert repr(load_plain(text.encode())) == repr(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "a: *nowhere",
        "--- 1\n--- 2\n",
        "a: !!python/object/apply:os.getcwd []",
        "[1, 2]: 3",
        "a: =",
    ],
)
def test_what_pyyaml_refuses_is_refused(text: str):
    """Broken YAML, several documents and tags that would run code are errors of PyYAML."""
    with pytest.raises(yaml.YAMLError):
        load_plain(text.encode())


def test_an_alias_is_the_same_object():
    """A collection that is named again is not copied, so that aliases cannot grow without end."""
    data = load_plain(b"a: &x {k: [1]}\nb: *x\nc: [*x]\n")

    assert data["a"] is data["b"] is data["c"][0]


def test_depth_costs_no_recursion():
    """A document that is nested deeply is read without running out of stack."""
    data = load_plain(b"[" * 900 + b"]" * 900)

    for _ in range(899):
        (data,) = data
    assert data == []
