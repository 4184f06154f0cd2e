"""Parts of mixtures and reuse: what stands is kept, what comes out is what a clean build gives."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from mixture_builder.drivers.local import LocalRunner
from mixture_builder.errors import BuildError
from mixture_builder.jobs.building import build_mixture
from mixture_builder.jobs.shard_fingerprint import ShardFingerprints
from mixture_builder.lock import Lock
from tests.cli.helpers import PLAIN, QUESTIONS, Workspace, run
from tests.jobs.test_build import lock_of

RUNNER = LocalRunner(workers=0)


def files_of(out: Path) -> dict[str, bytes]:
    """All files of a folder but what is hidden."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and not str(path.relative_to(out)).startswith(".")
    }


def stamps(out: Path) -> dict[str, int]:
    """When each shard was written."""
    return {path.name: path.stat().st_mtime_ns for path in sorted((out / "data").iterdir())}


def manifest_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    return found


def build(lock: Lock, quickstart: Any, out: Path, **further: Any) -> tuple[dict[str, Any], int]:
    """The manifest, and how many shards were built."""
    built = 0

    def tell(_: Any, already: bool) -> None:
        nonlocal built
        built += not already

    manifest = build_mixture(
        lock, store=quickstart.store, out=str(out), runner=RUNNER, on_shard=tell, **further
    )
    return manifest, built


@pytest.fixture(scope="module")
def lock(quickstart) -> Lock:
    return lock_of(quickstart, shards=10, examples=900, limits={"input_chars": 120})


@pytest.fixture(scope="module")
def whole(lock, quickstart, tmp_path_factory) -> Path:
    out: Path = tmp_path_factory.mktemp("whole") / "mixture"
    build(lock, quickstart, out)
    return out


@pytest.mark.parametrize("take", [1, 4])
def test_a_part_is_the_first_shards(lock, whole, quickstart, tmp_path, take):
    """`take` gives the very first files of the whole mixture, and a manifest that says so."""
    manifest, built = build(lock, quickstart, tmp_path / "part", take=take)

    data = files_of(whole / "data")
    first = dict(list(data.items())[:take])
    assert files_of(tmp_path / "part" / "data") == first
    assert built == take
    assert manifest["prefix"] == {"shards": take, "of_shards": 10, "of_examples": 900}
    assert manifest["fingerprint"] == manifest_of(whole)["fingerprint"]
    verified = run("verify", tmp_path / "part", "--store", quickstart.store, "--rebuild", 0)
    assert verified.exit_code == 0, verified.output


def test_a_part_has_the_rates_of_the_whole(lock, quickstart, tmp_path):
    """Of each task a part of p of S shards has p / S of its quota, give or take two examples."""
    manifest, _ = build(lock, quickstart, tmp_path / "part", take=3)

    assert "prefix" in manifest
    assert manifest["asked"] == sum(t["quota"] for t in manifest["tasks"].values())
    for task in lock.plan.tasks:
        asked = manifest["tasks"][task.task]["quota"]
        assert abs(asked - Fraction(task.quota * 3, 10)) <= 2


def test_taking_more_adds_shards(lock, whole, quickstart, tmp_path):
    """Shards that stand are not touched; in the end the folder is that of one whole build."""
    out = tmp_path / "grows"
    build(lock, quickstart, out, take=2)
    before = stamps(out)
    _, built = build(lock, quickstart, out, take=5)
    assert built == 3
    assert {name: when for name, when in stamps(out).items() if name in before} == before
    _, built = build(lock, quickstart, out)

    assert built == 5
    assert files_of(out) == files_of(whole)


def test_taking_less_changes_nothing(lock, whole, quickstart):
    """A finished mixture is not cut down: its first files are the smaller one already."""
    before = files_of(whole)
    with pytest.raises(BuildError, match="found the first 10 of the mixture's 10 shards"):
        build(lock, quickstart, whole, take=2)
    assert files_of(whole) == before


def test_another_mixture_is_replaced_only_on_request(lock, whole, quickstart, tmp_path):
    """Without `update` nothing happens to a finished mixture; the message says what would stay."""
    other = lock_of(quickstart, shards=10, examples=900, seed=3)
    before = files_of(whole)
    with pytest.raises(BuildError, match="--update: 0 of 10 shards would stay"):
        build(other, quickstart, whole)
    assert files_of(whole) == before


def test_an_update_gives_the_bytes_of_a_clean_build(lock, quickstart, tmp_path):
    """Another seed, another number of shards, another format: no file of the old mixture stays."""
    out = tmp_path / "changes"
    build(lock, quickstart, out)
    for number, other in enumerate(
        [
            lock_of(quickstart, shards=10, examples=900, seed=3),
            lock_of(quickstart, shards=4, examples=500),
            lock_of(quickstart, shards=4, examples=500, output={"format": "jsonl"}),
        ]
    ):
        build(other, quickstart, out, update=True)
        clean = tmp_path / f"clean-{number}"
        build(other, quickstart, clean)
        assert files_of(out) == files_of(clean)


def test_an_interrupted_update_goes_on(lock, whole, quickstart, tmp_path, monkeypatch):
    """Stopped after the manifest went, an update is a build that the same command finishes."""
    out = tmp_path / "stopped"
    build(lock, quickstart, out, take=4)

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("mixture_builder.jobs.building.finish_build", stop)
        with pytest.raises(KeyboardInterrupt):
            build(lock, quickstart, out, take=6)
    assert not (out / "manifest.json").exists()
    _, built = build(lock, quickstart, out)

    assert built == 4
    assert files_of(out) == files_of(whole)


