"""Build: what a recipe asks is what the files hold, however many files there are."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from mixture_builder.canonical import text_key
from mixture_builder.drivers import local
from mixture_builder.drivers.local import LocalRunner, _run_rounds
from mixture_builder.errors import BuildError, StoreError
from mixture_builder.io.stored_rows import StoredRows
from mixture_builder.io.stored_task import task_folder
from mixture_builder.jobs import building
from mixture_builder.jobs.build import build_shard, check_store, shard_table
from mixture_builder.jobs.building import build_mixture
from mixture_builder.jobs.finishing import finish_build, foresee
from mixture_builder.jobs.locking import lock_mixture
from mixture_builder.lock import Lock, lock_from_json
from mixture_builder.recipes import recipe_from_json, select_tasks
from mixture_builder.render.exemplars import LEAK_LENGTH
from tests.render.test_options import read_back, styles_of

RUNNER = LocalRunner(workers=0)
EXAMPLES = 2000


def lock_of(quickstart: Any, *, shards: int, examples: int = EXAMPLES, **keys: Any) -> Lock:
    """The quickstart's lock at another size, or with other keys of the recipe."""
    mixture = quickstart.mixture
    raw = {**mixture.recipe.raw, "size": {"examples": examples}, **keys}
    recipe = recipe_from_json(raw, file="quickstart.yaml")
    owners, findings = select_tasks(recipe, mixture.cards)
    assert not findings
    stored = {task: quickstart.stored[task] for task in owners}
    return lock_mixture(
        replace(mixture, recipe=recipe, owners=owners), stored=stored, broken={}, shards=shards
    )


def records(lock: Lock, store: Path, shards: Sequence[int]) -> list[dict[str, Any]]:
    return [
        row
        for shard in shards
        for row in shard_table(lock, store=store, shard=shard)[0].to_pylist()
    ]


def identity(row: Mapping[str, Any]) -> str:
    return json.dumps(row, sort_keys=True, ensure_ascii=False)


@pytest.fixture(scope="module")
def whole(quickstart) -> list[dict[str, Any]]:
    """All examples, built as one shard."""
    return records(lock_of(quickstart, shards=1), quickstart.store, [0])


@pytest.mark.parametrize("shards", [3, 7, 100])
def test_the_set_of_examples_does_not_depend_on_the_number_of_shards(quickstart, whole, shards):
    """In three shards, in seven, in more shards than examples: the same examples, each once."""
    examples = 60 if shards == 100 else EXAMPLES
    if shards == 100:
        whole = records(lock_of(quickstart, shards=1, examples=60), quickstart.store, [0])
    lock = lock_of(quickstart, shards=shards, examples=examples)
    parts = [records(lock, quickstart.store, [s]) for s in range(shards)]

    assert sum(map(len, parts)) == len(whole) == examples
    assert Counter(identity(r) for part in parts for r in part) == Counter(map(identity, whole))


def test_realised_counts_are_the_quotas(quickstart, whole):
    """Each task and each variant of it has exactly the examples the plan gives it."""
    lock = lock_of(quickstart, shards=1)
    realised = Counter((r["task_id"], r["variant"]) for r in whole)

    for task in lock.plan.tasks:
        assert sum(n for (name, _), n in realised.items() if name == task.task) == task.quota
        by_variant: Counter[str] = Counter()
        for cell in task.cells:
            by_variant[cell.variant] += cell.quota
        for variant, quota in by_variant.items():
            assert realised[task.task, variant] == quota
        drawn = sorted(r["draw"] for r in whole if r["task_id"] == task.task)
        assert drawn == list(range(task.quota))


@pytest.mark.parametrize("shards", [4, 7])
def test_a_prefix_of_shards_is_a_smaller_mixture_of_the_same_shares(quickstart, shards):
    """Each task's part of the first p shards is within two examples of its share of them."""
    lock = lock_of(quickstart, shards=shards)
    held: Counter[str] = Counter()
    for shard in range(shards):
        held.update(r["task_id"] for r in records(lock, quickstart.store, [shard]))
        for task in lock.plan.tasks:
            assert abs(held[task.task] - Fraction(task.quota * (shard + 1), shards)) <= 2


