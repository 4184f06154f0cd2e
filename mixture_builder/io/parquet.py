"""Finished examples as Parquet, in the shape that the Hugging Face Hub and `datasets` expect.

Equal tables give equal bytes however their memory is chunked, for one version of pyarrow
(its name stands in every file it writes, and its compressor may change).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mixture_builder.errors import VerifyError
from mixture_builder.io.atomic import WrittenFile, atomic_output
from mixture_builder.io.example_schema import (
    EXAMPLE_SCHEMA,
    REPETITIVE_COLUMNS,
    conform,
    features_json,
)

# Measured on 120,000 zero-shot rows of 0.8 kB and 40,000 five-shot rows of 2.7 kB, us a row
# for encoding and compressing / size against level 1: level 1 2.3 and 8.2; level 2 2.8 and
# 10.8 / -21 % and -12 %; level 3 3.0 and 15.3 / -29 % and -19 %; snappy 2.0 and 7.7 / +38 %
# and +28 %. A mixture is written once and then stored, sent and read for long, so size
# decides; who builds to throw away sets 1.
DEFAULT_COMPRESSION_LEVEL = 3

# `datasets` aims at 100 MB before compression (its config.MAX_ROW_GROUP_SIZE, 5.2.0); the
# viewer of the Hub refuses to read more than 300 MB for a page of rows. A streaming reader
# holds a whole group in memory, so ours are smaller.
ROW_GROUP_BYTES = 32 * 1024 * 1024

# What `datasets` passes to pyarrow, and notes under this footer key.
_CHUNKING = {"min_chunk_size": 256 * 1024, "max_chunk_size": 1024 * 1024, "norm_level": 0}

# Two thousand rows of five-shot prompts are some MB: a reader's memory stays flat.
_READ_ROWS = 2_048

# Where a minimum and a maximum help somebody to skip rows. Nobody searches texts by range.
_WITH_STATISTICS = (*REPETITIVE_COLUMNS, "num_exemplars", "row", "draw")


def write_parquet(
    table: pa.Table,
    url: str,
    *,
    schema: pa.Schema = EXAMPLE_SCHEMA,
    compression_level: int = DEFAULT_COMPRESSION_LEVEL,
    row_group_bytes: int = ROW_GROUP_BYTES,
    content_defined_chunking: bool = False,
    durable: bool = True,
) -> WrittenFile:
    """Writes `table` to `url`, whole or not at all.

    Args:
      table: columns of `schema`, in any order and chunking.
      url: local path or fsspec URL of the file.
      schema: other columns than a finished mixture's, for exports.
      compression_level: of zstd; 1 to 22.
      row_group_bytes: of uncompressed data a row group may hold, about; 1 or more.
      content_defined_chunking: cut pages where the content says, so that the Hub stores
        what two versions of a file share only once. Costs up to a quarter more time and a
        tenth more space; worth it for releases that are updated.
      durable: as for `atomic_output`.

    Raises:
      BuildError: if the storage refuses.
      ValueError: if the table does not have the columns of `schema`.
    """
    table = conform(table, schema)
    footer = {"huggingface": features_json(schema)}
    if content_defined_chunking:
        footer["content_defined_chunking"] = json.dumps(_CHUNKING)
    rows = _rows_per_group(table, row_group_bytes)
    with atomic_output(url, durable=durable) as output:
        with pq.ParquetWriter(
            output,
            schema.with_metadata(footer),
            compression="zstd",
            compression_level=compression_level,
            use_dictionary=[name for name in REPETITIVE_COLUMNS if name in schema.names],
            write_statistics=[name for name in _WITH_STATISTICS if name in schema.names],
            # Neither costs time that can be measured. With the index the viewer of the Hub can
            # read some rows of a group; with the checksums every reader can notice damage.
            write_page_index=True,
            write_page_checksum=True,
            use_content_defined_chunking=_CHUNKING if content_defined_chunking else False,
        ) as writer:
            for start in range(0, table.num_rows, rows):
                # Pages must not end where chunks of the input happen to end.
                group = table.slice(start, rows).combine_chunks()
                writer.write_table(group, row_group_size=rows)
        return output.written(table.num_rows)


def read_parquet(
    url: str,
    *,
    schema: pa.Schema = EXAMPLE_SCHEMA,
    rows: int = _READ_ROWS,
    size: int = 0,
) -> Iterator[pa.RecordBatch]:
    """Yields the rows of `url` in order, some thousand at a time, with the types of `schema`.

    Columns that are dictionaries in `schema` are read as such: no text is made for each row.

    Args:
      url: of the file.
      schema: of what is wanted.
      rows: so many at a time at most.
      size: so many bytes at a time at most, by the mean of the group with the largest rows; 0 for
        no bound.

    Raises:
      VerifyError: if the file is damaged, no Parquet, or lacks columns.
      FileNotFoundError: if there is no such file.
    """
    with fsspec.open(url, "rb") as file:
        try:
            coded = [field.name for field in schema if pa.types.is_dictionary(field.type)]
            parquet = pq.ParquetFile(
                file, page_checksum_verification=True, read_dictionary=coded or None
            )
            _check_columns(url, parquet.schema_arrow, schema)
            at_once = min(rows, _rows_within(parquet.metadata, size)) if size else rows
            for batch in parquet.iter_batches(
                batch_size=at_once, columns=schema.names, use_threads=False
            ):
                batch.validate(full=True)
                if batch.schema.equals(schema):
                    yield batch
                    continue
                conformed = conform(pa.Table.from_batches([batch]), schema)
                yield from conformed.combine_chunks().to_batches()
        except (pa.ArrowException, OSError, ValueError) as error:
            raise VerifyError(
                f"{url}: cannot be read as Parquet: {error}. The file is damaged or is "
                "something else; build this shard again."
            ) from error


def _rows_within(metadata: pq.FileMetaData, size: int) -> int:
    """How many rows of any group come to so many bytes."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    largest = max((g.total_byte_size / g.num_rows for g in groups if g.num_rows), default=0)
    return max(1, int(size / max(1.0, largest)))


def _rows_per_group(table: pa.Table, row_group_bytes: int) -> int:
    """Equal groups of about `row_group_bytes`; follows from the values, not from their layout."""
    size = sum(_value_bytes(column) for column in table.columns)
    groups = max(1, -(-size // row_group_bytes))
    rows: int = table.num_rows
    return max(1, -(-rows // groups))


def _value_bytes(column: pa.ChunkedArray) -> int:
    kind = column.type
    if pa.types.is_string(kind):
        return int(pc.sum(pc.binary_length(column)).as_py() or 0)
    if pa.types.is_list(kind):
        return sum(_value_bytes(pa.chunked_array([c.flatten()])) for c in column.chunks)
    if pa.types.is_struct(kind):
        return sum(_value_bytes(pa.chunked_array([p])) for c in column.chunks for p in c.flatten())
    return 8 * int(column.length())


def _check_columns(url: str, found: pa.Schema, wanted: pa.Schema) -> None:
    missing = [name for name in wanted.names if name not in found.names]
    if missing:
        raise VerifyError(
            f"{url}: the columns {', '.join(missing)} are missing; found "
            f"{', '.join(found.names)}. This is no file of a finished mixture."
        )
