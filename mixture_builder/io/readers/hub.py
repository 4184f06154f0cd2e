"""Datasets of the Hugging Face Hub, streamed through `datasets`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mixture_builder.errors import SourceError
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


@dataclass(frozen=True, kw_only=True, slots=True)
class HubDescription:
    """What the Hub says of a split, as far as it says it.

    Attributes:
      commit: what its revision stands for today; empty if not known.
      rows: its number of records.
      labels: names of labels that are stored as numbers, by column.
    """

    commit: str
    rows: int | None
    labels: Mapping[str, tuple[str, ...]]


def describe_hub(dataset: str, *, config: str, split: str, revision: str) -> HubDescription:
    """The Hub's own description of a dataset; no record is read.

    Raises:
      SourceError: if there is no such dataset, configuration or revision.
    """
    if os.path.exists(dataset) or _is_loader(dataset):
        raise SourceError(
            f"{dataset}: found a local path or a file loader of that name; expected a dataset on "
            "the Hub. Start from another working folder."
        )
    try:
        from datasets import ClassLabel, load_dataset_builder
        from huggingface_hub import HfApi

        commit = HfApi().dataset_info(dataset, revision=revision or None).sha or ""
        info = load_dataset_builder(dataset, config or None, revision=commit or None).info
    except Exception as problem:
        # The libraries raise errors of a dozen unrelated classes here.
        raise SourceError(
            f"{dataset}: found no dataset ({type(problem).__name__}: {str(problem)[:300]}); "
            "expected a file or a dataset of the Hub without a loading script. Check the name, "
            "the configuration and the network."
        ) from problem
    rows = getattr((info.splits or {}).get(split), "num_examples", None)
    labels = {
        name: tuple(feature.names)
        for name, feature in (info.features or {}).items()
        if isinstance(feature, ClassLabel) and feature.names
    }
    return HubDescription(commit=commit, rows=rows, labels=labels)
