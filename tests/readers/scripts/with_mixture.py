"""Prints what loaders read from a `Mixture`: with_mixture.py torch|grain FOLDER STORE WORKERS.

`torch`: a DataLoader's batches in order, then those of a shuffled one, worker processes started
anew (`spawn`), so that the mixture is pickled. `grain`: a shuffled Grain dataset.
"""

import json
import sys

from mixture_builder import Mixture

COLUMNS = ("task_id", "draw", "inputs", "targets")


def with_torch(mixture: Mixture, workers: int) -> None:
    from torch.utils.data import DataLoader

    further = {"multiprocessing_context": "spawn"} if workers else {}
    for shuffled in (False, True):
        loader = DataLoader(
            mixture, batch_size=7, shuffle=shuffled, num_workers=workers, collate_fn=list, **further
        )
        for batch in loader:
            for record in batch:
                print(json.dumps({"shuffled": shuffled, **record}))


def with_grain(mixture: Mixture) -> None:
    import grain

    for record in grain.MapDataset.source(mixture).shuffle(seed=0).to_iter_dataset():
        print(json.dumps(record))


if __name__ == "__main__":
    opened = Mixture.open(sys.argv[2], store=sys.argv[3], columns=COLUMNS)
    if sys.argv[1] == "torch":
        with_torch(opened, int(sys.argv[4]))
    else:
        with_grain(opened)
