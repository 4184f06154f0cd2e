"""The folder of a prepared TensorFlow Datasets (TFDS) dataset, for `tfds.builder_from_directory`.

Each example is a dictionary of the columns: texts, whole numbers and one list. With
`container=array_record` the files are for `as_data_source`, which reads single examples;
otherwise they are TFRecord, for `as_dataset`.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa

from mixture_builder.export.context import ExportContext
from mixture_builder.export.hub import readme
from mixture_builder.export.parts import Parts, Placed
from mixture_builder.export.targets import Setting, Target, choice, require
from mixture_builder.io.array_record import write_array_record
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA
from mixture_builder.io.tfrecord import write_tfrecord

_RECORDS = "records"
_TFRECORD, _ARRAY_RECORD = "tfrecord", "array_record"
_CLASSES = "tensorflow_datasets.core.features"

_USE = """\
```python
import tensorflow_datasets as tfds

builder = tfds.builder_from_directory("FOLDER/{folder}")
data = builder.{method}(split="train")
```"""


def write(examples: pa.Table, _split: str, context: ExportContext, parts: Parts) -> None:
    """The examples of one split of one shard as one file."""
    if context.settings["container"] == _TFRECORD:
        parts.add(_RECORDS, lambda url: write_tfrecord(examples, url))
    else:
        parts.add(_RECORDS, lambda url: write_array_record(examples, url))


def layout(_series: str, split: str, context: ExportContext) -> str:
    """TFDS's own names: dataset, split, container, number."""
    file = f"{_name(context)}-{split}.{context.settings['container']}"
    return f"{_folder(context)}/{file}-{{index:05d}}-of-{{count:05d}}"


def finish(context: ExportContext, placed: Placed) -> None:
    """`features.json`, and last `dataset_info.json`, without which TFDS reads nothing."""
    folder = _folder(context)
    placed.add_text(f"{folder}/features.json", json.dumps(_features(), indent=1))
    placed.add_text(
        "README.md",
        readme(
            context,
            placed,
            use=_USE.format(
                folder=folder,
                method="as_dataset"
                if context.settings["container"] == _TFRECORD
                else "as_data_source",
            ),
        ),
    )
    info = {
        "name": _name(context),
        "version": context.settings["version"],
        "description": f"The mixture {context.name}, content digest "
        f"{context.manifest['content_digest']}, exported by Mixture Builder.",
        "fileFormat": context.settings["container"],
        "splits": [
            {
                "name": split,
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "shardLengths": [str(f.rows) for f in files],
                "numBytes": str(sum(f.bytes for f in files)),
            }
            for split in context.splits
            if (files := placed.of(_RECORDS, split))
        ],
    }
    placed.add_text(f"{folder}/dataset_info.json", json.dumps(info, indent=1))


def check(context: ExportContext) -> None:
    """ArrayRecord needs its package.

    Raises:
      UsageError: if it is not installed.
    """
    if context.settings["container"] == _ARRAY_RECORD:
        require({"array_record": "array-record"}, wanted_by=f"--set container={_ARRAY_RECORD}")


def _name(context: ExportContext) -> str:
    return context.settings["dataset"].replace("NAME", re.sub(r"\W", "_", context.name).lower())


def _folder(context: ExportContext) -> str:
    return f"{_name(context)}/{context.settings['version']}"


def _features() -> dict[str, Any]:
    return {
        "pythonClassName": f"{_CLASSES}.features_dict.FeaturesDict",
        "featuresDict": {"features": {f.name: _feature(f.type) for f in EXAMPLE_SCHEMA}},
    }


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {
            "pythonClassName": f"{_CLASSES}.sequence_feature.Sequence",
            "sequence": {"feature": _feature(kind.value_type), "length": "-1"},
        }
    if pa.types.is_integer(kind):
        return {
            "pythonClassName": f"{_CLASSES}.tensor_feature.Tensor",
            "tensor": {"dtype": str(kind), "encoding": "none", "shape": {}},
        }
    return {"pythonClassName": f"{_CLASSES}.text_feature.Text", "text": {}}


def _legal_version(text: str) -> str:
    if re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", text, re.ASCII):
        return ""
    return "Expected three numbers, such as 1.0.0."


def _legal_name(text: str) -> str:
    if re.fullmatch(r"[a-z]\w*", text.replace("NAME", "x"), re.ASCII):
        return ""
    return "Expected lower-case letters, digits and '_', as TFDS allows in the name of a dataset."


TARGET = Target(
    name="tfds",
    about="TensorFlow Datasets: a folder for tfds.builder_from_directory",
    version=1,
    write=write,
    layout=layout,
    finish=finish,
    check=check,
    settings={
        "dataset": Setting(
            default="NAME",
            about="name of the dataset; NAME stands for that of the mixture",
            check=_legal_name,
        ),
        "version": Setting(default="1.0.0", about="version of the dataset", check=_legal_version),
        "container": choice(
            _TFRECORD,
            _ARRAY_RECORD,
            default=_TFRECORD,
            about=f"{_TFRECORD}, for as_dataset, or {_ARRAY_RECORD}, for as_data_source",
        ),
    },
)
