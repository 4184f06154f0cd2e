"""The whole text of a README, of a mixture and of a release without data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixture_builder.dataset_card.head import CardConfig, head_of, only_config
from mixture_builder.dataset_card.limits import left_out_sections, limits
from mixture_builder.dataset_card.loading import loading
from mixture_builder.dataset_card.markdown import named, table
from mixture_builder.dataset_card.sources import LARGEST_LISTED, LICENCES_NAME, sources

CARD_NAME = "README.md"

_HOW_MADE = """\
`recipe.lock.yaml` holds the recipe with everything resolved, templates and styles included;
`manifest.json` every file with its SHA-256, and what each task asked for and got.
`mixture-builder verify` checks both, `mixture-builder explain` takes a record apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """What a card says in a release and not in the folder of a build.

    Attributes:
      repository: `owner/name` on the Hub.
      audit: plain data of the audit; `None` where there was none.
      tag: name under which this release is found; may be empty.
    """

    repository: str
    audit: Mapping[str, Any] | None = None
    tag: str = ""


def dataset_card(
    manifest: Mapping[str, Any],
    *,
    description: str,
    features: Sequence[Mapping[str, Any]] = (),
    configs: Sequence[CardConfig] = (),
    published: Published | None = None,
) -> str:
    """The text of `README.md`.

    Args:
      manifest: plain data of the manifest.
      description: what the recipe says the mixture is for; may be empty.
      features: of all configs, as the Hub's head lists them.
      configs: the first is the default; without any, the whole mixture is the only one.
      published: of a release.
    """
    configs = configs or only_config(manifest)
    parts = [
        head_of(manifest, configs, features),
        f"# {manifest['name']}",
        description.strip()
        or "An instruction-tuning mixture, built by Mixture Builder from a recipe.",
        _facts(manifest),
        "## Composition",
        _composition(manifest),
        "## Columns",
        table(["column", "holds"], [[f"`{k}`", v] for k, v in manifest["columns"].items()]),
        "## How to read it",
        loading(
            manifest["format"],
            configs=[config.name for config in configs],
            repository=published.repository if published else "",
        ),
        "## Sources and licences",
        sources(manifest, complete=LICENCES_NAME if published else ""),
        "## How it was made",
        _how_made(manifest, published),
        "## Known limits",
        limits(manifest, published.audit if published else None),
    ]
    return "\n\n".join([*parts, *left_out_sections(manifest)]) + "\n"


def recipe_card(
    manifest: Mapping[str, Any],
    *,
    description: str,
    published: Published,
    local: Sequence[str],
) -> str:
    """The text of `README.md` of a release without data.

    Args:
      manifest: plain data of the manifest.
      description: what the recipe says the mixture is for; may be empty.
      published: of the release.
      local: tasks whose cards name files that only their author has.
    """
    name = published.repository.rpartition("/")[2]
    at = f" --revision {published.tag}" if published.tag else ""
    parts = [
        head_of(manifest, (), ()),
        f"# {manifest['name']}: the recipe",
        description.strip() or "An instruction-tuning mixture, to be built by Mixture Builder.",
        (
            "This repository holds no example: only task cards, templates, the lock with "
            "everything resolved, and the digests of what comes out. Whoever can read the sources "
            "builds the mixture from it, and knows at the end that it is the same:"
        ),
        (
            "```console\n"
            f"$ hf download {published.repository} --repo-type dataset{at} --local-dir {name}\n"
            f"$ mixture-builder build --lock {name}/recipe.lock.yaml --out mixture\n```"
        ),
        (
            "The build ends with an error if a source holds other rows than when the lock was "
            "made, or if a digest differs."
        ),
        _facts(manifest),
        "## Composition",
        _composition(manifest),
        "## Columns",
        table(["column", "holds"], [[f"`{k}`", v] for k, v in manifest["columns"].items()]),
        "## Sources and licences",
        (
            "The sources are not part of this repository; what is built from them stays under "
            f"their licences.\n\n{sources(manifest, complete=LICENCES_NAME)}"
        ),
    ]
    if local:
        parts += [
            "## Sources that are not public",
            (
                f"{len(local):,} tasks are read from files of the author, who may give them to "
                f"you; name your copies in a mirror: {named(dict.fromkeys(local))}."
            ),
        ]
    parts += ["## Known limits", limits(manifest, None)]
    return "\n\n".join([*parts, *left_out_sections(manifest)]) + "\n"


def _facts(manifest: Mapping[str, Any]) -> str:
    rows = [
        ["examples", f"{manifest['realised']:,} (asked: {manifest['asked']:,})"],
        ["tasks", f"{len(manifest['tasks']):,}"],
        ["files", f"{len(manifest['shards']):,} of {manifest['format']}"],
        *([["prefix", _prefix(manifest["prefix"])]] if "prefix" in manifest else []),
        ["bytes", f"{manifest['bytes']:,}"],
        ["seed", str(manifest["seed"])],
        ["content digest", f"`{manifest['content_digest']}`"],
    ]
    return table(["", ""], rows)


def _prefix(prefix: Mapping[str, int]) -> str:
    return (
        f"the first {prefix['shards']:,} of {prefix['of_shards']:,} shards of a mixture of "
        f"{prefix['of_examples']:,} examples, at the same rates"
    )


def _composition(manifest: Mapping[str, Any]) -> str:
    tasks = manifest["tasks"]
    whole = max(1, manifest["realised"])
    parts: dict[str, list[int]] = {}
    for task in tasks.values():
        counts = parts.setdefault(task["submixture"], [0, 0, 0])
        counts[0] += 1
        counts[1] += task["quota"]
        counts[2] += task["realised"]
    text = table(
        ["submixture", "tasks", "asked", "realised", "share"],
        [
            [name, f"{count:,}", f"{asked:,}", f"{got:,}", f"{100 * got / whole:.2f} %"]
            for name, (count, asked, got) in parts.items()
        ],
    )
    if len(tasks) > LARGEST_LISTED:
        return text
    listed = [
        [f"`{name}`", f"{task['rows']:,}", f"{task['quota']:,}", f"{task['realised']:,}"]
        for name, task in tasks.items()
    ]
    return text + "\n\n" + table(["task", "rows", "asked", "realised"], listed)


def _how_made(manifest: Mapping[str, Any], published: Published | None) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
    text = (
        f"{_HOW_MADE}\n\nSeed {manifest['seed']}; fingerprint of the lock "
        f"`{manifest['fingerprint']}`; {versions}."
    )
    if published is None:
        return text
    at = f"@{published.tag}" if published.tag else ""
    return (
        f"{text}\n\n```console\n$ mixture-builder verify "
        f"hf://datasets/{published.repository}{at}\n```\n\n"
        f"Everything in this repository was made by `mixture-builder release`; `release.json` "
        "names each file with its SHA-256."
    )
