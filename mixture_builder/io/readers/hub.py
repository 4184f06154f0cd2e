"""Datasets of the Hugging Face Hub, streamed through `datasets`."""

from __future__ import annotations

import os
from collections.abc import Iterator

from mixture_builder.io.readers.records import BadRecord, ReadingError, SourceRecord
from mixture_builder.sources import Source


def read_hub(source: Source, *, name: str) -> Iterator[SourceRecord | BadRecord]:
    """The rows of one split, in the dataset's order; nothing is stored on disk.

    Raises:
      ReadingError: if the dataset, configuration, revision or split cannot be had.
    """
    way_out = (
        "Check the names and the network, or map this address in a mirror file to a folder "
        "of Parquet or JSON Lines."
    )
    if os.path.exists(source.dataset) or _is_loader(source.dataset):
        # `datasets` would read a local folder, or the working folder, in place of the Hub.
        raise ReadingError(
            place="the card's `dataset`",
            found=f"'{source.dataset}', which is also the name of a local path or a file loader",
            expected="a dataset on the Hub",
            way_out="Write '<owner>/<name>', and start from another working folder.",
        )
    try:
        from datasets import load_dataset

        rows = load_dataset(
            source.dataset,
            source.config or None,
            split=source.split,
            revision=source.revision or None,
            streaming=True,
        )
    except Exception as problem:
        # The library raises errors of a dozen unrelated classes here.
        raise ReadingError(
            place=f"split '{source.split}'",
            found=f"no dataset ({type(problem).__name__}: {str(problem)[:300]})",
            expected="a dataset without a loading script",
            way_out=way_out,
        ) from problem
    for row, record in enumerate(rows):
        yield SourceRecord(place=f"{name}#{row}", record=record)


def _is_loader(dataset: str) -> bool:
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

    return dataset in _PACKAGED_DATASETS_MODULES
