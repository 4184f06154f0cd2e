"""Prints the examples of a prepared dataset: with_tfds.py FOLDER METHOD SPLIT."""

import json
import sys

import numpy as np
import tensorflow_datasets as tfds

folder, method, split = sys.argv[1:]
builder = tfds.builder_from_directory(folder)
if method == "as_dataset":
    order = tfds.ReadConfig(interleave_cycle_length=1)
    examples = tfds.as_numpy(builder.as_dataset(split=split, read_config=order))
else:
    examples = builder.as_data_source(split=split)
assert len(examples) == builder.info.splits[split].num_examples
for example in examples:
    row = {
        name: value.decode() if isinstance(value, bytes) else np.asarray(value).tolist()
        for name, value in example.items()
    }
    print(json.dumps(row))
