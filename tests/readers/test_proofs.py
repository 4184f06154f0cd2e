"""The table of proofs in the docs says what `make interop` has shown, of the code as it is.

These tests need none of the libraries: they compare `proofs.json`, which `make interop` writes,
with the lists of versions and with the code.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mixture_builder.export.targets import MODULES, find_target
from tests.readers.test_agreement import CASES, SPLITS

ROOT = Path(__file__).parents[2]
PROOFS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "proofs.json").read_text(encoding="utf-8")
)


def pinned(environment: str) -> dict[str, str]:
    """The versions that the lists of an environment name."""
    lists = (ROOT / "scripts" / "interop").glob(f"{environment}.*txt")
    text = "\n".join(file.read_text(encoding="utf-8") for file in lists)
    return dict(re.findall(r"^([\w-]+)==([\w.]+)$", text, re.MULTILINE))


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: f"{proof['target']}-{proof['form']}")
def test_a_proof_is_of_the_listed_version_and_the_present_format(proof: dict[str, Any]):
    """Whoever changes a reader's version or a target's bytes runs `make interop` again."""
    assert pinned(proof["environment"])[proof["reader"]] == proof["version"]
    assert find_target(proof["target"]).version == proof["target_version"]


def test_every_case_and_every_target_is_proven():
    """The proofs are those of the tests, none missing and none left over; no target has none."""
    assert [(p["target"], p["form"], p["through"]) for p in PROOFS] == [
        (case.target, case.form, case.through) for case in CASES
    ]
    assert {proof["target"] for proof in PROOFS} == set(MODULES)


@pytest.mark.parametrize("split", SPLITS)
def test_count_and_digest_are_the_same_for_all_consumers(split: str):
    """Every reader gave the same number of examples with the same content."""
    assert len({(p["examples"][split], p["digest"][split]) for p in PROOFS}) == 1
