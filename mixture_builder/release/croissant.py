"""A description of a release in Croissant 1.1, which data set searches and `mlcroissant` read.

The repository is one distribution, the files of each config a set within it. Each shard of the
mixture stands there with its SHA-256.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mixture_builder.citations import citations_of
from mixture_builder.dataset_card.head import CardConfig
from mixture_builder.dataset_card.sources import CITATIONS_NAME
from mixture_builder.hub_terms import languages
from mixture_builder.licences import about, licences_of, spdx_addresses

CROISSANT_NAME = "croissant.json"

REPOSITORY = "repository"
"""Id of the distribution that is the repository; `mlcroissant` maps it to a local folder."""

_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The terms of the format, as its specification gives them."""

_TYPES = {"string": "sc:Text", "int32": "cr:Int32", "int64": "cr:Int64"}


def croissant(
    manifest: Mapping[str, Any],
    *,
    description: str,
    configs: Sequence[CardConfig],
    features: Sequence[Mapping[str, Any]],
    repository: str,
    published: str,
    manifest_sha256: str,
) -> dict[str, Any]:
    """The description as JSON-LD.

    Args:
      manifest: plain data of the manifest.
      description: what the mixture is for, for people.
      configs: all of them.
      features: of all configs, as the card's head lists them.
      repository: `owner/name` on the Hub.
      published: the day, as `2026-01-31`.
      manifest_sha256: of the manifest's bytes; it stands for the repository, which has no hash of
        its own, since it names every file.
    """
    address = f"https://huggingface.co/datasets/{repository}"
    tasks = [about(t) for t in manifest["tasks"].values() if t["realised"]]
    return {
        "@context": dict(_CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": str(manifest["name"]),
        "description": description,
        "url": address,
        "license": spdx_addresses(licences_of(manifest)) or f"{address}#sources-and-licences",
        "creator": {
            "@type": "Organization",
            "name": repository.partition("/")[0],
            "url": f"https://huggingface.co/{repository.partition('/')[0]}",
        },
        "citeAs": (
            f"The papers in {address}/blob/main/{CITATIONS_NAME}"
            if citations_of(manifest)
            else f"See {address}"
        ),
        "datePublished": published,
        "version": "1.0.0",
        "inLanguage": languages(code for card in tasks for code in card.get("languages", ()))
        or ["en"],
        "keywords": ["instruction tuning", "mixture"],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": REPOSITORY,
                "name": REPOSITORY,
                "description": f"The repository; the SHA-256 is that of its manifest.json, content "
                f"{manifest['content_digest']}.",
                "contentUrl": address,
                "encodingFormat": "git+https",
                "sha256": manifest_sha256,
            },
            *(
                {
                    "@type": "cr:FileSet",
                    "@id": f"files-of-{config.name}",
                    "name": f"files-of-{config.name}",
                    "description": f"Files of the config {config.name}.",
                    "containedIn": {"@id": REPOSITORY},
                    "encodingFormat": "application/x-parquet",
                    "includes": config.path,
                }
                for config in configs
            ),
            *(
                {
                    "@type": "cr:FileObject",
                    "@id": shard["file"],
                    "name": shard["file"].rpartition("/")[2],
                    "description": f"{shard['rows']} examples, content {shard['content_digest']}.",
                    "containedIn": {"@id": REPOSITORY},
                    "contentUrl": shard["file"],
                    "contentSize": f"{shard['bytes']} B",
                    "encodingFormat": "application/x-parquet",
                    "sha256": shard["sha256"],
                }
                for shard in manifest["shards"]
            ),
        ],
        "recordSet": [_record_set(config, manifest["columns"], features) for config in configs],
    }


def _record_set(
    config: CardConfig, columns: Mapping[str, str], features: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": config.name,
        "name": config.name,
        "description": f"{config.examples} examples.",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{config.name}/{feature['name']}",
                "name": feature["name"],
                "description": columns[feature["name"]],
                "dataType": _TYPES[feature.get("dtype") or feature["list"]],
                **({"isArray": True, "arrayShape": "-1"} if "list" in feature else {}),
                "source": {
                    "fileSet": {"@id": f"files-of-{config.name}"},
                    "extract": {"column": feature["name"]},
                },
            }
            for feature in features
        ],
    }
