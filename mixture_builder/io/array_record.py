"""Messages of `tf.train.Example` in ArrayRecord files, written with the package `array_record`.

The container (Riegeli chunks with an index behind them) is the package's business; it is
installed with the extra `array-record`. Each record is a group of its own, which is what
makes reading a single one cheap.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from mixture_builder.io.atomic import WrittenFile, atomic_output
from mixture_builder.io.bounded_slices import bounded_slices
from mixture_builder.io.tf_example import encode_examples

_OPTIONS = "group_size:1"
_WRITE_ROWS, _WRITE_BYTES = 16_384, 64 * 1024 * 1024
_BLOCK = 4 << 20


def write_array_record(table: pa.Table, url: str) -> WrittenFile:
    """Writes the rows of `table`, whole or not at all.

    The package writes to local disks only and closes the file itself, so the file is made in
    a temporary folder and copied from there.

    Args:
      table: strings, integers and lists of these, without nulls.
      url: local path or fsspec URL of the file.

    Raises:
      BuildError: if the storage refuses.
    """
    from array_record.python.array_record_module import ArrayRecordWriter

    with TemporaryDirectory() as folder:
        file = Path(folder) / "records"
        writer = ArrayRecordWriter(str(file), _OPTIONS)
        for message in _messages(table):
            writer.write(message)
        writer.close()
        with atomic_output(url) as output, file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                output.write(block)
            return output.written(table.num_rows)


def _messages(table: pa.Table) -> Iterator[bytes]:
    for rows in bounded_slices(table, rows=_WRITE_ROWS, size=_WRITE_BYTES):
        for batch in rows.combine_chunks().to_batches():
            for piece in encode_examples(batch):
                yield from piece.to_pylist()
