"""The YAML at the head of a README, which the Hugging Face Hub and `datasets` read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from mixture_builder.dataset_card.sources import LICENCES_NAME
from mixture_builder.hub_terms import OTHER, languages, size_category, task_categories
from mixture_builder.licences import about, hub_licences

WHOLE = "default"
"""The config that is the whole mixture in its own order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CardConfig:
    """One configuration that `datasets` can load.

    Attributes:
      path: of its files, as a pattern.
      examples: in its one split, `train`.
      stored: bytes of its files.
      loaded: bytes of its Arrow tables; 0 where nobody has counted.
    """

    name: str
    path: str
    examples: int
    stored: int
    loaded: int = 0


def only_config(manifest: Mapping[str, Any]) -> list[CardConfig]:
    """The whole mixture as the one config; none in formats that `datasets` does not read."""
    if manifest["format"] not in {"parquet", "jsonl"}:
        return []
    return [
        CardConfig(
            name=WHOLE,
            path=f"data/train-*.{manifest['format']}",
            examples=manifest["realised"],
            stored=manifest["bytes"],
        )
    ]


def head_of(
    manifest: Mapping[str, Any],
    configs: Sequence[CardConfig],
    features: Sequence[Mapping[str, Any]],
) -> str:
    """The head with its lines of dashes.

    Args:
      manifest: plain data of the manifest.
      configs: the first is the default.
      features: of all configs.
    """
    head: dict[str, Any] = {"pretty_name": manifest["name"]}
    known = [about(task) for task in manifest["tasks"].values() if task["realised"]]
    if spoken := languages(code for card in known for code in card.get("languages", ())):
        head["language"] = spoken
    if any(known):
        licences = hub_licences(manifest)
        head["license"] = licences[0] if len(licences) == 1 else licences
        if OTHER in licences:
            # The Hub asks for a name and a page where it does not know a licence by itself.
            head["license_name"] = "several"
            head["license_link"] = LICENCES_NAME
    head["size_categories"] = [size_category(manifest["realised"])]
    head["task_categories"] = task_categories(str(card.get("kind")) for card in known)
    head["tags"] = ["instruction-tuning", "mixture-builder"]
    if any(card.get("cot") for card in known):
        head["tags"].append("chain-of-thought")
    if configs:
        head["configs"] = [
            {
                "config_name": config.name,
                **({"default": True} if config is configs[0] else {}),
                "data_files": [{"split": "train", "path": config.path}],
            }
            for config in configs
        ]
        if features:
            head["dataset_info"] = [_info(config, features) for config in configs]
    text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=1_000)
    return f"---\n{text}---"


def _info(config: CardConfig, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "config_name": config.name,
        "features": [dict(feature) for feature in features],
        "splits": [{"name": "train", "num_bytes": config.loaded, "num_examples": config.examples}],
        "download_size": config.stored,
        "dataset_size": config.loaded,
    }
