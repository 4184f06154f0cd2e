"""The help texts, and what it takes to show them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from click import Command, Group

from mixture_builder.cli.main import COMMANDS, cli
from tests.cli.helpers import environment, run

GOLDEN = Path(__file__).parent / "golden" / "help.txt"

HEAVY = {"apache_beam", "datasets", "numpy", "pandas", "pyarrow", "jsonschema", "yaml", "jinja2"}


def _all_commands() -> list[list[str]]:
    paths: list[list[str]] = [[]]
    for name in COMMANDS:
        found: Command | None = cli.get_command(cli.make_context("x", ["doctor"]), name)
        paths.append([name])
        if isinstance(found, Group):
            paths.extend([name, inner] for inner in found.commands)
    return paths


def test_help_texts_are_those_that_were_agreed() -> None:
    """A changed help text is a change for users: it is made on purpose or not at all.

    After a change that is meant: UPDATE_GOLDEN=1 pytest tests/cli/test_help.py
    """
    shown = ""
    for path in _all_commands():
        done = run(*path, "--help")
        assert done.exit_code == 0
        shown += f"$ mixture-builder {' '.join([*path, '--help'])}\n{done.stdout}\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(shown, encoding="utf-8")
    assert shown == GOLDEN.read_text(encoding="utf-8")


def _modules_after(*arguments: str) -> set[str]:
    code = (
        "import json, sys\n"
        "from mixture_builder.cli.main import cli\n"
        "cli(sys.argv[1:], standalone_mode=False)\n"
        "print('\\n' + json.dumps(sorted({m.split('.')[0] for m in sys.modules})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_imports_no_heavy_library() -> None:
    """`--help` answers at once: it waits for no library that takes time to import."""
    assert not _modules_after("--help") & HEAVY
    assert not _modules_after("build", "--help") & HEAVY


def test_listing_cards_imports_neither_beam_nor_arrow_nor_numpy() -> None:
    """Cards are text; reading them needs none of the libraries that move data."""
    loaded = _modules_after("cards", "list", "--submixture", "quickstart")

    assert not loaded & {"apache_beam", "datasets", "numpy", "pyarrow"}
    assert "yaml" in loaded


def test_a_preview_of_sample_records_does_not_need_arrow(tmp_path: Path) -> None:
    """An author who writes a card sees it rendered without a row store or pyarrow."""
    loaded = _modules_after(
        "preview", "quickstart", "--task", "quickstart/reviews", "--store", str(tmp_path)
    )

    assert not loaded & {"apache_beam", "datasets", "pyarrow"}
