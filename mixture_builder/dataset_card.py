"""The README of a built mixture: what is in it, and how to read it.

Written from the manifest alone, so it cannot claim what the manifest does not say. The YAML at
its head is what the Hugging Face Hub and `datasets` read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixture_builder.filters import is_filtered

CARD_NAME = "README.md"

_LOADERS = {"parquet": "parquet", "jsonl": "json"}

_HOW_MADE = """\
`recipe.lock.yaml` holds the recipe with everything resolved, templates and styles included;
`manifest.json` every file with its SHA-256, and what each task asked for and got.
`mixture-builder verify` checks both, `mixture-builder explain` takes a record apart."""

_LARGEST_LISTED = 400
"""Tasks that the table lists one by one; of more it gives the submixtures only."""


def dataset_card(manifest: Mapping[str, Any], *, description: str) -> str:
    """The text of `README.md`.

    Args:
      manifest: plain data of the manifest.
      description: what the recipe says the mixture is for; may be empty.
    """
    parts = [
        _head(manifest),
        f"# {manifest['name']}",
        description.strip()
        or "An instruction-tuning mixture, built by Mixture Builder from a recipe.",
        _facts(manifest),
        "## Composition",
        _composition(manifest),
        "## Columns",
        _table(["column", "holds"], [[f"`{k}`", v] for k, v in manifest["columns"].items()]),
        "## How to read it",
        _reading(manifest),
        "## How it was made",
        _HOW_MADE,
    ]
    left_out = manifest["left_out"]
    failed = [task for task, why in left_out.items() if not is_filtered(why)]
    if failed:
        names = ", ".join(f"`{task}`" for task in failed)
        parts += ["## Left out", f"These could not be built; the manifest says why: {names}."]
    if len(failed) < len(left_out):
        count = len(left_out) - len(failed)
        said = f"The recipe's filters took out {count:,} of the tasks it names; the manifest says "
        parts += ["## Filtered", said + "why of each."]
    return "\n\n".join(parts) + "\n"


def _head(manifest: Mapping[str, Any]) -> str:
    if manifest["format"] not in _LOADERS:
        return f"---\npretty_name: {manifest['name']}\n---"
    pattern = f"data/train-*.{manifest['format']}"
    return (
        f"---\npretty_name: {manifest['name']}\nconfigs:\n- config_name: default\n  data_files:\n"
        f"  - split: train\n    path: {pattern}\n---"
    )


def _facts(manifest: Mapping[str, Any]) -> str:
    rows = [
        ["examples", f"{manifest['realised']:,} (asked: {manifest['asked']:,})"],
        ["tasks", f"{len(manifest['tasks']):,}"],
        ["files", f"{len(manifest['shards']):,} of {manifest['format']}"],
        *([["part", _part(manifest["part"])]] if "part" in manifest else []),
        ["bytes", f"{manifest['bytes']:,}"],
        ["seed", str(manifest["seed"])],
        ["content digest", f"`{manifest['content_digest']}`"],
    ]
    return _table(["", ""], rows)


def _part(part: Mapping[str, int]) -> str:
    return (
        f"the first {part['shards']:,} of {part['of_shards']:,} shards of a mixture of "
        f"{part['of_examples']:,} examples, at the same rates"
    )


def _composition(manifest: Mapping[str, Any]) -> str:
    tasks = manifest["tasks"]
    whole = max(1, manifest["realised"])
    parts: dict[str, list[int]] = {}
    for task in tasks.values():
        counts = parts.setdefault(task["submixture"], [0, 0, 0])
        counts[0] += 1
        counts[1] += task["quota"]
        counts[2] += task["realised"]
    text = _table(
        ["submixture", "tasks", "asked", "realised", "share"],
        [
            [name, f"{count:,}", f"{asked:,}", f"{got:,}", f"{100 * got / whole:.2f} %"]
            for name, (count, asked, got) in parts.items()
        ],
    )
    if len(tasks) > _LARGEST_LISTED:
        return text
    listed = [
        [f"`{name}`", f"{task['rows']:,}", f"{task['quota']:,}", f"{task['realised']:,}"]
        for name, task in tasks.items()
    ]
    return text + "\n\n" + _table(["task", "rows", "asked", "realised"], listed)


def _reading(manifest: Mapping[str, Any]) -> str:
    loader = _LOADERS.get(manifest["format"])
    if loader is None:
        return (
            "The files are TFRecord of `tf.train.Example`, uncompressed; texts are bytes "
            "features, numbers int64 features, under the names of the columns."
        )
    files = f"data/train-*.{manifest['format']}"
    return (
        "```python\nfrom datasets import load_dataset\n\n"
        f'mixture = load_dataset("{loader}", data_files="{files}")\n```\n\n'
        "Prompt and target stand apart: `inputs` is what a model reads, `targets` what it is to "
        "write."
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)
