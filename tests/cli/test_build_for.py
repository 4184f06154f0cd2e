"""`build --for`: a mixture and what trainers read of it, in one command."""

from __future__ import annotations

import json

from tests.cli.helpers import Workspace, run


def test_exports_stand_beside_the_mixture(workspace: Workspace) -> None:
    """Each target gets a folder named after the mixture and itself; the mixture is as ever."""
    targets = ["--for", "trl", "--for", "openai", "--validation", "20%"]
    arguments = ["build", workspace.recipe, *workspace.options, "--out", workspace.out]
    done = run(*arguments, "--workers", 0, *targets, "--json")
    summary = json.loads(done.stdout)

    assert done.exit_code == 0, done.output
    assert [e["target"] for e in summary["exports"]] == ["trl", "openai"]
    for export in summary["exports"]:
        folder = workspace.out.with_name(f"out-{export['target']}")
        manifest = json.loads((folder / "export.json").read_text("utf-8"))
        assert export["out"] == str(folder)
        assert manifest["mixture"]["content_digest"] == summary["content_digest"]
        assert manifest["asked"]["validation"] == "1/5"
    assert run("verify", workspace.out).exit_code == 0
    shown = run(*arguments, "--workers", 0, *targets)
    assert "tiny: exported for openai" in shown.stdout


def test_what_cannot_be_exported_is_said_before_anything_is_built(workspace: Workspace) -> None:
    """A target that needs a tokenizer is refused at once, and so is a share without a target."""
    arguments = ["build", workspace.recipe, *workspace.options, "--out", workspace.out]
    tokens = run(*arguments, "--for", "megatron")
    share = run(*arguments, "--validation", "1%")

    assert (tokens.exit_code, share.exit_code) == (2, 2)
    assert "writes token ids and needs a tokenizer" in tokens.stderr
    assert "--validation is for exports; add --for NAME" in share.stderr
    assert not workspace.out.exists()
