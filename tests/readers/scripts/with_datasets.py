"""Prints all splits of a config: with_datasets.py FOLDER CONFIG CACHE.

CONFIG may also be `json=PATTERN`, for JSON Lines: `{split}` in it stands for the split's name.
"""

import json
import sys
from pathlib import Path

from datasets import disable_progress_bars, load_dataset

folder, config, cache = sys.argv[1:]
disable_progress_bars()
if config.startswith("json="):
    patterns = json.loads(config.removeprefix("json="))
    files = {split: str(Path(folder) / name) for split, name in patterns.items()}
    data = load_dataset("json", data_files=files, cache_dir=cache)
else:
    data = load_dataset(folder, config, cache_dir=cache)
for split, rows in data.items():
    for row in rows:
        print(json.dumps({**row, "split": split}))
