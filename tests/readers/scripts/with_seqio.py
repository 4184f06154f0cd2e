"""Prints the examples of a cached task: with_seqio.py FOLDER TASK KIND, KIND `texts` or `ids`."""

import json
import sys

import numpy as np
import seqio

folder, task, kind = sys.argv[1:]


def unread(split, shuffle_files=False, seed=None):
    """The source of a cached task; seqio must never ask it."""
    raise RuntimeError(f"the source was read, not the cache of {split}")


# A token for each byte, 3 above it; 1 is the end.
ids = seqio.PassThroughVocabulary(259, eos_id=1)
vocabulary = seqio.ByteVocabulary() if kind == "texts" else ids
steps = [seqio.CacheDatasetPlaceholder(required=True)]
if kind == "texts":
    steps.append(seqio.preprocessors.tokenize)
steps.append(seqio.preprocessors.append_eos)
seqio.add_global_cache_dirs([folder])
seqio.TaskRegistry.add(
    task,
    source=seqio.FunctionDataSource(dataset_fn=unread, splits=["train"]),
    preprocessors=steps,
    output_features={
        name: seqio.Feature(vocabulary=vocabulary, add_eos=True) for name in ("inputs", "targets")
    },
)
found = seqio.get_mixture_or_task(task)
dataset = found.get_dataset(sequence_length=None, split="train", use_cached=True, shuffle=False)
examples = list(dataset.as_numpy_iterator())
assert len(examples) == found.get_cached_stats("train")["examples"]
for example in examples:
    row = {}
    for name, value in example.items():
        if isinstance(value, bytes):
            row[name] = value.decode()
        else:
            row[name] = np.asarray(value).tolist()
    print(json.dumps(row))
