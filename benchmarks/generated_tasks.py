"""Thousands of tasks made of the shipped ones: their cards and templates under other ids.

Copy number n of a card has `_c<n>` at the end of its id and reads a template file of its own; it
reads the source of the card that it is a copy of, through the same reader. All sources are grown
from the samples in the cards, a few rows each, and a mirror says that they stand for upstream.
"""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.grown_sources import grow_sources
from mixture_builder.card_files import load_cards
from mixture_builder.io.mirror import Mirror
from mixture_builder.shipped import cards_folder, find_recipe, templates_folder

PARTS = ("muffin", "t0_sf", "cot", "niv2")


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratedTasks:
    """Cards, templates, sources and a recipe of many tasks, below one folder.

    Attributes:
      tasks: how many cards there are.
    """

    folder: Path
    tasks: int

    @property
    def recipe(self) -> Path:
        """The recipe `flan2022` over all of them."""
        return self.folder / "many.yaml"

    @property
    def options(self) -> list[object]:
        """Options that name its folders."""
        folders = ["--cards", self.folder / "task_cards", "--templates", self.folder / "templates"]
        return [*folders, "--store", self.folder / "store"]

    def write_recipe(self, *, examples: int, shards: int) -> None:
        """The recipe `flan2022` of another size."""
        recipe = yaml.safe_load(find_recipe("flan2022").read_text(encoding="utf-8"))
        recipe |= {"size": {"examples": examples}, "output": {"shards": shards}}
        _write(self.recipe, recipe)


def generate(folder: Path, *, tasks: int, rows: int) -> GeneratedTasks:
    """Writes at least so many tasks.

    Args:
      folder: for all of it; what stands there is deleted.
      tasks: the shipped 1,836 are copied as a whole, as often as it takes; the last copy only as
        far as it takes, family members first.
      rows: of each task, about.
    """
    shutil.rmtree(folder, ignore_errors=True)
    cards, findings = load_cards(cards_folder(), wanted=lambda path: path.split("/")[0] in PARTS)
    assert not findings, findings
    entries, _ = grow_sources(
        cards,
        read_from={},
        mirror=Mirror(sources={}, offline=True),
        folder=folder / "grown",
        rows=rows,
    )
    _write(folder / "mirror.yaml", {"sources": entries})
    shutil.copytree(templates_folder() / "styles", folder / "templates" / "styles")
    made = 0
    number = 0
    while made < tasks:
        made += _copy(folder, number, at_most=tasks - made)
        number += 1
    return GeneratedTasks(folder=folder, tasks=made)


def _copy(folder: Path, number: int, *, at_most: int) -> int:
    """Writes one copy of all cards and templates; how many tasks it has."""
    suffix = f"_c{number:02d}"
    for part in PARTS:
        for path in sorted((templates_folder() / part).rglob("*.yaml")):
            name = path.relative_to(templates_folder()).with_suffix("").as_posix()
            target = folder / "templates" / f"{name}{suffix}.yaml"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    made = 0
    for part in ("niv2", *(p for p in PARTS if p != "niv2")):
        for path in sorted((cards_folder() / part).rglob("*.yaml")):
            if made == at_most:
                return made
            made += _copy_cards(path, folder / "task_cards" / part, suffix, at_most=at_most - made)
    return made


def _copy_cards(path: Path, folder: Path, suffix: str, *, at_most: int) -> int:
    data = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    if "family" in data:
        own = folder / f"family{suffix}"
        own.mkdir(parents=True)
        with (path.parent / data["members"]).open(encoding="utf-8", newline="") as file:
            header, *members = csv.reader(file)
        with (own / data["members"]).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *members[:at_most]])
        _rename(data["card"], suffix)
        _write(own / path.name, data)
        return min(at_most, len(members))
    own = data.get("tasks", [data])
    del own[at_most:]
    for card in own:
        _rename(card, suffix)
    if "defaults" in data:
        _rename(data["defaults"], suffix)
    _write(folder / f"{path.stem}{suffix}.yaml", data)
    return len(own)


def _rename(card: dict[str, Any], suffix: str) -> None:
    for key in ("id", "templates"):
        if key in card:
            card[key] += suffix


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
