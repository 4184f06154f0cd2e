"""Prints the examples of ArrayRecord files in a shuffled order: with_grain.py PATTERN."""

import glob
import json
import sys

import grain
import tensorflow as tf

features = {
    "inputs": tf.io.FixedLenFeature([], tf.string),
    "targets": tf.io.FixedLenFeature([], tf.string),
    "row": tf.io.FixedLenFeature([], tf.int64),
}
source = grain.sources.ArrayRecordDataSource(sorted(glob.glob(sys.argv[1])))
data = grain.MapDataset.source(source).shuffle(seed=0)
for example in data.map(lambda record: tf.io.parse_single_example(record, features)):
    row = {name: value.numpy() for name, value in example.items()}
    print(json.dumps({n: v.decode() if isinstance(v, bytes) else int(v) for n, v in row.items()}))
