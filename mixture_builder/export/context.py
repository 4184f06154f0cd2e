"""What every step of an export knows: the mixture it comes from, and what the user chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TRAIN, VALIDATION = "train", "validation"

DEFAULT_SEPARATOR = " "
"""Stands between prompt and target where a consumer joins them with nothing of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportContext:
    """Small and picklable, for workers.

    Attributes:
      name: of the mixture.
      mixture: folder or URL it is read from.
      manifest: plain data of its manifest, without what is said of single tasks.
      submixtures: the parts that have examples, in the order of the manifest.
      splits: `train`, and `validation` if a share is held back.
      separator: what stands between prompt and target where they are joined.
      tokenizer: path of a `tokenizer.json`, or empty.
      settings: the target's own, with defaults filled in.
    """

    name: str
    mixture: str
    manifest: Mapping[str, Any]
    submixtures: tuple[str, ...]
    splits: tuple[str, ...]
    separator: str
    tokenizer: str
    settings: Mapping[str, str]
