"""The folder in which seqio keeps a cached task, for T5X and others that read through seqio.

Without a tokenizer `inputs` and `targets` are texts, and a task tokenises them after its
`CacheDatasetPlaceholder`. With one they are token ids without an end token, which
`seqio.preprocessors.append_eos` adds after the placeholder, and the texts stand beside them
as `inputs_pretokenized` and `targets_pretokenized`. The other columns are features too. The
TFRecord files alone are what `seqio.TFExampleDataSource` reads.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.export.columns import PROVENANCE, pick
from mixture_builder.export.context import ExportContext
from mixture_builder.export.hub import readme
from mixture_builder.export.parts import Parts, Placed
from mixture_builder.export.targets import Setting, Target
from mixture_builder.export.tokens import tokenizer_of
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA
from mixture_builder.io.tfrecord import write_tfrecord
from mixture_builder.io.tokenizer import TOKEN_LIST, as_lists

_RECORDS = "records"
_TEXTS = ("inputs", "targets")

# The version whose layout this is; readers compare it with 0.0.0 only.
_SEQIO_VERSION = "0.0.20"

_USE = """\
```python
import seqio


def unread(split, shuffle_files=False, seed=None):
    raise RuntimeError("the cache is read instead")


seqio.add_global_cache_dirs(["FOLDER"])
seqio.TaskRegistry.add(
    "{task}",
    source=seqio.FunctionDataSource(dataset_fn=unread, splits={splits}),
    preprocessors=[{preprocessors}],
    output_features={{
        name: seqio.Feature(vocabulary=vocabulary, add_eos=True)
        for name in ("inputs", "targets")
    }},
)
data = seqio.get_mixture_or_task("{task}").get_dataset(
    sequence_length={{"inputs": 1024, "targets": 256}}, split="train", use_cached=True
)
```

`vocabulary` is {vocabulary}. For a source without a cache, `seqio.TFExampleDataSource` reads the
`.tfrecord` files as they are."""


def write(examples: pa.Table, _split: str, context: ExportContext, parts: Parts) -> None:
    """The examples of one split of one shard as one TFRecord file."""
    facts: dict[str, int] = {}
    columns: dict[str, pa.ChunkedArray] = {}
    for name in _TEXTS:
        texts = examples.column(name)
        facts[f"{name}_chars"] = pc.sum(pc.utf8_length(texts)).as_py() or 0
        if not context.tokenizer:
            columns[name] = texts
            continue
        tokens = tokenizer_of(context).encode(texts)
        columns[name] = pa.chunked_array([as_lists(tokens)])
        columns[f"{name}_pretokenized"] = texts
        facts[f"{name}_tokens"] = int(tokens.lengths.sum())
        facts[f"{name}_max_tokens"] = int(np.max(tokens.lengths, initial=0))
    table = pick(examples, columns, keep=PROVENANCE)
    parts.add(_RECORDS, lambda url: write_tfrecord(table, url, schema=table.schema), facts=facts)


def layout(_series: str, split: str, context: ExportContext) -> str:
    """The names that seqio itself gives, in a folder named like the task."""
    return f"{_folder(context)}/{split}.tfrecord-{{index:05d}}-of-{{count:05d}}"


def finish(context: ExportContext, placed: Placed) -> None:
    """What seqio wants to know of each split, and last the file that says it is all there."""
    folder = _folder(context)
    for split in context.splits:
        files = placed.of(_RECORDS, split)
        if not files:
            continue
        info = {
            "num_shards": len(files),
            "seqio_version": _SEQIO_VERSION,
            "features": _features(context),
        }
        placed.add_text(f"{folder}/info.{split}.json", json.dumps(info))
        stats: dict[str, int] = {"examples": sum(f.rows for f in files)}
        for part in (part for f in files for part in f.parts):
            for name, value in part.facts.items():
                add = max if name.endswith("_max_tokens") else int.__add__
                stats[name] = add(stats.get(name, 0), value)
        placed.add_text(f"{folder}/stats.{split}.json", json.dumps(stats))
    placed.add_text("README.md", readme(context, placed, use=_use(context)))
    placed.add_text(f"{folder}/COMPLETED", "")


def task_name(context: ExportContext) -> str:
    """The name of the seqio task: the setting, or the mixture's with letters seqio allows."""
    return context.settings["task"].replace("NAME", re.sub(r"\W", "_", context.name))


def _folder(context: ExportContext) -> str:
    return task_name(context).replace(":", "/")


def _features(context: ExportContext) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name in _TEXTS:
        if context.tokenizer:
            found[name] = _feature(TOKEN_LIST)
            found[f"{name}_pretokenized"] = _feature(pa.string())
        else:
            found[name] = _feature(pa.string())
    return {**found, **{name: _feature(EXAMPLE_SCHEMA.field(name).type) for name in PROVENANCE}}


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"shape": [None], "dtype": str(kind.value_type)}
    return {"shape": [], "dtype": str(kind)}


def _use(context: ExportContext) -> str:
    placeholder, end = (
        "seqio.CacheDatasetPlaceholder(required=True)",
        "seqio.preprocessors.append_eos",
    )
    steps = [placeholder, *([] if context.tokenizer else ["seqio.preprocessors.tokenize"]), end]
    return _USE.format(
        task=task_name(context),
        splits=list(context.splits),
        preprocessors=", ".join(steps),
        vocabulary="that of the tokenizer named above (seqio.PassThroughVocabulary will do)"
        if context.tokenizer
        else "any; the texts are tokenised as they are read",
    )


def _legal_task(name: str) -> str:
    if re.fullmatch(r"[\w.]+(:[\w.]+)*", name.replace("NAME", "x"), re.ASCII):
        return ""
    return "Expected letters, digits, '_', '.' and ':', as seqio allows in the name of a task."


TARGET = Target(
    name="seqio",
    about="seqio and T5X: a cached task of TFRecord files, as texts or token ids",
    version=1,
    write=write,
    layout=layout,
    finish=finish,
    may_tokenize=True,
    settings={
        "task": Setting(
            default="NAME",
            about="name of the seqio task; NAME stands for that of the mixture",
            check=_legal_task,
        )
    },
)
