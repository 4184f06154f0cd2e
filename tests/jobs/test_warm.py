"""What workers inherit: parsed texts, and nothing of the memory that it took to find them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cli.helpers import environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")


def answer(code: str) -> dict[str, object]:
    """What a process of its own prints: forking wants one without threads."""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_what_a_forked_process_finds_is_handed_over() -> None:
    """The result comes back as it was; what goes wrong there is an error here."""
    code = """
import json, os
from mixture_builder.jobs.warm import in_another_process

there = in_another_process(lambda: {"process": os.getpid(), "found": ["a text"]})
try:
    in_another_process(lambda: 1 / 0)
except EOFError:
    failed = True
print(json.dumps({**there, "elsewhere": there["process"] != os.getpid(), "failed": failed}))
"""
    found = answer(code)

    assert found["found"] == ["a text"]
    assert found["elsewhere"] is True
    assert found["failed"] is True


def test_texts_and_facts_are_known_and_no_card_is_held() -> None:
    """After warming up, the templates of a recipe need no parsing, and no card was made here."""
    code = """
import gc, json
from mixture_builder.cards import TaskCard
from mixture_builder.jobs.warm import warm_up
from mixture_builder.shipped import find_recipe
from mixture_builder import template_texts

warm_up(find_recipe("quickstart"), cards=None, templates=None)
gc.unfreeze()
cards = sum(isinstance(thing, TaskCard) for thing in gc.get_objects())
print(json.dumps({"cards": cards, "texts": len(template_texts._known)}))
"""
    found = answer(code)

    assert found["cards"] == 0
    assert int(str(found["texts"])) > 10
