"""`Mixture`: the written records, by number, in any order, without the files."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mixture_builder
from mixture_builder.access.mixture import Mixture
from mixture_builder.drivers.local import LocalRunner
from mixture_builder.errors import StoreError, UsageError, VerifyError
from mixture_builder.jobs.building import build_mixture
from mixture_builder.jobs.inspect.records import read_batches
from tests.jobs.test_build import lock_of

RUNNER = LocalRunner(workers=0)


def written(out: Path) -> list[dict[str, Any]]:
    """All records of a built folder, in order."""
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    return [
        record
        for entry in manifest["shards"]
        for batch in read_batches(f"{out}/{entry['file']}", format=manifest["format"])
        for record in batch.to_pylist()
    ]


@pytest.fixture(scope="module")
def built(quickstart, tmp_path_factory) -> tuple[Path, list[dict[str, Any]]]:
    """A built mixture of 700 examples in five shards, and its records."""
    out = tmp_path_factory.mktemp("access") / "built"
    lock = lock_of(quickstart, shards=5, examples=700)
    build_mixture(lock, store=quickstart.store, out=str(out), runner=RUNNER)
    return out, written(out)


@pytest.fixture(scope="module")
def lossy(quickstart, tmp_path_factory) -> tuple[Any, Path, list[dict[str, Any]]]:
    """The lock, the folder and the records of a mixture whose budget drops some draws."""
    out = tmp_path_factory.mktemp("access") / "lossy"
    lock = lock_of(quickstart, shards=4, examples=600, limits={"input_chars": 120})
    build_mixture(lock, store=quickstart.store, out=str(out), runner=RUNNER)
    return lock, out, written(out)


@pytest.mark.parametrize("source", ["folder", "lock file", "lock"])
def test_it_is_the_written_mixture(quickstart, built, source):
    """Opened as a folder, a lock file or a lock: length, order and all columns are the files'."""
    out, records = built
    named: Any = {"folder": out, "lock file": out / "recipe.lock.yaml"}.get(source)
    mixture = Mixture.open(
        named or lock_of(quickstart, shards=5, examples=700), store=quickstart.store
    )

    assert len(mixture) == len(records)
    assert [mixture[i] for i in range(0, 700, 7)] == records[::7]
    assert list(mixture) == records
    assert mixture[-1] == records[-1]


def test_a_recipe_needs_no_build(quickstart, tmp_path):
    """A recipe whose rows are stored is a data set at once, the one that `build` writes."""
    lock = lock_of(quickstart, shards=1, examples=6000)
    mixture = mixture_builder.Mixture.open("quickstart", store=quickstart.store)
    fresh = Mixture.open("quickstart", store=quickstart.store, seed=5)

    assert len(mixture) == lock.plan.examples
    assert mixture.lock.plan.seed == quickstart.mixture.recipe.seed
    assert fresh[0] != mixture[0]


@settings(max_examples=40)
@given(places=st.lists(st.integers(-700, 699), max_size=90))
def test_any_batch_in_any_order(quickstart, built, places):
    """A batch holds the records of its numbers in its order, whatever they are."""
    out, records = built
    mixture = _open(out, quickstart.store)

    assert mixture.__getitems__(places) == [records[i] for i in places]


_opened: dict[str, Mixture] = {}


def _open(out: Path, store: Path) -> Mixture:
    """Opened once: examples of a property share its caches."""
    if str(out) not in _opened:
        _opened[str(out)] = Mixture.open(out, store=store)
    return _opened[str(out)]


@settings(max_examples=25)
@given(start=st.integers(0, 700), count=st.integers(0, 60))
def test_reading_goes_on_from_one_number(quickstart, built, start, count):
    """Given the integer where one reader stands, another goes on with the record that follows."""
    out, records = built
    mixture = _open(out, quickstart.store)
    first = mixture.read_from(start)
    read = [record for record, _ in zip(first, range(count), strict=False)]
    assert read == records[start : start + count]

    # `zip` has asked for one more than it gave, if there was one.
    state = {"position": min(start + count, 700)}
    second = iter(mixture)
    second.load_state_dict(state)
    assert second.state_dict() == state
    assert [record for _, record in zip(range(5), second, strict=False)] == (
        records[state["position"] :][:5]
    )


@settings(max_examples=60)
@given(readers=st.integers(1, 64), inner=st.integers(1, 4))
def test_every_reader_has_its_part_and_all_have_everything(quickstart, built, readers, inner):
    """Of 1 to 64 readers each has records, as many as the others give or take one.

    Together they have every record once; workers of a reader split its part the same way.
    """
    out, _ = built
    mixture = _open(out, quickstart.store)
    parts = [mixture.shard(k, readers) for k in range(readers)]
    assert min(map(len, parts)) >= 1
    assert max(map(len, parts)) - min(map(len, parts)) <= 1

    keys = [
        part.shard(w, inner).key(i)
        for part in parts
        for w in range(inner)
        for i in range(len(part.shard(w, inner)))
    ]
    assert sorted(keys) == sorted(mixture.key(i) for i in range(len(mixture)))


