"""JSON Lines for Megatron-LM: `text` for its preprocessing, `messages` for its SFT dataset.

A text is prompt, separator and target in one; `target_start` says at which character the
separator begins, so that prompt and target can be told apart again.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.export.columns import SIMPLE_PROVENANCE, joined, messages, pick
from mixture_builder.export.context import ExportContext
from mixture_builder.export.hub import readme
from mixture_builder.export.parts import Parts, Placed
from mixture_builder.export.targets import Target, choice
from mixture_builder.io.jsonl import write_jsonl

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
    if context.settings["only"] != _MESSAGES:
        starts = pc.utf8_length(examples.column("inputs")).cast(pa.int64())
        texts = pick(
            examples,
            {"text": joined(examples, context.separator), "target_start": starts},
            keep=SIMPLE_PROVENANCE,
        )
        parts.add(_TEXT, lambda url: write_jsonl(texts, url, schema=texts.schema))
    if context.settings["only"] != _TEXT:
        chats = pick(examples, {"messages": messages(examples)}, keep=SIMPLE_PROVENANCE)
        parts.add(_MESSAGES, lambda url: write_jsonl(chats, url, schema=chats.schema))


def layout(series: str, split: str, _context: ExportContext) -> str:
    """One file a kind and split."""
    return f"{series}/{split}.jsonl"


def finish(context: ExportContext, placed: Placed) -> None:
    """How to read it."""
    placed.add_text("README.md", readme(context, placed, use=_USE))


TARGET = Target(
    name="megatron-jsonl",
    about="Megatron-LM: JSON Lines of text for its preprocessing and of messages for --sft",
    version=1,
    write=write,
    layout=layout,
    finish=finish,
    joins=True,
    settings={
        "only": choice(
            "all", _TEXT, _MESSAGES, default="all", about="write only one of the two kinds"
        )
    },
)
