"""Writes samples with the package's own writer: write_mds.py FOLDER < JSON lines."""

import json
import sys

from streaming_package import streaming

rows = [json.loads(line) for line in sys.stdin]
kinds = {str: "str", int: "int", list: "json"}
columns = {name: kinds[type(value)] for name, value in rows[0].items()}
with streaming.MDSWriter(out=sys.argv[1], columns=columns, hashes=["sha256"]) as writer:
    for row in rows:
        writer.write(row)
