"""Prints the texts that TRL's trainer learns: with_trl.py FOLDER CONFIG TOKENIZER CACHE."""

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
        max_steps=1,
        max_length=None,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        assistant_only_loss=config == "messages",
    ),
    train_dataset=data["train"],
    processing_class=tokenizer,
)
for example in trainer.train_dataset:
    labels = example["labels"]
    learnt = [label for label in labels if label != -100]
    row = {
        "task_id": example["task_id"],
        "draw": example["draw"],
        "masked": len(labels) - len(learnt),
        "learnt": tokenizer.decode(learnt),
    }
    print(json.dumps(row))
with redirect_stdout(sys.stderr):  # It prints its own progress.
    assert trainer.train().training_loss > 0
