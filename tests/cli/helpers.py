"""What the tests of the command line share: ways to call it, and small cards to call it on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from mixture_builder.cli.main import cli
from mixture_builder.shipped import templates_folder

ROOT = Path(__file__).parents[2]


def run(*arguments: object) -> Result:
    """Calls a command in this process, as a terminal of 80 columns would see it."""
    return CliRunner().invoke(
        cli, [str(a) for a in arguments], prog_name="mixture-builder", terminal_width=80
    )


def command(*arguments: object) -> list[str]:
    """The command as a process of its own."""
    return [sys.executable, "-m", "mixture_builder", *map(str, arguments)]


def environment() -> dict[str, str]:
    """Lets such a process find the package, wherever it is started."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def call(
    *arguments: object, timeout: float = 600, before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the command as a process of its own, `before` called in it; `timeout` in seconds."""
    return subprocess.run(
        command(*arguments),
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout,
        preexec_fn=before,
        check=False,
    )


class Workspace:
    """Cards, templates and a recipe of a test's own, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cards = folder / "cards"
        self.templates = folder / "templates"
        self.store = folder / "store"
        self.out = folder / "out"
        self.recipe = folder / "tiny.yaml"
        shutil.copytree(templates_folder() / "styles", self.templates / "styles")

    def task(
        self, name: str, records: list[dict[str, Any]] | None, **changes: Any
    ) -> dict[str, Any]:
        """Writes the card of a question-and-answer task, and its records unless they are `None`."""
        card = {
            "id": f"tiny/{name}",
            "title": "Questions and answers",
            "description": "A row is a question with its answer.",
            "category": "arithmetic",
            "kind": "open_qa",
            "languages": ["en"],
            "source": {
                "kind": "files",
                "files": [f"data/{name}.jsonl"],
                "format": "jsonl",
                "split": "train",
                "revision": "1",
            },
            "availability": {"state": "public", "note": ""},
            "fields": {"question": "question", "answer": "answer"},
            "templates": "tiny/questions",
            "licence": {"id": "CC0-1.0", "read_at": "here"},
            "citation": None,
            "size": {"rows": 8, "from": "counted"},
            "held_out": [],
            "sample": [
                {"question": "What is one and one?", "answer": "two"},
                {"question": "What is two and two?", "answer": "four"},
            ],
            **changes,
        }
        self.write(self.cards / "tiny" / f"{name}.yaml", card)
        if records is not None:
            data = self.cards / "tiny" / "data" / f"{name}.jsonl"
            data.parent.mkdir(exist_ok=True)
            data.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
        return card

    def template_file(self, name: str, templates: list[dict[str, Any]]) -> None:
        """Writes a template file."""
        content = {"about": "Answer a question.", "templates": templates}
        self.write(self.templates / f"{name}.yaml", content)

    def write_recipe(self, **changes: Any) -> None:
        """Writes a recipe of all tasks, 20 examples in one shard."""
        recipe = {
            "name": "tiny",
            "size": {"examples": 20},
            "submixtures": {"all": {"rate": 1, "tasks": ["tiny/*"]}},
            "output": {"shards": 1},
            **changes,
        }
        self.write(self.recipe, recipe)

    @staticmethod
    def write(path: Path, content: Any) -> None:
        """Writes a YAML file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    @property
    def folders(self) -> list[object]:
        """Options that name its cards and templates."""
        return ["--cards", self.cards, "--templates", self.templates]

    @property
    def options(self) -> list[object]:
        """Options that name all its folders."""
        return [*self.folders, "--store", self.store]


QUESTIONS = [{"question": f"What is {n} and 1?", "answer": f"{n + 1}"} for n in range(8)]

PLAIN = {"id": "plain", "input": "{{ question }}", "target": "{{ answer }}"}


def imported_by(folder: Path, *words: object) -> set[str]:
    """Names of all modules that a command imports, in its own process, run in a folder."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command(*words)[1:]],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
