"""The manifest's file: the same data, with a line for each shard and each task."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.manifest import manifest_text

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FACTS = st.dictionaries(st.text(), PLAIN, max_size=3)


@given(
    st.dictionaries(st.text().filter(lambda key: key not in ("shards", "tasks")), PLAIN),
    st.lists(FACTS, max_size=4),
    st.dictionaries(st.text(), FACTS, max_size=4),
)
def test_the_text_holds_the_data(
    others: dict[str, Any], shards: list[dict[str, Any]], tasks: dict[str, dict[str, Any]]
) -> None:
    """Whatever names and values there are, empty ones too, and in their order."""
    manifest = {**others, "shards": shards, "tasks": tasks}
    again = json.loads(manifest_text(manifest))
    assert again == manifest
    assert list(again) == list(manifest)


def test_each_shard_and_each_task_is_a_line() -> None:
    """So they can be looked for and compared; all else stands as JSON is read."""
    text = manifest_text(
        {
            "name": "demo",
            "versions": {"python": "3.11"},
            "shards": [{"file": "a", "rows": 1}, {"file": "b", "rows": 2}],
            "tasks": {"demo/one": {"quota": 3, "variants": {"zs": {"quota": 3}}}},
        }
    )
    assert text.splitlines() == [
        "{",
        ' "name": "demo",',
        ' "versions": {',
        '  "python": "3.11"',
        " },",
        ' "shards": [',
        '  {"file": "a", "rows": 1},',
        '  {"file": "b", "rows": 2}',
        " ],",
        ' "tasks": {',
        '  "demo/one": {"quota": 3, "variants": {"zs": {"quota": 3}}}',
        " }",
        "}",
    ]