def test_readers_together_have_read_a_prefix(quickstart, built):
    """Readers in step have together read the first records of the mixture."""
    out, records = built
    mixture = _open(out, quickstart.store)
    read = [list(zip(range(3), mixture.shard(k, 4), strict=False)) for k in range(4)]

    assert [read[k][n][1] for n in range(3) for k in range(4)] == records[:12]


def test_too_many_readers_are_refused(quickstart, built):
    """More readers than records would leave one with nothing, and there is no fifth of four."""
    mixture = _open(built[0], quickstart.store)

    with pytest.raises(UsageError, match="found 701 readers for 700 records"):
        mixture.shard(0, 701)
    with pytest.raises(UsageError, match="found reader 4 of 4; expected 0 to 3"):
        mixture.shard(4, 4)


def test_it_can_be_pickled(quickstart, built):
    """A worker that is sent a part of a mixture reads the same records from it."""
    mixture = Mixture.open(built[0], store=quickstart.store).shard(1, 3)
    again = pickle.loads(pickle.dumps(mixture))

    assert repr(again) == repr(mixture)
    assert [again[i] for i in range(5)] == [mixture[i] for i in range(5)]


def test_columns_are_chosen(quickstart, built):
    """Records have the columns that are asked for; another one is named with the nearest."""
    mixture = Mixture.open(built[0], store=quickstart.store, columns=("targets", "inputs"))
    names = ("targets", "inputs")
    assert mixture[3] == {name: built[1][3][name] for name in names}
    assert list(mixture[3]) == list(names)

    with pytest.raises(UsageError, match="Did you mean 'inputs'"):
        Mixture.open(built[0], store=quickstart.store, columns=("input",))


def test_a_number_too_large_is_an_index_error(quickstart, built):
    """As of any sequence: so `for` and readers know the end."""
    mixture = _open(built[0], quickstart.store)
    for index in (700, -701):
        with pytest.raises(IndexError, match="expected 0 to 699"):
            mixture[index]
    with pytest.raises(IndexError, match="found position 701; expected 0 to 700"):
        mixture.read_from(701)


def test_dropped_draws_of_a_folder_are_known(quickstart, lossy):
    """A built folder says which draws came to nothing: number i is the i-th record written."""
    lock, out, records = lossy
    assert 0 < len(records) < lock.plan.examples
    mixture = Mixture.open(out, store=quickstart.store)

    assert mixture.settled
    assert len(mixture) == len(records)
    assert [mixture[i] for i in range(len(mixture))] == records
    assert list(mixture.read_from(9)) == records[9:]


def test_dropped_draws_of_a_lock_are_passed_over(quickstart, lossy):
    """Before anything is built, reading on gives what will be written.

    A number whose draw comes to nothing gives the next record; `settle` finds out which they are.
    """
    lock, _, records = lossy
    mixture = Mixture.open(lock, store=quickstart.store)

    assert not mixture.settled
    assert len(mixture) == lock.plan.examples
    assert list(mixture) == records
    empty = next(
        i
        for i in range(len(mixture))
        if mixture.key(i) != (mixture[i]["task_id"], mixture[i]["draw"])
    )
    assert mixture[empty] == records[empty]
    settled = mixture.settle()
    assert settled.settled
    assert [settled[i] for i in range(len(settled))] == records


def test_rows_that_are_missing_are_named(quickstart, built, tmp_path):
    """A store without the rows is refused when the mixture is opened, not in the middle of it."""
    with pytest.raises(StoreError, match="Run ingest"):
        Mixture.open(built[0], store=tmp_path)
    with pytest.raises(StoreError, match="mixture-builder ingest quickstart"):
        Mixture.open("quickstart", store=tmp_path)


def test_a_lock_takes_no_seed(quickstart, built):
    """What decides the content beside a recipe stands in a lock already."""
    with pytest.raises(UsageError, match="found seed beside a mixture"):
        Mixture.open(built[0], store=quickstart.store, seed=1)


def test_a_folder_without_a_manifest_is_refused(quickstart, built, tmp_path):
    """A folder that is not finished has no records to be equal to."""
    (tmp_path / "recipe.lock.yaml").write_bytes((built[0] / "recipe.lock.yaml").read_bytes())
    with pytest.raises(VerifyError, match="expected the manifest of a finished mixture"):
        Mixture.open(tmp_path, store=quickstart.store)
