"""MDS shards for MosaicML's `StreamingDataset`, with `prompt` and `response` as LLM Foundry reads.

Each split is a folder with its own index, which is written after its shards: a reader starts
with it.
"""

from __future__ import annotations

import pyarrow as pa

from mixture_builder.export.columns import PROVENANCE, pick
from mixture_builder.export.context import ExportContext
from mixture_builder.export.hub import readme
from mixture_builder.export.parts import Parts, Placed
from mixture_builder.export.targets import Target
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA
from mixture_builder.io.mds import cut_into_shards, index_entry, index_text, write_mds

_SHARDS = "shards"

_USE = """\
```python
from streaming import StreamingDataset

data = StreamingDataset(local="FOLDER", split="train", batch_size=8, validate_hash="sha256")
print(data[0]["prompt"], data[0]["response"])
```"""


def write(examples: pa.Table, _split: str, _context: ExportContext, parts: Parts) -> None:
    """The examples of one split of one shard as shards of about 64 MB."""
    for piece in cut_into_shards(_columns(examples)):
        _add(piece, parts)


def _add(piece: pa.Table, parts: Parts) -> None:
    parts.add(_SHARDS, lambda url: write_mds(piece, url))


def _columns(examples: pa.Table) -> pa.Table:
    named = {"prompt": examples.column("inputs"), "response": examples.column("targets")}
    return pick(examples, named, keep=PROVENANCE)


def layout(_series: str, split: str, _context: ExportContext) -> str:
    """The names that the package gives its shards; the index says how many there are."""
    return f"{split}/shard.{{index:05d}}.mds"


def finish(context: ExportContext, placed: Placed) -> None:
    """The index of each split."""
    placed.add_text("README.md", readme(context, placed, use=_USE))
    schema = _columns(EXAMPLE_SCHEMA.empty_table()).schema
    for split in context.splits:
        entries = [
            index_entry(
                schema,
                file=f.file.rpartition("/")[2],
                rows=f.rows,
                size=f.bytes,
                sha256=f.sha256,
            )
            for f in placed.of(_SHARDS, split)
        ]
        if entries:
            placed.add_text(f"{split}/index.json", index_text(entries))


TARGET = Target(
    name="mosaicml",
    about="MosaicML streaming and LLM Foundry: MDS shards of prompt and response",
    version=1,
    write=write,
    layout=layout,
    finish=finish,
)
