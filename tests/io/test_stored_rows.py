"""What the schema of stored rows tells, for task after task."""

from __future__ import annotations

import pyarrow as pa

from mixture_builder.io.stored_rows import _columns_of, _known_columns

KINDS = {"text": pa.string(), "list": pa.list_(pa.string()), "number": pa.int64()}


def schema_of(first: str, second: str) -> pa.Schema:
    """Two fields of some kinds between columns that are no fields."""
    fields = [("#id", pa.int64()), ("a", KINDS[first]), ("#key a", pa.uint64())]
    return pa.schema([*fields, ("b", KINDS[second])])


def test_columns_are_those_of_the_schema_whatever_was_met_before() -> None:
    """Schemas that differ in kinds alone, more of them than are remembered, and each once more."""
    schemas = [(first, second) for first in KINDS for second in KINDS]
    assert len(schemas) > (_known_columns.maxlen or 0)
    for first, second in [*schemas, *reversed(schemas)]:
        found = _columns_of(schema_of(first, second))

        assert found.fields == ("a", "b")
        assert found.places == {"#id": 0, "a": 1, "#key a": 2, "b": 3}
        kinds = {"a": first, "b": second}
        assert found.text_fields == {name for name in kinds if kinds[name] == "text"}
        assert found.list_fields == {name for name in kinds if kinds[name] == "list"}


def test_equal_schemas_share_what_they_tell() -> None:
    """Tasks of a family are met one after the other: nothing is worked out anew."""
    assert _columns_of(schema_of("text", "list")) is _columns_of(schema_of("text", "list"))
