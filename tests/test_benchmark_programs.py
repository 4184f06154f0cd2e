"""What benchmarks compare with, where it is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import programs
from benchmarks.workload import NotReadyError, Workload


def test_without_tensorflow_seqio_is_not_run_and_the_way_out_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment is made by hand, since it takes gigabytes."""
    monkeypatch.setattr(programs, "SEQIO_PYTHON", tmp_path / "python")
    workload = Workload(
        name="zero_shot", folder=tmp_path, store=tmp_path, examples=10, tasks=1, data="quickstart"
    )

    with pytest.raises(NotReadyError, match=r"scripts/interop\.sh seqio build/seqio"):
        programs.PROGRAMS[programs.SEQIO](workload, tmp_path)
