"""`templates check`: exceptions with a reason, what fails, and the shipped templates."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mixture_builder.jobs.inspect.lints.problem import LINTS
from mixture_builder.yaml_files import schema
from tests.cli.helpers import PLAIN, Workspace, run


def test_one_template_may_silence_a_lint_with_a_reason(workspace: Workspace) -> None:
    """A reviewed exception holds for that template and that lint, and only while it is needed."""
    bad: dict[str, Any] = {"input": "Say  it: {{ question }}", "target": "{{ answer }}"}
    reason = {"allow": {"stray_space": "the gap is what the task is about"}}
    idle = {**PLAIN, "id": "idle", "input": "Quick: {{ question }}", **reason}
    workspace.template_file(
        "tiny/questions",
        [PLAIN, {"id": "kept", **bad, **reason}, {"id": "open", **bad}, idle],
    )
    done = run("templates", "check", *workspace.folders, "--json")
    said = [
        (f["lint"], f["place"], f["line"])
        for f in json.loads(done.stdout)["findings"]
        if f["lint"] in {"stray_space", "allow_unneeded"}
    ]

    assert done.exit_code == 0
    assert [s[:2] for s in said] == [
        ("stray_space", "templates[2] 'open'.input"),
        ("allow_unneeded", "templates[3] 'idle'.allow"),
    ]
    assert all(line > 1 for _, _, line in said)


def test_only_known_lints_can_be_silenced(workspace: Workspace) -> None:
    """A misspelt name of a lint is an error with the nearest spelling, and a reason is a must."""
    wrong = {**PLAIN, "allow": {"stray_spaces": "a reason that is long enough"}}
    workspace.template_file("tiny/questions", [wrong, {**PLAIN, "id": "x", "allow": {"alike": ""}}])
    done = run("templates", "check", *workspace.folders)

    assert done.exit_code == 1
    assert "Did you mean 'stray_space'?" in done.stdout
    assert "found an empty text" in done.stdout
    inside = schema("templates")["properties"]["templates"]["items"]["properties"]
    assert inside["allow"]["propertyNames"]["enum"] == sorted(
        name for name, lint in LINTS.items() if lint.allowable
    )


@pytest.mark.parametrize(("level", "code"), [("error", 0), ("warning", 1)])
def test_warnings_fail_where_that_is_asked_for(workspace: Workspace, level: str, code: int) -> None:
    """`--fail-on warning` is for those whose templates are to stay clean; notes never fail."""
    done = run("templates", "check", *workspace.folders, "--fail-on", level)

    assert "warning" in done.stdout
    assert "[few_templates]" in done.stdout
    assert done.exit_code == code


def test_the_templates_that_come_with_the_package_have_no_warning() -> None:
    """All shipped templates pass all lints, but for what a template allows with a reason."""
    done = run("templates", "check", "--fail-on", "warning")

    assert done.exit_code == 0, done.stdout
    assert ": 0 errors, 0 warnings, " in done.stdout
