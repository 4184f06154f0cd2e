"""JSON Lines for NeMo's fine-tuning data module: `training.jsonl` and `validation.jsonl`.

NeMo joins `input` and `output` by a prompt template of its own, from which it also takes what
stands between them; so the texts are stored as they are and the separator goes into the
template. NeMo cuts spaces off both ends of a text.
"""

from __future__ import annotations

import json

import pyarrow as pa

from mixture_builder.export.columns import PROVENANCE, pairs
from mixture_builder.export.context import TRAIN, ExportContext
from mixture_builder.export.hub import readme
from mixture_builder.export.parts import Parts, Placed
from mixture_builder.export.tables import add_jsonl
from mixture_builder.export.targets import Target

_USE = """\
```python
from nemo.collections import llm

data = llm.FineTuningDataModule(
    dataset_root="FOLDER",
    seq_length=2048,
    dataset_kwargs={"prompt_template": {template}, "answer_only_loss": True},
)
```

Without `validation.jsonl` (export with `--validation`) the module has nothing to validate on:
set `limit_val_batches=0` in the trainer."""


def write(examples: pa.Table, _split: str, _context: ExportContext, parts: Parts) -> None:
    """One split of one shard."""
    add_jsonl(parts, "pairs", pairs(examples, names=("input", "output"), keep=PROVENANCE))


def layout(_series: str, split: str, _context: ExportContext) -> str:
    """The names that the data module looks for."""
    return "training.jsonl" if split == TRAIN else f"{split}.jsonl"


def finish(context: ExportContext, placed: Placed) -> None:
    """How to read it, with the prompt template."""
    template = json.dumps(prompt_template(context.separator))
    placed.add_text("README.md", readme(context, placed, use=_USE.replace("{template}", template)))


def prompt_template(separator: str) -> str:
    r"""NeMo's template for a separator, with the escapes that NeMo undoes.

    >>> print(prompt_template(chr(10)))
    {input}\n{output}
    """
    return f"{{input}}{separator.encode('unicode_escape').decode('ascii')}{{output}}"


TARGET = Target(
    name="nemo",
    about="NeMo: training.jsonl and validation.jsonl with input and output",
    version=1,
    write=write,
    layout=layout,
    finish=finish,
    joins=True,
)
