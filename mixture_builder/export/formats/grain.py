"""ArrayRecord files of `tf.train.Example`, for Grain and MaxText: any example by its number."""

from __future__ import annotations

import pyarrow as pa

from mixture_builder.export.context import ExportContext
from mixture_builder.export.hub import readme
from mixture_builder.export.parts import Parts, Placed
from mixture_builder.export.targets import Target
from mixture_builder.io.array_record import write_array_record

_RECORDS = "records"

_USE = """\
```python
import glob

import grain
import tensorflow as tf

features = {
    "inputs": tf.io.FixedLenFeature([], tf.string),
    "targets": tf.io.FixedLenFeature([], tf.string),
}
source = grain.sources.ArrayRecordDataSource(sorted(glob.glob("FOLDER/train.array_record-*")))
data = grain.MapDataset.source(source).shuffle(seed=0).map(
    lambda record: tf.io.parse_single_example(record, features)
)
```

MaxText: `dataset_type=grain grain_file_type=arrayrecord
grain_train_files=FOLDER/train.array_record-* train_data_columns=['inputs','targets']`."""


def write(examples: pa.Table, _split: str, _context: ExportContext, parts: Parts) -> None:
    """The examples of one split of one shard as one file."""
    parts.add(_RECORDS, lambda url: write_array_record(examples, url))


def layout(_series: str, split: str, _context: ExportContext) -> str:
    """The usual names of sharded record files."""
    return f"{split}.array_record-{{index:05d}}-of-{{count:05d}}"


def finish(context: ExportContext, placed: Placed) -> None:
    """A README; readers need nothing but the files."""
    placed.add_text("README.md", readme(context, placed, use=_USE))


TARGET = Target(
    name="grain",
    about="Grain and MaxText: ArrayRecord files of tf.train.Example",
    version=1,
    write=write,
    layout=layout,
    finish=finish,
    packages={"array_record": "array-record"},
)
