"""Prints what TRL's trainer masks and learns: with_trl.py FOLDER CONFIG TOKENIZER CACHE.

Then it takes two steps with a tiny model.
"""

import json
import sys
from contextlib import redirect_stdout

import torch
from datasets import disable_progress_bars, load_dataset
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

folder, config, tokenizer_file, cache = sys.argv[1:]
disable_progress_bars()
data = load_dataset(folder, config, cache_dir=cache)
tokenizer = PreTrainedTokenizerFast(
    tokenizer_file=tokenizer_file, pad_token="<pad>", eos_token="</s>"
)
tokenizer.chat_template = (
    "{% for message in messages %}{% if message.role == 'user' %}<s>{{ message.content }}"
    "{% else %}{% generation %}{{ message.content }}</s>{% endgeneration %}{% endif %}"
    "{% endfor %}"
)
torch.manual_seed(0)
model = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        pad_token_id=tokenizer.pad_token_id,
    )
)
trainer = SFTTrainer(
    model=model,
    args=SFTConfig(
        output_dir=f"{cache}/out",
        max_steps=2,
        max_length=None,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        assistant_only_loss=config == "messages",
    ),
    train_dataset=data["train"],
    eval_dataset=data.get("validation"),
    processing_class=tokenizer,
)
for split, examples in (
    ("train", trainer.train_dataset),
    ("validation", trainer.eval_dataset or []),
):
    for example in examples:
        labels = example["labels"]
        masked = [
            token
            for token, label in zip(example["input_ids"], labels, strict=True)
            if label == -100
        ]
        row = {
            "split": split,
            "task_id": example["task_id"],
            "draw": example["draw"],
            "masked": tokenizer.decode(masked),
            "learnt": tokenizer.decode([label for label in labels if label != -100]),
        }
        print(json.dumps(row))
with redirect_stdout(sys.stderr):  # It prints its own progress.
    assert trainer.train().training_loss > 0
