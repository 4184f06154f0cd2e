"""Prints what Axolotl's loader learns: with_axolotl.py CONFIG TOKENIZER CACHE (in its folder)."""

import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

os.environ["AXOLOTL_DO_NOT_TRACK"] = "1"

import yaml
from axolotl.utils.data.sft import prepare_datasets
from axolotl.utils.dict import DictDefault
from transformers import PreTrainedTokenizerFast


def main():
    """Axolotl starts processes that import this file again, so nothing may run at import."""
    config, tokenizer_file, cache = sys.argv[1:]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=tokenizer_file, pad_token="<pad>", eos_token="</s>", bos_token="<s>"
    )
    tokenizer.chat_template = (
        "{% for message in messages %}{% if message.role == 'user' %}<s>{{ message.content }}"
        "{% else %}{{ message.content }}</s>{% endif %}{% endfor %}"
    )
    asked = {
        **yaml.safe_load(Path(config).read_text(encoding="utf-8")),
        "sequence_len": 1 << 20,
        "dataset_prepared_path": cache,
        "dataset_num_proc": 1,
        "is_preprocess": True,
        "batch_size": 1,
        "micro_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "num_epochs": 1,
        "world_size": 1,
        "seed": 0,
        "val_set_size": 0.0,
        "shuffle_merged_datasets": False,
    }
    with redirect_stdout(sys.stderr):
        train, held, _, _ = prepare_datasets(DictDefault(asked), tokenizer)
    for split, data in (("train", train), ("validation", held or [])):
        for example in data:
            labels = example["labels"]
            masked = [
                i for i, label in zip(example["input_ids"], labels, strict=True) if label == -100
            ]
            row = {
                "split": split,
                "masked": tokenizer.decode(masked),
                "learnt": tokenizer.decode([label for label in labels if label != -100]),
            }
            print(json.dumps(row))


if __name__ == "__main__":
    main()
