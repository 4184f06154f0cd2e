"""Prints the samples of a split, hashes checked: with_streaming.py FOLDER SPLIT."""

import json
import sys

from streaming_package import streaming

folder, split = sys.argv[1:]
data = streaming.StreamingDataset(local=folder, split=split, batch_size=1, validate_hash="sha256")
for number in range(len(data)):
    print(json.dumps(data[number]))