def test_a_damaged_shard_is_not_kept(lock, whole, quickstart, tmp_path):
    """What is kept has the bytes that the manifest names; anything else is built anew."""
    out = tmp_path / "damaged"
    build(lock, quickstart, out, take=3)
    shard = out / "data" / "train-00001-of-00010.parquet"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    _, built = build(lock, quickstart, out)

    assert built == 8
    assert files_of(out) == files_of(whole)


def many_tasks(workspace: Workspace) -> None:
    """Six tasks of eight rows and three examples each, in six shards."""
    for number in range(5):
        workspace.task(f"extra{number}", QUESTIONS, templates=f"tiny/extra{number}")
        workspace.template_file(f"tiny/extra{number}", [PLAIN])
    workspace.write_recipe(size={"examples": 18}, output={"shards": 6})


def cli_build(workspace: Workspace, out: Path, *further: object) -> dict[str, Any]:
    done = run(
        "build", workspace.recipe, *workspace.options, "--out", out, "--workers", 0, "--json",
        *further,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def shards_with(out: Path, task: str) -> int:
    """In how many shards a task has examples."""
    import pyarrow.parquet as pq

    return sum(
        task in pq.read_table(path).column("task_id").to_pylist()
        for path in (out / "data").iterdir()
    )


def test_a_changed_template_concerns_the_shards_of_its_task(workspace: Workspace, tmp_path):
    """Only shards with examples of the task are written again, and the summary counts them."""
    many_tasks(workspace)
    cli_build(workspace, workspace.out)
    before = stamps(workspace.out)
    workspace.template_file("tiny/extra3", [{**PLAIN, "input": "So: {{ question }}"}])
    summary = cli_build(workspace, workspace.out, "--update")
    cli_build(workspace, tmp_path / "clean")

    holding = shards_with(workspace.out, "tiny/extra3")
    assert 0 < holding < 6
    assert summary["kept_shards"] == 6 - holding
    after = stamps(workspace.out)
    assert sum(before[name] != after[name] for name in before) == holding
    assert files_of(workspace.out) == files_of(tmp_path / "clean")


def test_a_description_concerns_no_shard(workspace: Workspace, tmp_path):
    """What people write about a recipe changes manifest and card at most."""
    many_tasks(workspace)
    cli_build(workspace, workspace.out)
    before = stamps(workspace.out)
    workspace.write_recipe(
        size={"examples": 18}, output={"shards": 6}, name="renamed", description="Another word."
    )
    summary = cli_build(workspace, workspace.out, "--update")
    cli_build(workspace, tmp_path / "clean")

    assert (summary["kept_shards"], summary["name"]) == (6, "renamed")
    assert stamps(workspace.out) == before
    assert files_of(workspace.out) == files_of(tmp_path / "clean")


def test_rows_that_came_concern_the_shards_of_their_task(workspace: Workspace, tmp_path):
    """One task's source grows, rates being equal: the shards without it stay."""
    many_tasks(workspace)
    keys: dict[str, Any] = {
        "size": {"examples": 18},
        "output": {"shards": 6},
        "submixtures": {"all": {"rate": 1, "tasks": ["tiny/*"], "task_rates": "equal"}},
    }
    workspace.write_recipe(**keys)
    cli_build(workspace, workspace.out)
    more = [*QUESTIONS, {"question": "Why?", "answer": "So."}]
    data = workspace.cards / "tiny" / "data" / "extra1.jsonl"
    data.write_text("".join(json.dumps(r) + "\n" for r in more), encoding="utf-8")
    summary = cli_build(workspace, workspace.out, "--update")
    cli_build(workspace, tmp_path / "clean")

    assert summary["kept_shards"] == 6 - shards_with(workspace.out, "tiny/extra1") > 0
    assert files_of(workspace.out) == files_of(tmp_path / "clean")


def test_equal_fingerprints_are_equal_bytes(quickstart, lock, tmp_path):
    """Where two mixtures have a shard's fingerprint in common they have its bytes in common."""
    other = lock_of(quickstart, shards=10, examples=907, limits={"input_chars": 120})
    first, second = ShardFingerprints(lock), ShardFingerprints(other)
    build(lock, quickstart, tmp_path / "a")
    build(other, quickstart, tmp_path / "b")
    a, b = files_of(tmp_path / "a" / "data"), files_of(tmp_path / "b" / "data")

    for shard, name in enumerate(a):
        if first.of(shard) == second.of(shard):
            assert a[name] == b[name]
        else:
            assert first.of(shard) != second.of(shard)
    assert len({first.of(s) for s in range(10)}) == 10


@pytest.mark.parametrize(
    ("amount", "said"),
    [("0", "expected a number of shards"), ("110%", "such as 10%"), ("x", "such as 10%")],
)
def test_a_bad_amount_is_wrong_usage(workspace: Workspace, amount: str, said: str):
    """`--take` wants shards or per cent."""
    done = run("build", workspace.recipe, "--out", workspace.out, "--take", amount)
    assert done.exit_code == 2
    assert said in done.output


def test_take_on_the_command_line(workspace: Workspace):
    """Per cent are rounded up to whole shards; more shards than there are is wrong usage."""
    many_tasks(workspace)
    summary = cli_build(workspace, workspace.out, "--take", "20%")
    assert (summary["shards"], summary["prefix"]["of_shards"]) == (2, 6)
    summary = cli_build(workspace, workspace.out, "--take", 3)
    assert (summary["shards"], summary["kept_shards"]) == (3, 2)
    refused = run(
        "build", workspace.recipe, *workspace.options, "--out", workspace.out, "--workers", 0,
        "--take", 7,
    )  # fmt: skip
    assert refused.exit_code == 2
    assert "expected 1 to 6" in refused.output
