"""Ingest: each record has one fate, and how a source is cut or spilled changes no row."""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixture_builder.cards import TaskCard
from mixture_builder.drivers.local import LocalRunner
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.stored_rows import StoredRows
from mixture_builder.io.stored_task import StoredTask, task_folder
from mixture_builder.jobs.ingest.part import ingest_part
from mixture_builder.jobs.ingest.planning import is_stored, plan_parts
from mixture_builder.jobs.ingest.specs import task_spec
from mixture_builder.jobs.ingest.task import finish_task
from mixture_builder.jobs.storing import ingest_mixture
from tests.makers import make_card

INGEST = "mixture_builder.jobs.ingest"
NOWHERE = Mirror.empty()
FIELDS = {"question": "q | trim", "answers": "a"}


def write(folder: Path, files: dict[str, Sequence[Any]]) -> None:
    """JSON lines; a text is written as it is, so that a line can be no JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, records in files.items():
        lines = [r if isinstance(r, str) else json.dumps(r) for r in records]
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def card_of(folder: Path, *files: str, **further: Any) -> TaskCard:
    return make_card(
        fields=further.pop("fields", FIELDS),
        files=files or ("data.jsonl",),
        folder=folder,
        keep=further.pop("keep", "keep != false"),
        **further,
    )


def ingested(card: TaskCard, store: Path, *, alternative: int = 0) -> StoredTask | str:
    specs = plan_parts(card, store=store, mirror=NOWHERE, alternative=alternative)
    return finish_task(task_spec(specs, [ingest_part(s) for s in specs][::-1], ()))


def stored_of(card: TaskCard, store: Path) -> StoredTask:
    result = ingested(card, store)
    assert isinstance(result, StoredTask), result
    return result


def rows_of(stored: StoredTask, store: Path) -> StoredRows:
    folder = task_folder(store, stored.task, stored.fingerprint)
    return StoredRows(folder, expected_rows=stored.rows)


def content(stored: StoredTask, store: Path) -> list[tuple[int, str, tuple[str, ...]]]:
    rows = rows_of(stored, store)
    every = np.arange(stored.rows)
    columns = rows.columns(["question", "answers"], every)
    return list(
        zip(
            rows.ids(every).tolist(),
            columns["question"],
            map(tuple, columns["answers"]),
            strict=True,
        )
    )


def record(i: int, **further: Any) -> dict[str, Any]:
    return {"q": f"What is {i}?", "a": [f"it is {i}", "no"], "keep": True, **further}


GOOD = st.integers(0, 8).map(record)
RECORDS = st.lists(
    st.one_of(
        GOOD,
        st.integers(0, 3).map(lambda i: record(i, keep=False)),
        st.integers(0, 3).map(lambda i: record(i, q=" ")),
        st.integers(0, 3).map(lambda i: record(i, a=None)),
        st.integers(0, 3).map(lambda i: record(i, a="text")),
        st.just({"q": "no answer field", "keep": True}),
        st.just({"q": "no keep field", "a": ["x"]}),
        st.just(record(0, q="half \ud800 a pair")),
        st.sampled_from(["{not json", "[1, 2]", '"text"']),
    ),
    max_size=30,
)


@given(records=RECORDS, more=st.lists(GOOD, min_size=1, max_size=5), copies=st.booleans())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_each_record_is_a_row_a_copy_filtered_or_in_quarantine(
    tmp_path_factory, records, more, copies
):
    """The counts of the four fates add up to the records; nothing is lost, nothing twice."""
    folder = tmp_path_factory.mktemp("source")
    write(folder, {"data.jsonl": [*records, *more]})
    stored = stored_of(card_of(folder, keep_duplicates=copies), folder / "store")

    fates = stored.rows + stored.duplicates + stored.filtered + sum(stored.quarantined.values())
    assert fates == stored.records == len(records) + len(more)
    good = Counter(
        (r["q"].strip(), tuple(r["a"]))
        for r in [*records, *more]
        if isinstance(r, dict)
        and r.get("keep") is True
        and isinstance(r.get("a"), list)
        and r["q"].strip()
        and "\ud800" not in r["q"]
    )
    held = content(stored, folder / "store")
    wanted = sorted(good.elements()) if copies else sorted(good)
    assert sorted((question, answers) for _, question, answers in held) == wanted
    assert [row_id for row_id, *_ in held] == sorted({row_id for row_id, *_ in held})
    quarantine = task_folder(folder / "store", stored.task, stored.fingerprint) / "quarantine.jsonl"
    entries = [json.loads(line) for line in quarantine.read_text(encoding="utf-8").splitlines()]
    assert Counter(e["reason"] for e in entries) == Counter(stored.quarantined)
    assert all(e["place"].startswith("data.jsonl") and e["detail"] for e in entries)


@given(
    records=st.lists(GOOD, min_size=1, max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=4),
    part_bytes=st.sampled_from([1, 100, 10**9]),
    run_rows=st.sampled_from([1, 3, 20_000]),
    copies=st.booleans(),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_how_a_source_is_cut_into_files_parts_and_runs_changes_no_row(
    tmp_path_factory, monkeypatch, records, cuts, part_bytes, run_rows, copies
):
    """One file or five, one worker or many, one run or thirty: the same rows in one order."""
    folder = tmp_path_factory.mktemp("source")
    write(folder, {"data.jsonl": records})
    bounds = sorted({0, len(records), *(min(c, len(records)) for c in cuts)})
    pieces = {f"part{n}.jsonl": records[a:b] for n, (a, b) in enumerate(itertools.pairwise(bounds))}
    write(folder, pieces)
    whole = stored_of(card_of(folder, keep_duplicates=copies), folder / "one")
    with monkeypatch.context() as patched:
        patched.setattr(f"{INGEST}.planning.PART_BYTES", part_bytes)
        patched.setattr(f"{INGEST}.part.RUN_ROWS", run_rows)
        card = card_of(folder, *sorted(pieces, reverse=True), keep_duplicates=copies)
        cut = stored_of(card, folder / "many")

    assert content(cut, folder / "many") == content(whole, folder / "one")
    assert cut.digest == whole.digest
    assert (cut.records, cut.duplicates) == (whole.records, whole.duplicates)


@pytest.mark.parametrize(("bound", "value"), [("RUN_ROWS", 7), ("RUN_CHARS", 300)])
@pytest.mark.parametrize("copies", [False, True])
def test_spilled_runs_give_the_same_file(tmp_path, monkeypatch, bound, value, copies):
    """Byte for byte, whether a source is held at once or sorted in a hundred runs."""
    records = [record(i * 7919 % 700) for i in range(900)]
    write(tmp_path, {"data.jsonl": records})
    card = card_of(tmp_path, keep_duplicates=copies)
    whole = stored_of(card, tmp_path / "one")
    monkeypatch.setattr(f"{INGEST}.part.{bound}", value)
    specs = plan_parts(card, store=tmp_path / "many", mirror=NOWHERE, alternative=0)
    results = [ingest_part(spec) for spec in specs]
    assert len(results[0].runs) > 40
    spilled = finish_task(task_spec(specs, results, ()))

    assert isinstance(spilled, StoredTask)
    assert spilled == whole
    assert whole.rows == (900 if copies else 700)
    files = [
        task_folder(tmp_path / store, whole.task, whole.fingerprint) / "rows.arrow"
        for store in ("one", "many")
    ]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert not (tmp_path / "many" / ".spill").exists() or not list(
        (tmp_path / "many" / ".spill").rglob("*.arrow")
    )


def test_of_copies_the_first_is_kept_and_the_others_are_counted(tmp_path):
    """The row's place is that of the first copy in the source."""
    write(tmp_path, {"a.jsonl": [record(1), record(2)], "b.jsonl": [record(2), record(1)]})
    stored = stored_of(card_of(tmp_path, "a.jsonl", "b.jsonl"), tmp_path / "store")
    rows = rows_of(stored, tmp_path / "store")

    assert (stored.rows, stored.duplicates) == (2, 2)
    assert sorted(rows.places(np.arange(2))) == ["a.jsonl#L1", "a.jsonl#L2"]


