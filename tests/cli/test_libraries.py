"""What a command keeps libraries from: it would take longer than many a shard."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.helpers import environment, imported_by

pytest.importorskip("pandas", reason="without pandas there is nothing to keep out")


def test_neither_a_build_nor_its_workers_import_pandas(tmp_path: Path) -> None:
    """With its first arrays pyarrow imports it, wherever it is installed, in every process."""
    imported = imported_by(tmp_path, "quickstart", "--workers", 2)

    assert "pyarrow.lib" in imported
    assert not {name for name in imported if name.startswith("pandas.")}


def test_who_wants_pandas_afterwards_gets_it() -> None:
    """It is hidden from pyarrow only, and only while pyarrow looks for it."""
    code = (
        "from mixture_builder.io.no_pandas import keep_pandas_out; keep_pandas_out(); "
        "import numpy as np, pyarrow as pa, sys; pa.array(np.arange(3)).to_numpy(); "
        "assert 'pandas' not in sys.modules; import pandas; print(pandas.Series([1, 2]).sum())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "3"


@pytest.mark.parametrize(("given", "then"), [(None, "1"), ("4", "4")])
def test_numpy_starts_no_threads_in_a_command_unless_it_is_asked_to(
    given: str | None, then: str
) -> None:
    """Threads of its linear algebra, for which there is no work, spin while they wait."""
    code = (
        "import atexit, os; from mixture_builder.cli.main import main; "
        "atexit.register(lambda: print(os.environ['OPENBLAS_NUM_THREADS'])); main()"
    )
    env = {k: v for k, v in environment().items() if k != "OPENBLAS_NUM_THREADS"}
    if given:
        env["OPENBLAS_NUM_THREADS"] = given
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split("\n")[-2] == then
