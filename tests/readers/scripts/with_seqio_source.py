"""Prints the examples of TFRecord files through seqio's source: with_seqio_source.py PATTERN."""

import json
import sys

import seqio
import tensorflow as tf

source = seqio.TFExampleDataSource(
    split_to_filepattern={"train": sys.argv[1]},
    feature_description={
        "inputs": tf.io.FixedLenFeature([], tf.string),
        "targets": tf.io.FixedLenFeature([], tf.string),
        "row": tf.io.FixedLenFeature([], tf.int64),
    },
)
for example in source.get_dataset("train", shuffle=False).as_numpy_iterator():
    row = {name: v.decode() if isinstance(v, bytes) else int(v) for name, v in example.items()}
    print(json.dumps(row))
