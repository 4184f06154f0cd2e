"""The part of a mixture's README that shows how to read it, with `datasets` and in each trainer."""

from __future__ import annotations

from collections.abc import Sequence

_LOADERS = {"parquet": "parquet", "jsonl": "json"}

_APART = (
    "Prompt and target stand apart: `inputs` is what a model reads, `targets` what it is to write."
)

_TRAINERS = """\
**TRL**

```python
data = load_dataset("{repo}", split="train").select_columns(["inputs", "targets"])
data = data.rename_columns({{"inputs": "prompt", "targets": "completion"}})
```

**Axolotl**

```yaml
datasets:
  - path: {repo}
    split: train
    type:
      field_instruction: inputs
      field_output: targets
      format: "{{instruction}} "
      no_input_format: "{{instruction}} "
```

**LLaMA-Factory**, in `dataset_info.json`

```json
{{"{name}": {{"hf_hub_url": "{repo}", "columns": {{"prompt": "inputs", "response": "targets"}}}}}}
```

**torchtune**

```yaml
dataset:
  _component_: torchtune.datasets.instruct_dataset
  source: {repo}
  split: train
  column_map: {{input: inputs, output: targets}}
```

**T5X and seqio, TFDS, Grain, NeMo, Megatron-LM, MosaicML streaming, hosted fine-tuning**

```console
$ hf download {repo} --repo-type dataset --local-dir {name}
$ mixture-builder export {name} --for seqio --out {name}-seqio
```

`mixture-builder export --help` names all that it writes for."""


def loading(form: str, *, configs: Sequence[str], repository: str) -> str:
    """Markdown that shows how the files are read.

    Args:
      form: the format of the files.
      configs: their names; the first is the default.
      repository: `owner/name` on the Hub; empty for a folder.
    """
    loader = _LOADERS.get(form)
    if loader is None:
        return (
            "The files are TFRecord of `tf.train.Example`, uncompressed; texts are bytes "
            "features, numbers int64 features, under the names of the columns."
        )
    if not repository:
        files = f"data/train-*.{form}"
        return (
            "```python\nfrom datasets import load_dataset\n\n"
            f'mixture = load_dataset("{loader}", data_files="{files}")\n```\n\n{_APART}'
        )
    lines = [
        "```python",
        "from datasets import load_dataset",
        "",
        f'mixture = load_dataset("{repository}", split="train")',
    ]
    if len(configs) > 1:
        lines.append(f'part = load_dataset("{repository}", "{configs[1]}", split="train")')
    text = "\n".join([*lines, "```", "", _APART])
    if len(configs) > 1:
        listed = ", ".join(f"`{name}`" for name in configs)
        text += (
            f" The configs are {listed}: the first is the whole mixture, each of the others the "
            "examples of one submixture once more, since a config chooses files, not rows."
        )
    text += (
        " Every file of the default config is a likeness of the whole: to train on less, read "
        "fewer files."
    )
    name = repository.rpartition("/")[2]
    return f"{text}\n\n{_TRAINERS.format(repo=repository, name=name)}"
