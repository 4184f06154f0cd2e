"""Prints what NeMo's dataset of fine-tuning masks and learns: with_nemo.py FILE TEMPLATE.

The class has moved from NeMo to Megatron Bridge, which is installed without what it asks for.
"""

import json
import sys
import types
from contextlib import redirect_stdout
from pathlib import Path

file, template = sys.argv[1:]

import megatron.core  # noqa: E402  (before the package below, whose parent it is)

# The package itself imports models for graphics cards at once; its parts do not need them.
bridge = types.ModuleType("megatron.bridge")
(core,) = megatron.core.__path__
bridge.__path__ = [str(Path(core).parent / "bridge")]
sys.modules["megatron.bridge"] = bridge
with redirect_stdout(sys.stderr):
    from megatron.bridge.data.datasets.sft import create_sft_dataset


class Bytes:
    """A tokenizer of bytes, as the dataset calls one."""

    eos_id, bos_id, pad_id, space_sensitive = 256, 257, 258, True

    eos, bos, pad = eos_id, bos_id, pad_id

    def tokenize(self, text):
        return list(text.encode())

    def detokenize(self, ids):
        return bytes(ids).decode()


def main():
    """The dataset starts processes that import this file again, so nothing may run at import."""
    with redirect_stdout(sys.stderr):
        data = create_sft_dataset(
            Path(file), Bytes(), seq_length=1 << 20, prompt_template=template, memmap_workers=1
        )
        examples = [data[number] for number in range(len(data))]
    for example in examples:
        ids, start = list(example["input_ids"]), example["answer_start_idx"]
        learnt = ids[start:]
        assert learnt[-1] == Bytes.eos_id, learnt[-5:]
        row = {"masked": bytes(ids[:start]).decode(), "learnt": bytes(learnt[:-1]).decode()}
        print(json.dumps(row))


if __name__ == "__main__":
    main()
