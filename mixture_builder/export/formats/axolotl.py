"""JSON Lines for Axolotl, with the part of its YAML that names them.

Two kinds: `messages`, laid out by the model's chat template, and `prompt` with `completion`,
which Axolotl tokenises one by one and puts together as they are; there the completion begins
with the separator.
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

_PAIRS, _MESSAGES = "prompt_completion", "messages"

_USE = """\
Put the content of `{example}` into your config and start Axolotl in this folder, or write the
whole paths:

```bash
axolotl train config.yaml
```

`messages.yaml` uses the chat template of the tokenizer, `prompt_completion.yaml` none. In both the
loss is on the targets only."""

_TYPES = {
    _MESSAGES: """\
    type: chat_template
    field_messages: messages
    message_property_mappings:
      role: role
      content: content
    roles_to_train: [assistant]
    train_on_eos: turn
""",
    _PAIRS: """\
    type:
      field_instruction: prompt
      field_output: completion
      format: "{instruction}"
      no_input_format: "{instruction}"
""",
}


def write(examples: pa.Table, _split: str, context: ExportContext, parts: Parts) -> None:
    """Both kinds of one split of one shard."""
    if is_wanted(_MESSAGES, context):
        add_jsonl(parts, _MESSAGES, chats(examples, keep=SIMPLE_PROVENANCE))
    if is_wanted(_PAIRS, context):
        names = ("prompt", "completion")
        told = pairs(examples, names=names, separator=context.separator, keep=SIMPLE_PROVENANCE)
        add_jsonl(parts, _PAIRS, told)


def finish(context: ExportContext, placed: Placed) -> None:
    """For each kind the YAML that names its files."""
    written = []
    for series in (_MESSAGES, _PAIRS):
        if is_wanted(series, context):
            placed.add_text(f"{series}.yaml", _config(series, placed))
            written.append(f"{series}.yaml")
    placed.add_text("README.md", readme(context, placed, use=_USE.replace("{example}", written[0])))


def _config(series: str, placed: Placed) -> str:
    lines = ["# Paths are seen from the folder in which Axolotl is started.", "datasets:"]
    lines += _entry(series, "train")
    if placed.of(series, VALIDATION):
        lines += ["test_datasets:", *_entry(series, VALIDATION)]
    return "\n".join([*lines, "train_on_inputs: false", ""])


def _entry(series: str, split: str) -> list[str]:
    # A single file is read as the split `train`, whatever it is for.
    return [
        f"  - path: {series}/{split}.jsonl",
        "    ds_type: json",
        "    split: train",
        _TYPES[series].rstrip("\n"),
    ]


TARGET = Target(
    name="axolotl",
    about="Axolotl: JSON Lines of messages and of prompt with completion, and its YAML",
    version=1,
    write=write,
    layout=jsonl_of_each,
    finish=finish,
    joins=True,
    settings=only(_MESSAGES, _PAIRS),
)
