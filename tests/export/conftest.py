"""What the tests of exports share: a small mixture, a tokenizer, and a way to export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.helpers import PLAIN, Workspace, run
from tests.export.helpers import write_byte_tokenizer

Export = Callable[..., Path]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mixture of 120 examples of two tasks, in three shards."""
    made = Workspace(tmp_path_factory.mktemp("tiny"))
    numbers = [{"question": f"What is {n} and 1?", "answer": f"{n + 1}"} for n in range(60)]
    letters = [
        {"question": f"Wie heißt {'ß' * n}?", "answer": "é" * (n % 7 + 1)} for n in range(40)
    ]
    made.task("sums", numbers)
    made.task("letters", letters)
    made.template_file("tiny/questions", [PLAIN])
    made.write_recipe(
        size={"examples": 120},
        submixtures={
            "sums": {"rate": 2, "tasks": ["tiny/sums"]},
            "letters": {"rate": 1, "tasks": ["tiny/letters"]},
        },
        output={"shards": 3},
    )
    done = run("build", made.recipe, *made.options, "--out", made.out, "--workers", 0)
    assert done.exit_code == 0, done.output
    return made.out


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `tokenizer.json` whose token ids are the bytes of a text, each raised by 3."""
    pytest.importorskip("tokenizers", reason="the package tokenizers is not installed")
    return write_byte_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")


@pytest.fixture
def export(tmp_path: Path) -> Export:
    """Exports a mixture through the command line into a folder of its own."""

    def do(mixture: Path, target: str, *options: object, name: str = "export") -> Path:
        out = tmp_path / name
        done = run("export", mixture, "--for", target, "--out", out, "--workers", 0, *options)
        assert done.exit_code == 0, done.output
        return out

    return do
