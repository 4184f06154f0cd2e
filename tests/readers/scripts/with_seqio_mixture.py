"""Prints what a model is fed from a cached task: with_seqio_mixture.py FOLDER TASK SPLIT PACK.

The task is read through a seqio mixture and the feature converter of encoder-decoder models, with
PACK `pack` several examples in a row, which are told apart by their segment ids.
"""

import functools
import json
import sys

import seqio

folder, task, split, pack = sys.argv[1:]


def unread(split, shuffle_files=False, seed=None):
    """The source of a cached task; seqio must never ask it."""
    raise RuntimeError(f"the source was read, not the cache of {split}")


seqio.add_global_cache_dirs([folder])
seqio.TaskRegistry.add(
    task,
    source=seqio.FunctionDataSource(dataset_fn=unread, splits=["train", "validation"]),
    preprocessors=[
        seqio.CacheDatasetPlaceholder(required=True),
        seqio.preprocessors.tokenize,
        seqio.preprocessors.append_eos,
    ],
    output_features={
        name: seqio.Feature(vocabulary=seqio.ByteVocabulary(), add_eos=True)
        for name in ("inputs", "targets")
    },
)
seqio.MixtureRegistry.add(
    "everything", [task], default_rate=functools.partial(seqio.mixing_rate_num_examples)
)
examples = seqio.get_dataset(
    "everything",
    task_feature_lengths={"inputs": 16_384, "targets": 4_096},
    dataset_split=split,
    shuffle=False,
    num_epochs=1,
    use_cached=True,
    feature_converter=seqio.EncDecFeatureConverter(pack=pack == "pack"),
)
for example in examples.as_numpy_iterator():
    found = {}
    for name, feature in (("encoder_input", "inputs"), ("decoder_target", "targets")):
        tokens = example[f"{name}_tokens"]
        if pack == "pack":
            key = "encoder_segment_ids" if feature == "inputs" else "decoder_segment_ids"
            segments = example[key]
            found[feature] = [
                tokens[segments == number].tolist() for number in range(1, segments.max() + 1)
            ]
        else:
            found[feature] = [tokens[tokens != 0].tolist()]
    for inputs, targets in zip(found["inputs"], found["targets"], strict=True):
        print(json.dumps({"inputs": inputs, "targets": targets}))
