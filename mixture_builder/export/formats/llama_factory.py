"""JSON Lines for LLaMA-Factory in its two shapes, with the `dataset_info.json` that names them.

LLaMA-Factory lays out prompt and target by the template of the model, so there is no separator.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from mixture_builder.export.columns import SIMPLE_PROVENANCE, messages, pairs, pick
from mixture_builder.export.context import TRAIN, VALIDATION, ExportContext
from mixture_builder.export.hub import readme
from mixture_builder.export.kinds import is_wanted, only
from mixture_builder.export.parts import Parts, Placed
from mixture_builder.export.tables import add_jsonl
from mixture_builder.export.targets import Target

_ALPACA, _SHAREGPT = "alpaca", "sharegpt"

_USE = """\
In the config of the training, with the folder of this file as `dataset_dir`:

```yaml
dataset_dir: FOLDER
dataset: {train}
{validation}```

Names that end in `_alpaca` and `_sharegpt` hold the same examples in two shapes; choose one."""


def write(examples: pa.Table, _split: str, context: ExportContext, parts: Parts) -> None:
    """Both shapes of one split of one shard."""
    if is_wanted(_ALPACA, context):
        names = ("instruction", "output")
        add_jsonl(parts, _ALPACA, pairs(examples, names=names, keep=SIMPLE_PROVENANCE))
    if is_wanted(_SHAREGPT, context):
        turns = messages(examples, keys=("from", "value"), roles=("human", "gpt"))
        told = pick(examples, {"conversations": turns}, keep=SIMPLE_PROVENANCE)
        add_jsonl(parts, _SHAREGPT, told)


def layout(series: str, split: str, _context: ExportContext) -> str:
    """One file a shape and split."""
    return f"{series}_{split}.jsonl"


def dataset_name(context: ExportContext, series: str, split: str) -> str:
    """What LLaMA-Factory calls a file; commas separate names there, so none is kept."""
    name = f"{context.name}_{series}".replace(",", "_").replace(" ", "_")
    return name if split == TRAIN else f"{name}_{split}"


def finish(context: ExportContext, placed: Placed) -> None:
    """`dataset_info.json`, and how to name what is in it."""
    info: dict[str, Any] = {}
    for file in [f for f in placed.files if f.series]:
        entry: dict[str, Any] = {"file_name": file.file}
        if file.series == _ALPACA:
            entry |= {
                "formatting": "alpaca",
                "columns": {"prompt": "instruction", "response": "output"},
            }
        else:
            entry |= {
                "formatting": "sharegpt",
                "columns": {"messages": "conversations"},
                "tags": {
                    "role_tag": "from",
                    "content_tag": "value",
                    "user_tag": "human",
                    "assistant_tag": "gpt",
                },
            }
        info[dataset_name(context, file.series, file.split)] = entry
    placed.add_text("dataset_info.json", json.dumps(info, ensure_ascii=False, indent=2) + "\n")
    series = _ALPACA if is_wanted(_ALPACA, context) else _SHAREGPT
    use = _USE.replace("{train}", dataset_name(context, series, TRAIN))
    held = dataset_name(context, series, VALIDATION)
    use = use.replace("{validation}", f"eval_dataset: {held}\n" if held in info else "")
    placed.add_text("README.md", readme(context, placed, use=use))


TARGET = Target(
    name="llama-factory",
    about="LLaMA-Factory: JSON Lines in the shapes alpaca and sharegpt, and dataset_info.json",
    version=1,
    write=write,
    layout=layout,
    finish=finish,
    settings=only(_ALPACA, _SHAREGPT, called="shapes"),
)