def load(folder: Path, *files: str) -> Any:
    """A mixture of one task over the files, as `ingest_mixture` takes it."""
    card = card_of(folder, *files)

    recipe = SimpleNamespace(tokenizers={})
    return SimpleNamespace(recipe=recipe, owners={}, cards={card.id: card}, broken={})


def run(folder: Path, *files: str, **further: Any) -> list[tuple[str, bool]]:
    told: list[tuple[str, bool]] = []
    ingest_mixture(
        load(folder, *files),
        store=folder / "store",
        mirror=further.pop("mirror", NOWHERE),
        runner=LocalRunner(workers=0),
        on_task=lambda task, result, there: told.append((task, there)),
    )
    return told


def test_what_is_stored_is_skipped_until_its_file_changes(tmp_path):
    """A second run reads nothing; a changed file is read again."""
    write(tmp_path, {"data.jsonl": [record(1)]})
    assert run(tmp_path) == [("demo/task", False)]
    assert run(tmp_path) == [("demo/task", True)]

    write(tmp_path, {"data.jsonl": [record(1), record(2)]})
    assert run(tmp_path) == [("demo/task", False)]
    stored = is_stored(card_of(tmp_path), store=tmp_path / "store", mirror=NOWHERE)
    assert stored is not None
    assert stored.rows == 2
    os.utime(tmp_path / "data.jsonl", (1, 1))
    assert run(tmp_path) == [("demo/task", False)]


