"""Writes documents with Megatron-LM's own writer: write_megatron.py PREFIX DTYPE < JSON lines."""

import json
import sys

import numpy as np
import torch
from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

prefix, dtype = sys.argv[1:]
builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=getattr(np, dtype))
for line in sys.stdin:
    tokens = json.loads(line)
    builder.add_document(torch.tensor(tokens, dtype=torch.int64), [len(tokens)])
builder.finalize(f"{prefix}.idx")
