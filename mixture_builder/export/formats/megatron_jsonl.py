"""JSON Lines for Megatron-LM: `text` for its preprocessing, `messages` for its SFT dataset.

A text is prompt, separator and target in one; `target_start` says at which character the
separator begins, so that prompt and target can be told apart again.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.export.columns import SIMPLE_PROVENANCE, chats, joined, pick
from mixture_builder.export.context import ExportContext
from mixture_builder.export.hub import readme
from mixture_builder.export.kinds import is_wanted, jsonl_of_each, only
from mixture_builder.export.parts import Parts, Placed
from mixture_builder.export.tables import add_jsonl
from mixture_builder.export.targets import Target

_TEXT, _MESSAGES = "text", "messages"

_USE = """\
`text` is for the preprocessing that makes `.bin` and `.idx`; the loss of pretraining is on all of
the text:

```bash
python tools/preprocess_data.py --input FOLDER/text/train.jsonl --json-keys text \\
  --output-prefix mixture --append-eod --workers 8 --tokenizer-type ... --tokenizer-model ...
```

`messages` is for training with `--sft`, where the loss is on the targets only:

```bash
... --sft --data-path FOLDER/messages/train.jsonl
```"""


def write(examples: pa.Table, _split: str, context: ExportContext, parts: Parts) -> None:
    """Both kinds of one split of one shard."""
    if is_wanted(_TEXT, context):
        starts = pc.utf8_length(examples.column("inputs")).cast(pa.int64())
        texts = pick(
            examples,
            {"text": joined(examples, context.separator), "target_start": starts},
            keep=SIMPLE_PROVENANCE,
        )
        add_jsonl(parts, _TEXT, texts)
    if is_wanted(_MESSAGES, context):
        add_jsonl(parts, _MESSAGES, chats(examples, keep=SIMPLE_PROVENANCE))


def finish(context: ExportContext, placed: Placed) -> None:
    """How to read it."""
    placed.add_text("README.md", readme(context, placed, use=_USE))


TARGET = Target(
    name="megatron-jsonl",
    about="Megatron-LM: JSON Lines of text for its preprocessing and of messages for --sft",
    version=1,
    write=write,
    layout=jsonl_of_each,
    finish=finish,
    joins=True,
    settings=only(_TEXT, _MESSAGES),
)
