"""Prints what LLaMA-Factory's loader learns: with_llama_factory.py FOLDER NAME TOKENIZER CACHE.

NAME is a training set of `dataset_info.json`; where there is one for validation beside it, that
is loaded too.
"""

import json
import os
import sys
import types
from contextlib import redirect_stdout
from importlib.machinery import ModuleSpec
from pathlib import Path

# Nothing here hears anything, and the wheels of torchaudio want the build of PyTorch that they
# were made with.
sys.modules["torchaudio"] = types.ModuleType("torchaudio")
sys.modules["torchaudio"].__spec__ = ModuleSpec("torchaudio", None)
# Several of its dependencies serve models and pages and are left out; the loader needs none.
os.environ["DISABLE_VERSION_CHECK"] = "1"

from llamafactory.data import get_dataset, get_template_and_fix_tokenizer  # noqa: E402
from llamafactory.hparams import DataArguments, ModelArguments, TrainingArguments  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

folder, name, tokenizer_file, cache = sys.argv[1:]
tokenizer = PreTrainedTokenizerFast(
    tokenizer_file=tokenizer_file, pad_token="<pad>", eos_token="</s>", bos_token="<s>"
)
known = json.loads((Path(folder) / "dataset_info.json").read_text(encoding="utf-8"))
held = f"{name}_validation"
data = DataArguments(
    dataset=name,
    eval_dataset=held if held in known else None,
    dataset_dir=folder,
    template="default",
    cutoff_len=1 << 20,
    overwrite_cache=True,
)
with redirect_stdout(sys.stderr):  # It prints its first example.
    found = get_dataset(
        get_template_and_fix_tokenizer(tokenizer, data),
        ModelArguments(model_name_or_path="none", cache_dir=cache),
        data,
        TrainingArguments(output_dir=cache, use_cpu=True, report_to=[]),
        stage="sft",
        tokenizer=tokenizer,
    )
for key, split in (("train_dataset", "train"), ("eval_dataset", "validation")):
    for example in found.get(key, []):
        labels = example["labels"]
        masked = [i for i, label in zip(example["input_ids"], labels, strict=True) if label == -100]
        row = {
            "split": split,
            "masked": tokenizer.decode(masked),
            "learnt": tokenizer.decode([label for label in labels if label != -100]),
        }
        print(json.dumps(row))