def test_templates_and_rows_are_used_evenly(quickstart, whole):
    """Within a cell counts of templates differ by at most one; no row is far ahead of another."""
    lock = lock_of(quickstart, shards=1)
    used = Counter((r["task_id"], r["variant"], r["template_id"]) for r in whole)
    rows = Counter((r["task_id"], r["row"]) for r in whole)

    for task in lock.plan.tasks:
        templates = lock.templates[task.templates]
        for cell in task.cells:
            counts = [used[task.task, cell.variant, templates[i].id] for i in cell.templates]
            assert max(counts) - min(counts) <= 1
        counts = [count for (name, _), count in rows.items() if name == task.task]
        assert len(counts) == min(task.rows, task.quota)
        assert max(counts) - min(counts) <= 1


@pytest.fixture(scope="module")
def known(quickstart) -> dict[str, dict[int, dict[str, Any]]]:
    """All rows of the quickstart, by task and identity."""
    result = {}
    for task, stored in quickstart.stored.items():
        folder = task_folder(quickstart.store, task, stored.fingerprint)
        rows = StoredRows(folder, expected_rows=stored.rows)
        every = np.arange(stored.rows)
        columns = rows.columns(rows.fields, every)
        result[task] = {
            row_id: {name: columns[name][i] for name in rows.fields}
            for i, row_id in enumerate(rows.ids(every).tolist())
        }
    return result


def test_no_query_is_its_own_exemplar(whole, known):
    """No exemplar is the query or a copy of what it says, and none stands twice."""
    seen = 0
    for r in whole:
        if not r["variant"].startswith("fs_"):
            assert r["num_exemplars"] == 0
            continue
        rows = known[r["task_id"]]
        assert r["num_exemplars"] == len(r["exemplar_rows"]) >= 1
        assert r["row"] not in r["exemplar_rows"]
        assert len(set(r["exemplar_rows"])) == len(r["exemplar_rows"])
        said = {name: text_key(value) for name, value in rows[r["row"]].items()}
        for row_id in r["exemplar_rows"]:
            assert {name: text_key(value) for name, value in rows[row_id].items()} != said
            if len(r["targets"]) >= LEAK_LENGTH:
                assert not any(r["targets"] in str(value) for value in rows[row_id].values())
        seen += 1
    assert seen > 700


def test_few_shot_prompts_have_the_shots_that_were_drawn(quickstart, whole):
    """With 60 rows and more no exemplar is ever lacking; counts follow their rates."""
    lock = lock_of(quickstart, shards=1)
    for task in lock.plan.tasks:
        wanted = {n for n, rate in task.settings.shots.counts if rate}
        counts = {
            r["num_exemplars"]
            for r in whole
            if r["task_id"] == task.task and r["variant"].startswith("fs_")
        }
        assert counts == wanted


def test_listed_options_and_targets_agree_in_the_finished_prompts(whole, known):
    """Where options are shown, the list stands in the prompt and the target names the right one."""
    checked = 0
    for r in whole:
        row = known[r["task_id"]][r["row"]]
        if not r["variant"].endswith("_opt") or "answer_index" not in row:
            continue
        style = styles_of(r["style"])
        options = row["options"]
        query = r["inputs"]
        starts = [at for at in range(len(query)) if query.startswith(listed_start(style, 0), at)]
        right = options[row["answer_index"]]
        found = None
        for start in starts[::-1]:
            found = denoted(query[start:], style, r["targets"], options)
            if found:
                break
        if found is None:
            # Inverted templates ask for another field; a sentence may stand around the answer.
            continue
        assert found == right, r
        checked += 1
    assert checked > 250


def listed_start(style: Any, place: int) -> str:
    prefix: str = style.item.prefix_of(place) if style.item.enumerate else style.item.prefix
    return prefix.strip()


def denoted(text: str, style: Any, target: str, options: Sequence[str]) -> str | None:
    """The option a bare target denotes in the list that begins here; `None` if there is none."""
    bare = replace(style, lead_in=replace(style.lead_in, text=""))
    lead = style.item.prefix[: len(style.item.prefix) - len(style.item.prefix.lstrip(" "))]
    size = len(bare.text(list(options)))
    for length in range(size - 3, size + 4):
        try:
            return read_back((lead + text)[:length], bare, target, list(options))
        except (AssertionError, ValueError, KeyError):
            continue
    return None


def test_adding_a_task_changes_no_draw_of_the_others(quickstart):
    """With its quota unchanged, a task's examples are the same whatever stands beside it."""
    tasks = ["quickstart/sums", "quickstart/entailment", "quickstart/reviews"]

    def built(some: list[str]) -> dict[str, set[str]]:
        parts = {"all": {"rate": 1, "tasks": some, "task_rates": "equal"}}
        lock = lock_of(quickstart, shards=2, examples=70 * len(some), submixtures=parts)
        made = records(lock, quickstart.store, [0, 1])
        return {t: {identity(r) for r in made if r["task_id"] == t} for t in some}

    before, after = built(tasks[:2]), built(tasks)
    assert {task: after[task] for task in tasks[:2]} == before
    assert len(after[tasks[2]]) == 70


