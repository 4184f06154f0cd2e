"""The README of a mixture: what is in it, where it comes from, how to read it.

Written from the manifest (and, in a release, from the audit), so it cannot claim what they do not
say. The YAML at its head is what the Hugging Face Hub and `datasets` read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from mixture_builder.card_loading import loading
from mixture_builder.citations import citations_of, keys_by_task
from mixture_builder.filters import is_filtered
from mixture_builder.hub_terms import OTHER, hub_licence, languages, size_category, task_categories
from mixture_builder.licences import about, hub_licences, licence_of, licences_of, terms_of

CARD_NAME = "README.md"
LICENCES_NAME = "LICENSES.md"
CITATIONS_NAME = "CITATIONS.bib"

WHOLE = "default"
"""The config that is the whole mixture in its own order."""

_HOW_MADE = """\
`recipe.lock.yaml` holds the recipe with everything resolved, templates and styles included;
`manifest.json` every file with its SHA-256, and what each task asked for and got.
`mixture-builder verify` checks both, `mixture-builder explain` takes a record apart."""

_LARGEST_LISTED = 400
"""Tasks that the table lists one by one; of more it gives the submixtures only."""

_MOST_NAMED = 20
"""Findings and tasks that a sentence or list names; of more it gives the number."""


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
    configs = configs or _only_config(manifest)
    parts = [
        _head(manifest, configs, features),
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
        _sources(manifest, complete=LICENCES_NAME if published else ""),
        "## How it was made",
        _how_made(manifest, published),
        "## Known limits",
        _limits(manifest, published.audit if published else None),
    ]
    return "\n\n".join([*parts, *_left_out(manifest)]) + "\n"


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
        _head(manifest, (), ()),
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
            f"their licences.\n\n{_sources(manifest, complete=LICENCES_NAME)}"
        ),
    ]
    if local:
        parts += [
            "## Sources that are not public",
            (
                f"{len(local):,} tasks are read from files of the author, who may give them to "
                f"you; name your copies in a mirror: {_named(dict.fromkeys(local))}."
            ),
        ]
    parts += ["## Known limits", _limits(manifest, None)]
    return "\n\n".join([*parts, *_left_out(manifest)]) + "\n"


def _only_config(manifest: Mapping[str, Any]) -> list[CardConfig]:
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


def _head(
    manifest: Mapping[str, Any],
    configs: Sequence[CardConfig],
    features: Sequence[Mapping[str, Any]],
) -> str:
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
    if len(tasks) > _LARGEST_LISTED:
        return text
    listed = [
        [f"`{name}`", f"{task['rows']:,}", f"{task['quota']:,}", f"{task['realised']:,}"]
        for name, task in tasks.items()
    ]
    return text + "\n\n" + table(["task", "rows", "asked", "realised"], listed)


def _sources(manifest: Mapping[str, Any], *, complete: str) -> str:
    """Licences with their tasks; the whole list has a file of its own in a release."""
    if not any(about(task) for task in manifest["tasks"].values()):
        return "The manifest does not repeat what the task cards say about licences."
    uses = licences_of(manifest)
    whole = max(1, manifest["realised"])
    text = (
        "Each task keeps the licence of its source; nothing here puts them under another. The "
        "mixture as a whole may be used as far as all of them allow."
    )
    text += "\n\n" + table(
        ["licence", "tasks", "examples", "share"],
        [
            [
                use.id,
                f"{len(use.tasks):,}",
                f"{use.examples:,}",
                f"{100 * use.examples / whole:.2f} %",
            ]
            for use in uses
        ],
    )
    if len(manifest["tasks"]) <= _LARGEST_LISTED:
        text += "\n\n" + source_table(manifest)
    if complete:
        text += f"\n\n`{complete}` lists every task with its licence and where it was read"
        text += f", `{CITATIONS_NAME}` the papers to cite." if citations_of(manifest) else "."
    return text


def source_table(manifest: Mapping[str, Any]) -> str:
    """Every task with its licence, where that was read, and the keys of what it cites."""
    keys = keys_by_task(manifest)
    rows = []
    for name, task in manifest["tasks"].items():
        card = about(task)
        licence = terms_of(card)
        note = f"; {licence['note']}" if licence.get("note") else ""
        rows.append(
            [
                f"`{name}`",
                str(card.get("title", "")),
                licence_of(task),
                f"{licence.get('read_at', '')}{note}",
                ", ".join(f"`{key}`" for key in keys.get(name, ())),
            ]
        )
    return table(["task", "source", "licence", "licence was read in", "cite"], rows)


def licences_text(manifest: Mapping[str, Any]) -> str:
    """The text of `LICENSES.md`: all tasks with their licences."""
    return (
        f"# Licences of {manifest['name']}\n\n"
        "The examples of a task are derived from its source and stay under its licence. "
        "`custom` stands for terms of their own, `unknown` for sources that name none.\n\n"
        f"{source_table(manifest)}\n"
    )


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


def _limits(manifest: Mapping[str, Any], audit: Mapping[str, Any] | None) -> str:
    tasks = manifest["tasks"]
    lines = []
    missing = manifest["asked"] - manifest["realised"]
    if missing:
        lines.append(
            f"{missing:,} of the examples asked for could not be made; the manifest counts them "
            "by task and reason."
        )
    again = {n: t for n, t in tasks.items() if t["realised"] > t["rows"] > 0}
    if again:
        lines.append(
            f"{len(again):,} of {len(tasks):,} tasks give more examples than they have rows, so "
            f"their rows come more than once, in other words: {_named(again)}."
        )
    unknown = [use for use in licences_of(manifest) if hub_licence(use.id) == "unknown"]
    if unknown and any(about(task) for task in tasks.values()):
        use = unknown[0]
        lines.append(
            f"Of {len(use.tasks):,} tasks ({use.examples:,} examples) nobody knows the licence."
        )
    held_out = {n: about(t).get("held_out") for n, t in tasks.items() if about(t).get("held_out")}
    if held_out:
        lines.append(
            f"The cards of {len(held_out):,} tasks name evaluations that share their source: "
            f"{_named(held_out)}."
        )
    lines += _audited(audit)
    lines.append(
        "Prompts are made from templates and texts of the sources as they are: errors, dated facts "
        "and offensive wording of the sources are still there."
    )
    return "\n".join(f"- {line}" for line in lines)


def _audited(audit: Mapping[str, Any] | None) -> list[str]:
    if audit is None:
        return []
    findings = [f for f in audit.get("findings", ()) if f.get("severity") == "warning"]
    lines = []
    for found in findings[:_MOST_NAMED]:
        where = f"`{found['task']}`: " if found.get("task") else ""
        lines.append(f"The audit warns: {where}{found.get('message', '')}")
    if len(findings) > _MOST_NAMED:
        lines.append(f"The audit has {len(findings) - _MOST_NAMED:,} more warnings.")
    if not findings:
        lines.append("The audit has no warning.")
    return lines


def _left_out(manifest: Mapping[str, Any]) -> list[str]:
    parts = []
    left_out = manifest["left_out"]
    failed = [task for task, why in left_out.items() if not is_filtered(why)]
    if failed:
        names = ", ".join(f"`{task}`" for task in failed)
        parts += ["## Left out", f"These could not be built; the manifest says why: {names}."]
    if len(failed) < len(left_out):
        count = len(left_out) - len(failed)
        said = f"The recipe's filters took out {count:,} of the tasks it names; the manifest says "
        parts += ["## Filtered", said + "why of each."]
    return parts


def _named(tasks: Mapping[str, Any]) -> str:
    names = [f"`{name}`" for name in list(tasks)[:_MOST_NAMED]]
    more = len(tasks) - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more else "")


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown; what stands in a cell cannot end it."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
