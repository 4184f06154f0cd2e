"""Tables as the next file of a series, in the formats that several targets write."""

from __future__ import annotations

import pyarrow as pa

from mixture_builder.export.parts import Parts
from mixture_builder.io.atomic import WrittenFile
from mixture_builder.io.jsonl import write_jsonl
from mixture_builder.io.parquet import write_parquet


def add_jsonl(parts: Parts, series: str, table: pa.Table) -> None:
    """Writes a table as the next file of JSON Lines of a series."""
    parts.add(series, lambda url: write_jsonl(table, url, schema=table.schema))


def add_parquet(
    parts: Parts, series: str, table: pa.Table, *, content_defined_chunking: bool = False
) -> None:
    """Writes a table as the next Parquet file of a series, with what the head says of it."""

    def write(url: str) -> WrittenFile:
        return write_parquet(
            table,
            url,
            schema=table.schema,
            content_defined_chunking=content_defined_chunking,
        )

    parts.add(series, write, facts={"arrow_bytes": int(table.nbytes)})
