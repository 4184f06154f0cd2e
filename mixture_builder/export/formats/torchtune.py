"""JSON Lines for torchtune's `instruct_dataset` and `chat_dataset`, with the YAML for each.

`instruct_dataset` puts the output after the input as it is when the tokenizer has no prompt
template, so the separator is the beginning of the output; model tokenizers that frame each
message cut it off again.
"""

from __future__ import annotations

import pyarrow as pa

from mixture_builder.export.columns import SIMPLE_PROVENANCE, chats, pairs
from mixture_builder.export.context import VALIDATION, ExportContext
from mixture_builder.export.hub import readme
from mixture_builder.export.kinds import is_wanted, jsonl_of_each, only
from mixture_builder.export.parts import Parts, Placed
from mixture_builder.export.tables import add_jsonl
from mixture_builder.export.targets import Target

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
    if is_wanted(_INSTRUCT, context):
        names = ("input", "output")
        told = pairs(examples, names=names, separator=context.separator, keep=SIMPLE_PROVENANCE)
        add_jsonl(parts, _INSTRUCT, told)
    if is_wanted(_CHAT, context):
        add_jsonl(parts, _CHAT, chats(examples, keep=SIMPLE_PROVENANCE))


def finish(context: ExportContext, placed: Placed) -> None:
    """For each kind the YAML that names its files."""
    written = []
    for series in (_INSTRUCT, _CHAT):
        if not is_wanted(series, context):
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
    layout=jsonl_of_each,
    finish=finish,
    joins=True,
    settings=only(_INSTRUCT, _CHAT),
)