def test_a_built_mixture_says_what_it_holds(quickstart, tmp_path):
    """The manifest's counts, checksums and fingerprint are those of files, plan and lock."""
    lock = lock_of(quickstart, shards=3)
    manifest = build_mixture(lock, store=quickstart.store, out=str(tmp_path), runner=RUNNER)
    on_disk = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    saved = yaml.safe_load((tmp_path / "recipe.lock.yaml").read_text(encoding="utf-8"))

    assert on_disk == manifest
    assert lock_from_json(saved).fingerprint == lock.fingerprint == manifest["fingerprint"]
    assert manifest["asked"] == manifest["realised"] == EXAMPLES
    for shard in manifest["shards"]:
        raw = (tmp_path / shard["file"]).read_bytes()
        assert hashlib.sha256(raw).hexdigest() == shard["sha256"]
        assert len(raw) == shard["bytes"]
        assert pq.read_metadata(tmp_path / shard["file"]).num_rows == shard["rows"]
    for task in lock.plan.tasks:
        facts = manifest["tasks"][task.task]
        assert facts["quota"] == facts["realised"] == task.quota
        assert all(v["quota"] == v["realised"] for v in facts["variants"].values())
        assert not facts["dropped"]
    assert not (tmp_path / ".work").exists()


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inodes that are put on the disk, in their order."""
    inodes: list[int] = []
    sync = os.fsync

    def note(file: int) -> None:
        inodes.append(os.fstat(file).st_ino)
        sync(file)

    monkeypatch.setattr(os, "fsync", note)
    return inodes


def test_shards_are_on_the_disk_before_the_manifest(quickstart, tmp_path, synced):
    """Also those that an interrupted build has left: where a manifest stands, nothing is lost."""
    lock = lock_of(quickstart, shards=3, examples=60)
    build_shard(lock, store=quickstart.store, out=str(tmp_path), shard=1)
    synced.clear()
    manifest = build_mixture(lock, store=quickstart.store, out=str(tmp_path), runner=RUNNER)
    last = synced.index((tmp_path / "manifest.json").stat().st_ino)
    shards = [(tmp_path / shard["file"]).stat().st_ino for shard in manifest["shards"]]

    assert set(shards) <= set(synced[:last])


def test_mended_shards_are_on_the_disk(quickstart, tmp_path, synced):
    """A mixture is said to be whole when it is; what was not damaged is left alone."""
    lock = lock_of(quickstart, shards=3, examples=60)
    manifest = build_mixture(lock, store=quickstart.store, out=str(tmp_path), runner=RUNNER)
    files = [tmp_path / shard["file"] for shard in manifest["shards"]]
    files[1].unlink()
    synced.clear()
    build_mixture(lock, store=quickstart.store, out=str(tmp_path), runner=RUNNER)

    assert [file.stat().st_ino in synced for file in files] == [False, True, False]


def test_workers_get_their_first_jobs_before_anything_else_is_worked_out(
    quickstart, tmp_path, monkeypatch
):
    """What the manifest will say is made while they build, and once."""
    events = []

    def watched(lock: Lock, *, shards: int) -> Any:
        events.append("foresee")
        return foresee(lock, shards=shards)

    def told(*arguments: Any, on_rendered: Any, **keys: Any) -> Iterator[Any]:
        def note(examples: int) -> None:
            events.append("rendered")
            on_rendered(examples)

        return _run_rounds(*arguments, on_rendered=note, **keys)

    monkeypatch.setattr(building, "foresee", watched)
    monkeypatch.setattr(local, "_run_rounds", told)
    lock = lock_of(quickstart, shards=3, examples=60)
    build_mixture(lock, store=quickstart.store, out=str(tmp_path), runner=RUNNER)

    assert events[0] == "rendered"
    assert events.count("foresee") == 1


def test_the_same_lock_gives_the_same_bytes(quickstart, tmp_path):
    """Built twice, and shard by shard in another order, every file is the same."""
    lock = lock_of(quickstart, shards=3, examples=300)
    first = build_mixture(lock, store=quickstart.store, out=str(tmp_path / "a"), runner=RUNNER)
    again = lock_from_json(lock.to_json())
    results = [
        build_shard(again, store=quickstart.store, out=str(tmp_path / "b"), shard=shard)
        for shard in (2, 0, 1)
    ]
    second = finish_build(
        again, out=str(tmp_path / "b"), results=results, stored=quickstart.stored, quarantine={}
    )

    assert second == first
    for shard in first["shards"]:
        files = [(tmp_path / side / shard["file"]).read_bytes() for side in "ab"]
        assert files[0] == files[1]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [({"input_chars": 150}, "input_too_long"), ({"target_chars": 12}, "target_too_long")],
)
def test_asked_and_realised_differ_by_what_was_dropped(quickstart, tmp_path, limits, reason):
    """Rows that do not fit are redrawn; draws that nothing fits are dropped, counted, listed."""
    lock = lock_of(quickstart, shards=2, examples=600, limits=limits)
    manifest = build_mixture(lock, store=quickstart.store, out=str(tmp_path), runner=RUNNER)
    listed = (tmp_path / "quarantine" / "dropped_draws.jsonl").read_text(encoding="utf-8")
    entries = [json.loads(line) for line in listed.splitlines()]

    dropped = Counter(e["task"] for e in entries)
    assert manifest["asked"] - manifest["realised"] == len(entries) > 0
    for task, facts in manifest["tasks"].items():
        assert facts["quota"] - facts["realised"] == dropped[task] == sum(facts["dropped"].values())
        for variant in facts["variants"].values():
            assert variant["realised"] <= variant["quota"]
    assert sum(facts["redrawn"].get(reason, 0) for facts in manifest["tasks"].values()) > 0
    table = pq.read_table(tmp_path / "data").to_pylist()
    assert len(table) == manifest["realised"]
    longest = max(len(r["inputs" if "input_chars" in limits else "targets"]) for r in table)
    assert longest <= next(iter(limits.values()))


def test_a_build_without_all_shards_has_no_manifest(quickstart, tmp_path):
    """What is missing is named, and the folder does not look complete."""
    lock = lock_of(quickstart, shards=3, examples=60)
    result = build_shard(lock, store=quickstart.store, out=str(tmp_path), shard=1)

    with pytest.raises(BuildError, match="2 of 3 shards are missing, the first is 0"):
        finish_build(lock, out=str(tmp_path), results=[result], stored={}, quarantine={})
    assert not (tmp_path / "manifest.json").exists()


def test_other_rows_than_the_locks_are_refused(quickstart):
    """A store whose rows have changed since the lock was made builds nothing."""
    lock = lock_of(quickstart, shards=1, examples=60)
    stored = dict(quickstart.stored)
    first = next(iter(lock.tasks))
    check_store(lock, stored)
    stored[first] = replace(stored[first], digest="other")
    del stored[list(lock.tasks)[-1]]

    with pytest.raises(StoreError, match=rf"for 2 of 12 tasks, the first is {first}"):
        check_store(lock, stored)


def test_another_mixture_in_the_folder_is_not_overwritten(quickstart, tmp_path):
    """A finished folder is left as it is, by the same lock and by another."""
    one = lock_of(quickstart, shards=1, examples=60)
    other = lock_of(quickstart, shards=1, examples=61)
    done = build_mixture(one, store=quickstart.store, out=str(tmp_path), runner=RUNNER)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}

    assert build_mixture(one, store=quickstart.store, out=str(tmp_path), runner=RUNNER) == done
    with pytest.raises(BuildError, match="another"):
        build_mixture(other, store=quickstart.store, out=str(tmp_path), runner=RUNNER)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before


def test_in_a_finished_mixture_only_damaged_shards_are_built_again(
    quickstart: Any, tmp_path: Path
) -> None:
    """A flipped byte and a missing file are mended by the command that built the mixture."""
    out = str(tmp_path / "mended")
    lock = lock_of(quickstart, shards=3, examples=300)
    manifest = build_mixture(lock, store=quickstart.store, out=out, runner=RUNNER)
    first, second, third = (Path(out) / shard["file"] for shard in manifest["shards"])
    sound = {path: path.read_bytes() for path in (first, second, third)}
    first.write_bytes(sound[first][:-9] + b"x" + sound[first][-8:])
    second.unlink()
    built: list[int] = []

    again = build_mixture(
        lock,
        store=quickstart.store,
        out=out,
        runner=RUNNER,
        on_shard=lambda result, _: built.append(result.shard),
    )

    assert again == manifest
    assert built == [0, 1]
    assert {path: path.read_bytes() for path in (first, second, third)} == sound
