"""The one shape of a finished mixture: its columns, their types and their meaning.

Every format stores exactly these columns, and every reader gives them back with exactly
these types, so that tables of different formats can be compared. No column has nulls:
what does not apply is an empty string, an empty list or 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pyarrow as pa

EXAMPLE_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "inputs": "the prompt, as a model reads it",
        "targets": "the text that the model should produce",
        "task_id": "the task card the example comes from: `<submixture>/<name>`",
        "submixture": "the part of the mixture the task belongs to",
        "variant": "`zs_opt`, `zs_noopt`, `fs_opt` or `fs_noopt`: zero- or few-shot, with or "
        "without listed options",
        "template_id": "the prompt template that phrased it, within the task's template file",
        "style": "how exemplars, options and dialog turns are laid out, as drawn for this example",
        "num_exemplars": "how many solved pairs the prompt shows",
        "exemplar_rows": "identities of the rows these pairs come from, in the order shown",
        "row": "identity of the row asked about: a 63-bit hash of its fields",
        "draw": "which draw of the task this is, counted from 0",
    }
)
"""What each column holds, one line each, in file order."""

# "element" is the name Parquet gives the items of a list; any other name would come back changed.
_ROW_LIST = pa.list_(pa.field("element", pa.int64(), nullable=False))

_TYPES: Mapping[str, pa.DataType] = {
    "num_exemplars": pa.int32(),
    "exemplar_rows": _ROW_LIST,
    "row": pa.int64(),
    "draw": pa.int64(),
}

EXAMPLE_SCHEMA: pa.Schema = pa.schema(
    [pa.field(name, _TYPES.get(name, pa.string()), nullable=False) for name in EXAMPLE_COLUMNS]
)
"""The columns and types of a finished mixture, in file order; nothing is nullable."""

REPETITIVE_COLUMNS: tuple[str, ...] = (
    "task_id",
    "submixture",
    "variant",
    "template_id",
    "style",
)
"""Columns with few different values per shard: encoded once per value where a format can."""


def conform(table: pa.Table, schema: pa.Schema = EXAMPLE_SCHEMA) -> pa.Table:
    """The same rows with exactly the columns, order and types of `schema`.

    Columns may come in any order, as large strings, string views, dictionaries or nullable.

    Raises:
      ValueError: if a column is missing, unknown, has nulls, or cannot be converted without
        loss. That is a mistake of the calling code, never of a user.
    """
    missing = [name for name in schema.names if name not in table.column_names]
    unknown = [name for name in table.column_names if name not in schema.names]
    if missing or unknown or len(table.column_names) != len(schema.names):
        raise ValueError(
            f"a table of finished examples needs the columns {', '.join(schema.names)}; "
            f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}"
        )
    columns = []
    for field in schema:
        column = table.column(field.name)
        if not field.nullable and column.null_count:
            raise ValueError(f"column {field.name!r} has {column.null_count} nulls; it may not")
        if column.type != field.type or not _same_item_fields(column.type, field.type):
            column = column.cast(field.type)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def _same_item_fields(found: pa.DataType, wanted: pa.DataType) -> bool:
    """List types compare equal whatever their items are called; `from_arrays` is stricter."""
    if not pa.types.is_list(wanted):
        return True
    return bool(found.value_field.equals(wanted.value_field))


def features_json(schema: pa.Schema) -> str:
    """The features of Hugging Face `datasets` for `schema`, as its Parquet footer key holds them.

    Raises:
      ValueError: for a type that no finished mixture or export has.
    """
    features = {field.name: _feature(field.type) for field in schema}
    return json.dumps({"info": {"features": features}})


def features_list(schema: pa.Schema = EXAMPLE_SCHEMA) -> list[dict[str, Any]]:
    """The same features as the head of a README on the Hub lists them.

    Raises:
      ValueError: for a type that no finished mixture or export has.
    """
    return [{"name": field.name, **_listed(field.type)} for field in schema]


def _listed(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        inner = _listed(kind.value_type)
        return {"list": inner.get("dtype") or inner["struct"]}
    if pa.types.is_struct(kind):
        return {"struct": [{"name": field.name, **_listed(field.type)} for field in kind]}
    return {"dtype": str(_feature(kind)["dtype"])}


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    if pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return {"dtype": str(kind), "_type": "Value"}
    raise ValueError(f"no feature is known for the type {kind}")