def test_rows_that_were_stored_outlive_their_source(tmp_path):
    """Where a source is out of reach, what was read before still stands."""
    write(tmp_path, {"data.jsonl": [record(1)]})
    run(tmp_path)
    (tmp_path / "data.jsonl").unlink()

    assert run(tmp_path) == [("demo/task", True)]


def test_a_changed_expression_is_another_stored_task(tmp_path):
    """Rows of two versions of a card lie side by side."""
    write(tmp_path, {"data.jsonl": [record(1)]})
    one = stored_of(card_of(tmp_path), tmp_path / "store")
    two = stored_of(
        card_of(tmp_path, fields={"question": "q | upper", "answers": "a"}), tmp_path / "store"
    )

    assert one.fingerprint != two.fingerprint
    assert content(one, tmp_path / "store")[0][1] == "What is 1?"
    assert content(two, tmp_path / "store")[0][1] == "WHAT IS 1?"


def test_a_source_without_any_row_says_why(tmp_path):
    """The error counts the reasons and shows the first; nothing is stored."""
    write(tmp_path, {"data.jsonl": [record(1, q=""), record(2, keep=False), record(3, a="x")]})
    reason = ingested(card_of(tmp_path), tmp_path / "store")

    assert isinstance(reason, str)
    assert "none of 3 records gave a row" in reason
    assert "1 filtered by keep, 1 missing_field, 1 wrong_type" in reason
    assert "data.jsonl" in reason
    card = card_of(tmp_path)
    assert is_stored(card, store=tmp_path / "store", mirror=NOWHERE) is None


def test_an_alternative_is_used_where_the_first_source_cannot_be_read(tmp_path):
    """The stored task says which alternative it came from and why the others were not."""
    first = card_of(tmp_path, "missing.jsonl")
    write(tmp_path, {"there.jsonl": [record(1)]})
    second = card_of(tmp_path, "there.jsonl")
    both = TaskCard(
        **{
            **{name: getattr(first, name) for name in TaskCard.__dataclass_fields__},
            "sources": (*first.sources, *second.sources),
        }
    )
    mixture = load(tmp_path)
    mixture.cards = {both.id: both}
    stored, broken = ingest_mixture(
        mixture, store=tmp_path / "store", mirror=NOWHERE, runner=LocalRunner(workers=0)
    )

    assert not broken
    assert stored[both.id].alternative == 1
    assert "missing.jsonl" in stored[both.id].tried[0]


