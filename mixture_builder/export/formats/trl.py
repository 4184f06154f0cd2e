"""Parquet for TRL's `SFTTrainer`: `prompt` and `completion`, and `messages`, as two configs.

TRL puts the completion after the prompt as it is, so the separator is the beginning of the
completion. Other columns are carried along; the trainer removes them.
"""

from __future__ import annotations

import pyarrow as pa

from mixture_builder.export.columns import PROVENANCE, chats, pairs
from mixture_builder.export.context import ExportContext
from mixture_builder.export.hub import dataset_readme
from mixture_builder.export.kinds import is_wanted, only
from mixture_builder.export.parts import Parts, Placed
from mixture_builder.export.tables import add_parquet
from mixture_builder.export.targets import Target

_PAIRS, _MESSAGES = "prompt_completion", "messages"

_USE = """\
```python
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

data = load_dataset("FOLDER", "prompt_completion")  # or "messages"
trainer = SFTTrainer(model=..., args=SFTConfig(...), train_dataset=data["train"])
```

With `prompt_completion` the loss is on the completion. With `messages` the chat template of the
tokenizer lays out the turns, and the loss is on all of them unless `assistant_only_loss=True`,
which needs a template that marks the assistant's words."""


def write(examples: pa.Table, _split: str, context: ExportContext, parts: Parts) -> None:
    """Both configs of one split of one shard."""
    if is_wanted(_PAIRS, context):
        names = ("prompt", "completion")
        told = pairs(examples, names=names, separator=context.separator, keep=PROVENANCE)
        add_parquet(parts, _PAIRS, told)
    if is_wanted(_MESSAGES, context):
        add_parquet(parts, _MESSAGES, chats(examples, keep=PROVENANCE))


def layout(series: str, split: str, _context: ExportContext) -> str:
    """A folder a config."""
    return f"{series}/{split}-{{index:05d}}-of-{{count:05d}}.parquet"


def finish(context: ExportContext, placed: Placed) -> None:
    """The README whose head names the configs."""
    default = _PAIRS if is_wanted(_PAIRS, context) else _MESSAGES
    placed.add_text("README.md", dataset_readme(context, placed, default=default, use=_USE))


TARGET = Target(
    name="trl",
    about="TRL SFTTrainer: Parquet with the configs prompt_completion and messages",
    version=1,
    write=write,
    layout=layout,
    finish=finish,
    joins=True,
    settings=only(_PAIRS, _MESSAGES, called="configs"),
)
