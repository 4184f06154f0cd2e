"""A release without data: nothing of others in it, and everything from which to build the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.helpers import QUESTIONS, Workspace, call, run
from tests.cli.test_build import contents
from tests.hub_for_writing import Hub
from tests.release.conftest import NO_ERRORS, manifest_of, release, released


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A mixture of one task whose rows are somebody else's texts, and its recipe release."""
    made = Workspace(tmp_path)
    made.task("sums", QUESTIONS)
    templates = [
        {"id": "plain", "input": "{{ question }}", "target": "{{ answer }}"},
        {"id": "short", "input": "Answer briefly: {{ question }}", "target": "{{ answer }}"},
    ]
    made.template_file("tiny/questions", templates)
    made.write_recipe()
    done = run("build", made.recipe, *made.options, "--out", made.out, "--workers", 0)
    assert done.exit_code == 0, done.output
    audit = {**NO_ERRORS, "mixture": {"content_digest": manifest_of(made.out)["content_digest"]}}
    (made.out / "audit").mkdir()
    (made.out / "audit" / "audit.json").write_text(json.dumps(audit), encoding="utf-8")
    return made


def publish(made: Workspace, *options: object) -> Path:
    """The folder of the recipe release."""
    done = run(
        *("release", made.out, "--repo", "org/tiny", "--recipe-only", "--dry-run"),
        *made.folders,
        *options,
    )
    assert done.exit_code == 0, done.output
    return made.folder / "out-recipe"


def rebuild(lock: Path, out: Path, *options: object) -> Any:
    """Builds the mixture of a lock with an empty store."""
    store = out.with_name("another-store")
    return run("build", "--lock", lock, "--out", out, "--store", store, "--workers", 0, *options)


def mirror_to(made: Workspace, folder: Path) -> Path:
    """A mirror file by which the published card finds the rows, which were not published."""
    path = made.folder / "mirror.yaml"
    copy = made.cards / "tiny" / "data" / "sums.jsonl"
    target = folder / "cards" / "tiny" / "data" / "sums.jsonl"
    target.parent.mkdir(parents=True)
    target.write_bytes(copy.read_bytes())
    return path


def test_it_holds_no_text_of_the_rows(workspace: Workspace) -> None:
    """Cards, templates, lock and digests are there; no row and no example is."""
    folder = publish(workspace)
    files = released(folder)

    assert {name.split("/")[0] for name in files} == {
        *("README.md", "LICENSES.md", "recipe.lock.yaml", "digests.json", "release.json"),
        *("cards", "templates"),
    }
    for row in QUESTIONS:
        assert all(row["question"].encode() not in content for content in files.values())


def test_a_stranger_builds_the_same(workspace: Workspace, tmp_path: Path) -> None:
    """From the release and the sources alone comes every byte of the mixture, and it is checked."""
    folder = publish(workspace)
    mirror_to(workspace, folder)
    out = tmp_path / "again"

    done = rebuild(folder / "recipe.lock.yaml", out)
    assert done.exit_code == 0, done.output
    assert f"as in {folder / 'digests.json'}" in done.output
    theirs = {n: c for n, c in contents(workspace.out).items() if not n.startswith("audit/")}
    assert contents(out) == theirs


def test_a_source_that_has_changed_is_named(workspace: Workspace, tmp_path: Path) -> None:
    """Other rows than when the lock was made end the build before anything is written."""
    folder = publish(workspace)
    mirror_to(workspace, folder)
    data = folder / "cards" / "tiny" / "data" / "sums.jsonl"
    data.write_text(data.read_text(encoding="utf-8").replace("What is 3", "Who is 3"), "utf-8")

    done = rebuild(folder / "recipe.lock.yaml", tmp_path / "again")
    assert done.exit_code == 1
    assert "the sources of 1 of 1 tasks hold other rows" in done.output
    assert "tiny/sums" in done.output
    assert not (tmp_path / "again").exists()


def test_a_source_that_is_gone_ends_it(workspace: Workspace, tmp_path: Path) -> None:
    """A lock needs all of its tasks: none is left out in silence."""
    folder = publish(workspace)

    done = rebuild(folder / "recipe.lock.yaml", tmp_path / "again")
    assert done.exit_code == 1
    assert "1 of 1 tasks cannot be read" in done.output


