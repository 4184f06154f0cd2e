"""`.bin` and `.idx` files of token ids, as Megatron-LM's `IndexedDataset` reads them.

With `documents=text` an example is one document: prompt, what stands between, target, end.
Megatron-LM's pretraining then takes the loss on all of it. With `documents=pairs` prompts and
targets are two datasets whose documents correspond, which is what `--json-keys inputs targets`
gives for models with an encoder and a decoder.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa

from mixture_builder.export.context import ExportContext
from mixture_builder.export.hub import readme
from mixture_builder.export.parts import Parts, Placed
from mixture_builder.export.targets import Target, choice
from mixture_builder.export.tokens import (
    BEGIN,
    END,
    SEPARATOR,
    between,
    check_marks,
    ended_tokens,
    joined_tokens,
    tokenizer_of,
)
from mixture_builder.io.megatron import Kind, token_kind, write_bin, write_index, write_lengths
from mixture_builder.token_lists import TokenLists

_TEXT, _PAIRS = "text", "pairs"
_LENGTHS = "-lengths"

_USE = """\
```python
from megatron.core.datasets.indexed_dataset import IndexedDataset

data = IndexedDataset("FOLDER/{prefix}")
print(len(data), data[0][:10])
```

For training: `--train-data-path FOLDER/{prefix}`, with the tokenizer named in `export.json`. An
example is a document; each ends with the token {end}."""


def write(examples: pa.Table, _split: str, context: ExportContext, parts: Parts) -> None:
    """The tokens of one split of one shard, and their lengths beside."""
    if context.settings["documents"] == _TEXT:
        _add("text", joined_tokens(examples, context).tokens, context, parts)
        return
    for name in ("inputs", "targets"):
        _add(name, ended_tokens(examples.column(name), context), context, parts)


def _add(name: str, documents: TokenLists, context: ExportContext, parts: Parts) -> None:
    kind = _kind(context)
    parts.add(name, lambda url: write_bin(documents, url, kind=kind))
    parts.add(name + _LENGTHS, lambda url: write_lengths(documents, url))


def layout(series: str, split: str, _context: ExportContext) -> str:
    """One file a split, named as Megatron-LM's own preprocessing does."""
    return "" if series.endswith(_LENGTHS) else f"{_prefix(series, split)}.bin"


def finish(context: ExportContext, placed: Placed) -> None:
    """The index of each `.bin` file."""
    found = [(f.series, f.split) for f in placed.files]
    end = context.settings["eos"]
    use = _USE.format(
        prefix=_prefix(*found[0]) if found else "train_text_document",
        end="that ends a text" if end == END.default else f"`{end}`",
    )
    placed.add_text("README.md", readme(context, placed, use=use))
    for series, split in found:
        lengths = np.frombuffer(b"".join(placed.read_beside(series + _LENGTHS, split)), "<i4")
        index = partial(write_index, lengths, kind=_kind(context))
        placed.add(f"{_prefix(series, split)}.idx", index)


def _prefix(series: str, split: str) -> str:
    return f"{split}_{series}_document"


def _kind(context: ExportContext) -> Kind:
    return token_kind(tokenizer_of(context).vocabulary)


TARGET = Target(
    name="megatron",
    about="Megatron-LM: .bin and .idx files of token ids",
    version=1,
    write=write,
    layout=layout,
    finish=finish,
    joins=True,
    tokenizer=True,
    check=check_marks,
    settings={
        "documents": choice(
            _TEXT,
            _PAIRS,
            default=_TEXT,
            about=f"{_TEXT}, prompt and target as one document, or {_PAIRS}, as two datasets",
        ),
        "between": between(SEPARATOR),
        "eos": END,
        "bos": BEGIN,
    },
)
