"""JSON Lines for torchtune's `instruct_dataset` and `chat_dataset`, with the YAML for each.

`instruct_dataset` puts the output after the input as it is when the tokenizer has no prompt
template, so the separator is the beginning of the output; model tokenizers that frame each
message cut it off again.
"""

from __future__ import annotations

import pyarrow as pa

from mixture_builder.export.columns import SIMPLE_PROVENANCE, messages, pick, separated
from mixture_builder.export.context import VALIDATION, ExportContext
from mixture_builder.export.hub import readme
from mixture_builder.export.parts import Parts, Placed
from mixture_builder.export.targets import Target, choice
from mixture_builder.io.jsonl import write_jsonl

_INSTRUCT, _CHAT = "instruct", "chat"

_USE = """\
Put the content of `{example}` into the config of a recipe, in place of its `dataset`, and start
torchtune in this folder, or write the whole paths:

```bash
tune run full_finetune_single_device --config config.yaml
```

`train_on_input: False` keeps the loss on the targets."""

_KEYS = {
    _INSTRUCT: """\
  _component_: torchtune.datasets.instruct_dataset
  source: json
  data_files: {file}
  split: train
  column_map:
    input: input
    output: output
  train_on_input: False
""",
    _CHAT: """\
  _component_: torchtune.datasets.chat_dataset
  source: json
  data_files: {file}
  split: train
  conversation_column: messages
  conversation_style: openai
  train_on_input: False
""",
}


def write(examples: pa.Table, _split: str, context: ExportContext, parts: Parts) -> None:
    """Both kinds of one split of one shard."""
    if context.settings["only"] != _CHAT:
        pairs = pick(
            examples,
            {
                "input": examples.column("inputs"),
                "output": separated(examples, context.separator),
            },
            keep=SIMPLE_PROVENANCE,
        )
        parts.add(_INSTRUCT, lambda url: write_jsonl(pairs, url, schema=pairs.schema))
    if context.settings["only"] != _INSTRUCT:
        chats = pick(examples, {"messages": messages(examples)}, keep=SIMPLE_PROVENANCE)
        parts.add(_CHAT, lambda url: write_jsonl(chats, url, schema=chats.schema))


def layout(series: str, split: str, _context: ExportContext) -> str:
    """One file a kind and split."""
    return f"{series}/{split}.jsonl"


def finish(context: ExportContext, placed: Placed) -> None:
    """For each kind the YAML that names its files."""
    written = []
    for series in (_INSTRUCT, _CHAT):
        if context.settings["only"] not in {"all", series}:
            continue
        text = "# Paths are seen from the folder in which torchtune is started.\n"
        text += "dataset:\n" + _KEYS[series].replace("{file}", f"{series}/train.jsonl")
        if placed.of(series, VALIDATION):
            file = f"{series}/{VALIDATION}.jsonl"
            text += "dataset_val:\n" + _KEYS[series].replace("{file}", file)
        placed.add_text(f"{series}.yaml", text)
        written.append(f"{series}.yaml")
    placed.add_text("README.md", readme(context, placed, use=_USE.replace("{example}", written[0])))


TARGET = Target(
    name="torchtune",
    about="torchtune: JSON Lines for instruct_dataset and chat_dataset, and their YAML",
    version=1,
    write=write,
    layout=layout,
    finish=finish,
    joins=True,
    settings={
        "only": choice(
            "all", _INSTRUCT, _CHAT, default="all", about="write only one of the two kinds"
        )
    },
)
