"""Prints the texts that torchtune's datasets learn: with_torchtune.py CONFIG (in its folder)."""

import json
import sys
from importlib import import_module
from pathlib import Path

import yaml
from datasets import disable_progress_bars

disable_progress_bars()


class Bytes:
    """A tokenizer of bytes, as torchtune calls one."""

    max_seq_len = None

    def __call__(self, sample, inference=False):
        tokens, mask = [], []
        for message in sample.pop("messages"):
            encoded = message.text_content.encode()
            tokens += encoded
            mask += [message.masked] * len(encoded)
        return {**sample, "tokens": tokens, "mask": mask}


config = yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8"))
for key in ("dataset", "dataset_val"):
    options = config[key]
    module, _, name = options.pop("_component_").rpartition(".")
    dataset = getattr(import_module(module), name)(Bytes(), **options)
    for example in dataset:
        tokens, labels = example["tokens"], example["labels"]
        masked = bytes(t for t, label in zip(tokens, labels, strict=True) if label == -100)
        learnt = bytes(label for label in labels if label != -100)
        row = {
            "split": key,
            "masked": masked.decode(),
            "learnt": learnt.decode(),
        }
        print(json.dumps(row))
