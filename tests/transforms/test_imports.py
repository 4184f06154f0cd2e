"""When Beam is imported, and what the user sees of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a process that has imported nothing yet."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )


def test_the_command_line_does_not_import_beam():
    """Beam takes seconds to import; commands that do not run on it do not wait for it."""
    done = python(
        "import sys, mixture_builder.cli.main\n"
        "print([m for m in sys.modules if m.split('.')[0] == 'apache_beam' "
        "or m.startswith('mixture_builder.transforms')])"
    )

    assert done.stdout == "[]\n"


def test_testing_imports_beam_only_to_run_it():
    """Checking a card needs no Beam."""
    done = python("import sys, mixture_builder.testing\nprint('apache_beam' in sys.modules)")

    assert done.stdout == "False\n"


def test_importing_beam_says_nothing():
    """No warning about missing cloud parts, and no handler on the root logger because of it."""
    done = python(
        "import logging, mixture_builder.transforms\n"
        "print(logging.getLogger().handlers, logging.getLogger().filters)"
    )

    assert (done.stdout, done.stderr) == ("[] []\n", "")