def test_other_digests_are_an_error(workspace: Workspace, tmp_path: Path) -> None:
    """What comes out is compared shard by shard with what was published."""
    folder = publish(workspace)
    mirror_to(workspace, folder)
    path = folder / "digests.json"
    digests = json.loads(path.read_text(encoding="utf-8"))
    digests["shards"][0]["content_digest"] = "0" * 32
    path.write_text(json.dumps(digests), encoding="utf-8")

    done = rebuild(folder / "recipe.lock.yaml", tmp_path / "again")
    assert done.exit_code == 1
    assert "data/train-00000-of-00001.parquet: content_digest" in done.output


def test_a_card_that_reads_other_rows_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    """Cards that are not those of the lock are named, on both sides."""
    folder = publish(workspace)
    card = folder / "cards" / "tiny" / "sums.yaml"
    plain = yaml.safe_load(card.read_text(encoding="utf-8"))
    plain["fields"]["answer"] = "answer | upper"
    card.write_text(yaml.safe_dump(plain), encoding="utf-8")

    done = rebuild(folder / "recipe.lock.yaml", tmp_path / "again")
    assert done.exit_code == 1
    assert "not the one that the lock was made with" in done.output

    workspace.write(workspace.cards / "tiny" / "sums.yaml", plain)
    done = run(
        *("release", workspace.out, "--repo", "org/tiny", "--recipe-only", "--dry-run"),
        *workspace.folders,
    )
    assert done.exit_code == 1
    assert "not the one that the lock was made with" in done.output


def test_templates_must_be_those_of_the_mixture(workspace: Workspace) -> None:
    """Nobody publishes templates that the mixture was not made from."""
    workspace.template_file(
        "tiny/questions", [{"id": "plain", "input": "{{ question }}!", "target": "{{ answer }}"}]
    )
    done = run(
        *("release", workspace.out, "--repo", "org/tiny", "--recipe-only", "--dry-run"),
        *workspace.folders,
    )
    assert done.exit_code == 1
    assert "its templates are not the lock's" in done.output


def test_a_lock_takes_no_other_decisions(workspace: Workspace, tmp_path: Path) -> None:
    """Seed, shards, format and templates stand in the lock; a recipe beside it is wrong usage."""
    lock = workspace.out / "recipe.lock.yaml"
    for options in (["--seed", 1], ["--shards", 2], [workspace.recipe]):
        done = rebuild(lock, tmp_path / "again", *options)
        assert done.exit_code == 2
        assert "--lock decides everything" in done.output
    assert run("build", "--out", tmp_path / "again").exit_code == 2


@pytest.mark.slow
def test_it_is_published_and_verified_like_any_release(mixture: Path, hub: Hub) -> None:
    """One commit, read back, tagged; `verify` says that it holds no data."""
    done = release(mixture, "--recipe-only", "--revision", "v1")
    assert done.returncode == 0, done.stderr

    folder = released(mixture.with_name("quickstart-recipe"))
    assert {p: c for p, c in hub.files.items() if p != ".gitattributes"} == folder
    assert hub.tags == {"v1": hub.sha()}
    done = call("verify", "hf://datasets/org/quick@v1")
    assert done.returncode == 0, done.stdout
    assert "a release without data" in done.stdout
    hub.put("cards/quickstart/sums.yaml", b"id: quickstart/sums")
    assert call("verify", "hf://datasets/org/quick").returncode == 1


def test_templates_of_others_are_not_published(workspace: Workspace) -> None:
    """What was imported from another collection is somebody's text; the way out is said."""
    file = workspace.folder / "templates" / "tiny" / "questions.yaml"
    plain = yaml.safe_load(file.read_text(encoding="utf-8"))
    file.write_text(yaml.safe_dump({**plain, "origin": "imported"}), encoding="utf-8")

    done = run(
        *("release", workspace.out, "--repo", "org/tiny", "--recipe-only", "--dry-run"),
        *workspace.folders,
    )

    assert done.exit_code == 1
    assert "they are texts of others" in done.stderr
    assert "templates_from: ours" in done.stderr
    assert not (workspace.folder / "out-recipe").exists()
