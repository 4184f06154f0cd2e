"""Docstrings keep their word: examples print what they say, and every test states its rule."""

from __future__ import annotations

import ast
import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def modules_with_examples() -> list[str]:
    """Found by their text, so that collecting the tests imports nothing heavy."""
    files = sorted((ROOT / "mixture_builder").rglob("*.py"))
    return [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for file in files
        if ">>> " in file.read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize("module", modules_with_examples())
def test_examples_in_docstrings_hold(module):
    """An example in a docstring prints exactly what is written below it."""
    result = doctest.testmod(import_module(module))

    assert result.attempted > 0
    assert result.failed == 0


def test_every_test_states_its_rule():
    """Each test function has a docstring, so that a test file reads as a specification."""
    without = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"
        for file in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert without == []
