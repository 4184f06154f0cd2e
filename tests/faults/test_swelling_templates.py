"""Templates of strangers that make far more of a row than it holds: built in little memory."""

from __future__ import annotations

import json
import resource

import pytest

from tests.cli.helpers import Workspace, call

LIMIT = 3 << 30
"""Bytes of address space; a worker of an ordinary build takes one and a half."""

LOOPS = (
    "{% for x in [" + " ~ ".join(["question"] * 300) + "] %}"
    "{% for y in [" + " ~ ".join(["x"] * 300) + "] %}{{ y }}{% endfor %}{% endfor %}"
)


def limited() -> None:
    """In the child, before it becomes the command."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))


@pytest.mark.parametrize(
    ("swelling", "reason"),
    [
        ("{{ question }}" * 300, "input_too_long"),
        ("{% for a in range(300) %}{{ question }}{% endfor %}", "input_too_long"),
        ("{{ question | list | join(question) }}", "render_error"),
        (LOOPS, "render_error"),
    ],
    ids=["shown often", "loop", "join", "loops of joins"],
)
def test_a_template_that_swells_costs_no_more_memory_than_others(
    workspace: Workspace, swelling: str, reason: str
) -> None:
    """Its examples are drawn again and dropped, each with the reason; the other task is whole."""
    rows = [{"question": f"{n} " + "q" * 10_000, "answer": "two"} for n in range(200)]
    workspace.task("long", rows, templates="tiny/swelling")
    answer = {"id": "swelling", "input": swelling, "target": "{{ answer }}"}
    workspace.template_file("tiny/swelling", [answer])
    workspace.write_recipe(
        size={"examples": 400}, limits={"input_chars": 20_000}, variants={"zs_noopt": 1}
    )

    to = ("--out", workspace.out, "--workers", 0)
    done = call("build", workspace.recipe, *workspace.options, *to, before=limited)

    assert done.returncode == 0, done.stderr
    manifest = json.loads((workspace.out / "manifest.json").read_text(encoding="utf-8"))
    dropped = {name: task["dropped"] for name, task in manifest["tasks"].items()}
    assert set(dropped["tiny/long"]) == {reason}
    assert not any(of_task for name, of_task in dropped.items() if name != "tiny/long")
