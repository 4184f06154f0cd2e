"""Every mistake in a source is a folder of `tests/bad_sources`, with the exact words it earns.

A folder holds `source.yaml` (a card's `source`, one mapping), the files it names, and
`expected.txt`: how many records were read before, then each bad record, then the error.
`<folder>` stands for the folder's own path, `[...]` for words of another library.
Written anew with `UPDATE_EXPECTED=1`, to be read before it is kept.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from mixture_builder.errors import SourceError
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import BAD_REASONS, BadRecord, read_source
from mixture_builder.sources import Beside, Source

CASES = Path(__file__).parent.parent / "bad_sources"


def source_of(case: Path) -> Source:
    """The source a case's `source.yaml` describes."""
    keys: dict[str, Any] = yaml.safe_load((case / "source.yaml").read_text(encoding="utf-8"))
    sides: list[dict[str, Any]] = keys.pop("beside", [])
    keys["beside"] = tuple(Beside(**_with_tuples(side)) for side in sides)
    return Source(**_with_tuples(keys))


def _with_tuples(keys: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in keys.items()}


def outcome(case: Path) -> str:
    """All that a user would see of a case, as text."""
    good = 0
    lines: list[str] = []
    try:
        for item in read_source(source_of(case), base=str(case), mirror=Mirror.empty()):
            if isinstance(item, BadRecord):
                assert item.reason in BAD_REASONS
                assert len(item.excerpt) <= 200
                lines.append(f"BadRecord {item.place} {item.reason}: {item.detail}")
                lines.append(f"  | {item.excerpt!r}")
            else:
                good += 1
    except SourceError as problem:
        lines.append(f"SourceError: {problem}")
    text = "\n".join([f"good records: {good}", *lines]) + "\n"
    return text.replace(str(case.resolve()), "<folder>")


@pytest.mark.parametrize("case", sorted(p.name for p in CASES.iterdir() if p.is_dir()))
def test_a_bad_source_says_what_is_wrong_and_the_way_out(case):
    """Each mistake gives exactly the bad records and the error its folder expects."""
    found = outcome(CASES / case)
    expected_file = CASES / case / "expected.txt"
    if os.environ.get("UPDATE_EXPECTED") and not expected_file.exists():
        expected_file.write_text(found, encoding="utf-8")
    expected = expected_file.read_text(encoding="utf-8")
    pattern = ".*".join(re.escape(part) for part in expected.split("[...]"))
    assert re.fullmatch(pattern, found, flags=re.DOTALL), found
