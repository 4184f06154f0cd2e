"""Parquet for TRL's `SFTTrainer`: `prompt` and `completion`, and `messages`, as two configs.

TRL puts the completion after the prompt as it is, so the separator is the beginning of the
completion. Other columns are carried along; the trainer removes them.
"""

from __future__ import annotations

import pyarrow as pa

from mixture_builder.export.columns import PROVENANCE, messages, pick, separated
from mixture_builder.export.context import ExportContext
from mixture_builder.export.hub import add_parquet, dataset_readme
from mixture_builder.export.parts import Parts, Placed
from mixture_builder.export.targets import Target, choice

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
    if context.settings["only"] != _MESSAGES:
        pairs = pick(
            examples,
            {
                "prompt": examples.column("inputs"),
                "completion": separated(examples, context.separator),
            },
            keep=PROVENANCE,
        )
        add_parquet(parts, _PAIRS, pairs)
    if context.settings["only"] != _PAIRS:
        chats = pick(examples, {"messages": messages(examples)}, keep=PROVENANCE)
        add_parquet(parts, _MESSAGES, chats)


def layout(series: str, split: str, _context: ExportContext) -> str:
    """A folder a config."""
    return f"{series}/{split}-{{index:05d}}-of-{{count:05d}}.parquet"


def finish(context: ExportContext, placed: Placed) -> None:
    """The README whose head names the configs."""
    default = _MESSAGES if context.settings["only"] == _MESSAGES else _PAIRS
    placed.add_text("README.md", dataset_readme(context, placed, default=default, use=_USE))


TARGET = Target(
    name="trl",
    about="TRL SFTTrainer: Parquet with the configs prompt_completion and messages",
    version=1,
    write=write,
    layout=layout,
    finish=finish,
    joins=True,
    settings={
        "only": choice(
            "all", _PAIRS, _MESSAGES, default="all", about="write only one of the two configs"
        )
    },
)
