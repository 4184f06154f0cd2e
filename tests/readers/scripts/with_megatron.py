"""Prints the documents of a dataset: with_megatron.py PREFIX."""

import json
import sys

from megatron.core.datasets.indexed_dataset import IndexedDataset

data = IndexedDataset(sys.argv[1])
assert len(data) == len(data.document_indices) - 1
for number in range(len(data)):
    print(json.dumps({"tokens": data[number].tolist(), "dtype": data.index.dtype.__name__}))
