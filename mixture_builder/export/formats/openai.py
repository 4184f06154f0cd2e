"""Chat JSON Lines as hosted fine-tuning services read them: `messages` and nothing else.

Services refuse files with keys that they do not know, so provenance stays in the mixture; the
order of the lines is that of its shards.
"""

from __future__ import annotations

import pyarrow as pa

from mixture_builder.export.columns import chats
from mixture_builder.export.context import TRAIN, ExportContext
from mixture_builder.export.hub import readme
from mixture_builder.export.parts import Parts, Placed
from mixture_builder.export.tables import add_jsonl
from mixture_builder.export.targets import Target

FEWEST_ROWS = 10
"""Fewer lines are refused by the services."""

_USE = """\
```python
from openai import OpenAI

client = OpenAI()
file = client.files.create(file=open("FOLDER/training.jsonl", "rb"), purpose="fine-tune")
client.fine_tuning.jobs.create(training_file=file.id, model="...")
```"""


def write(examples: pa.Table, _split: str, _context: ExportContext, parts: Parts) -> None:
    """One split of one shard."""
    add_jsonl(parts, "messages", chats(examples, keep=()))


def layout(_series: str, split: str, _context: ExportContext) -> str:
    """One file a split."""
    return "training.jsonl" if split == TRAIN else f"{split}.jsonl"


def finish(context: ExportContext, placed: Placed) -> None:
    """How to upload it, and what would be refused."""
    use = _USE
    for file in placed.files:
        if file.rows < FEWEST_ROWS:
            use += f"\n\n`{file.file}` has fewer than {FEWEST_ROWS} lines, which services refuse."
    placed.add_text("README.md", readme(context, placed, use=use))


TARGET = Target(
    name="openai",
    about="hosted fine-tuning: chat JSON Lines of messages",
    version=1,
    write=write,
    layout=layout,
    finish=finish,
)