def test_one_broken_task_does_not_hold_up_another(tmp_path):
    """What cannot be read is named with its reason; the rest is stored."""
    write(tmp_path, {"data.jsonl": [record(1)]})
    mixture = load(tmp_path)
    good = next(iter(mixture.cards.values()))
    bad = make_card("demo/bad", fields=FIELDS, files=("gone.jsonl",), folder=tmp_path)
    mixture.cards = {good.id: good, bad.id: bad}
    stored, broken = ingest_mixture(
        mixture, store=tmp_path / "store", mirror=NOWHERE, runner=LocalRunner(workers=0)
    )

    assert list(stored) == [good.id]
    assert list(broken) == ["demo/bad"]
    assert "gone.jsonl" in broken["demo/bad"]


def test_quarantine_keeps_a_bounded_number_and_counts_all(tmp_path, monkeypatch):
    """A source full of bad records fills neither memory nor disk."""
    for module in ("part", "task"):
        monkeypatch.setattr(f"{INGEST}.{module}.QUARANTINE_ENTRIES", 3)
    write(tmp_path, {"data.jsonl": [record(0), *(record(i, q="") for i in range(20))]})
    stored = stored_of(card_of(tmp_path), tmp_path / "store")
    kept = task_folder(tmp_path / "store", stored.task, stored.fingerprint) / "quarantine.jsonl"

    assert stored.quarantined == {"missing_field": 20}
    assert len(kept.read_text(encoding="utf-8").splitlines()) == 3


def test_the_quickstart_counts_add_up(quickstart):
    """Every record of the shipped sources has its fate, and the cards' sizes are true."""
    for task, stored in quickstart.stored.items():
        fates = stored.rows + stored.duplicates + stored.filtered + sum(stored.quarantined.values())
        assert fates == stored.records
        assert stored.rows == quickstart.mixture.cards[task].known_rows
        assert all("sha256" in file for file in stored.files)


@pytest.mark.shared
def test_real_files_are_read_with_every_record_accounted_for(shared, tmp_path):
    """On the real chain-of-thought files the four fates add up, and most records are rows."""
    from mixture_builder.card_files import load_cards
    from mixture_builder.shipped import cards_folder
    from tests.shared_mirror import write_mirror

    write_mirror(shared, tmp_path / "mirror.yaml")
    cards, findings = load_cards(cards_folder(), wanted=lambda path: path.startswith("cot/"))
    assert not findings
    mirror = Mirror.load(tmp_path / "mirror.yaml")
    mixture = load(tmp_path)
    mixture.cards = {
        task: card
        for task, card in cards.items()
        if all(file in mirror.sources for s in card.sources for file in s.source.files)
    }
    assert len(mixture.cards) >= 6
    stored, broken = ingest_mixture(
        mixture, store=tmp_path / "store", mirror=mirror, runner=LocalRunner(workers=0)
    )

    assert not broken
    for task in stored.values():
        fates = task.rows + task.duplicates + task.filtered + sum(task.quarantined.values())
        assert fates == task.records
        assert task.rows > 0.9 * (task.records - task.filtered)


def test_json_fields_come_back_from_the_store(tmp_path):
    """What upstream nests is read from the store as it was; copies are kept once."""
    nested = {"q": "who", "a": {"text": ["Ann", "Bo"], "start": [0, 4]}}
    other = {"q": "who", "a": {"text": [], "start": []}}
    write(tmp_path / "c", {"data.jsonl": [nested, other, nested]})
    fields = {"question": "q", "found": "a"}
    card = card_of(
        tmp_path / "c", fields=fields, keep="", types={"found": "json"}, optional=["found"]
    )
    stored = stored_of(card, tmp_path / "store")
    rows = StoredRows(
        task_folder(tmp_path / "store", card.id, stored.fingerprint), expected_rows=stored.rows
    )

    found = rows.columns(["question", "found"], np.arange(2))
    assert found["question"] == ["who", "who"]
    assert sorted(found["found"], key=str) == sorted([nested["a"], other["a"]], key=str)
    assert stored.duplicates == 1
    assert "found" not in rows.text_fields
