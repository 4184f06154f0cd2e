"""Shards built in rounds: the same files as shards built one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.drivers.local import LocalRunner
from mixture_builder.jobs import rounds
from mixture_builder.jobs.build import build_shard
from mixture_builder.jobs.rounds import (
    Piece,
    assemble_shard,
    plan_rounds,
    render_chunk,
    worth_rounds,
)
from mixture_builder.lock import Lock
from tests.jobs.test_build import lock_of


def built_in_rounds(lock: Lock, *, store: Path, shards: list[int], folder: Path) -> dict[int, Any]:
    """Results by shard; the files are in `folder`."""
    chunks = folder / "chunks"
    chunks.mkdir(parents=True)
    results = {}
    for part in plan_rounds(lock, store=store, shards=shards, folder=chunks):
        # In another order than planned: no shard may depend on it.
        for chunk in reversed(part.chunks):
            render_chunk(lock, chunk, store=store)
        for assembly in part.assemblies(str(folder)):
            results[assembly.shard] = assemble_shard(lock, assembly)
    return results


@pytest.mark.parametrize("examples_a_chunk", [37, 700, 50_000])
@pytest.mark.parametrize("limit", [0, 300])
def test_shards_built_in_rounds_are_the_shards_built_one_by_one(
    quickstart: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    examples_a_chunk: int,
    limit: int,
) -> None:
    """Files and results are equal, wherever chunks and rounds are cut, drops included."""
    monkeypatch.setattr(rounds, "CHUNK_EXAMPLES", examples_a_chunk)
    monkeypatch.setattr(rounds, "ROUND_BYTES", examples_a_chunk * 3_000)
    monkeypatch.setattr(rounds, "GROUP_BYTES", examples_a_chunk * 100)
    further = {"limits": {"input_chars": limit}} if limit else {}
    lock = lock_of(quickstart, shards=5, examples=2_000, **further)
    wanted = [0, 1, 3, 4]

    results = built_in_rounds(
        lock, store=quickstart.store, shards=wanted, folder=tmp_path / "rounds"
    )

    assert sorted(results) == wanted
    for shard in wanted:
        alone = build_shard(lock, store=quickstart.store, out=str(tmp_path / "one"), shard=shard)
        assert results[shard] == alone
        assert (tmp_path / "rounds" / alone.file).read_bytes() == (
            tmp_path / "one" / alone.file
        ).read_bytes()
    if limit:
        assert any(r.dropped for r in results.values())
        assert any(r.redrawn for r in results.values())


@given(
    quotas=st.lists(st.integers(0, 5_000), min_size=1, max_size=30),
    size=st.floats(1, 1e6),
    shards=st.integers(1, 12),
)
def test_every_task_and_shard_stands_in_one_chunk(
    quotas: list[int], size: float, shards: int
) -> None:
    """Chunks cover all draws once, and none but a single shard's is larger than asked."""
    chunks = list(rounds._chunks(quotas, [size] * len(quotas), range(shards), shards))
    covered = [
        (piece.task, place)
        for pieces in chunks
        for piece in pieces
        for place in range(piece.first, piece.last)
    ]

    assert sorted(covered) == [(t, s) for t in range(len(quotas)) for s in range(shards)]
    for pieces in chunks:
        examples = sum(quotas[p.task] / shards * (p.last - p.first) for p in pieces)
        too_large = (
            examples > rounds.CHUNK_EXAMPLES + 1 or examples * size > rounds.CHUNK_BYTES * 1.001
        )
        single = len(pieces) == 1 and pieces[0].last - pieces[0].first == 1
        assert single or not too_large
    assert all(isinstance(piece, Piece) for pieces in chunks for piece in pieces)


def test_one_shard_is_built_by_itself(quickstart: Any) -> None:
    """Rounds are for many shards of small tasks."""
    lock = lock_of(quickstart, shards=5, examples=2_000)

    assert not worth_rounds(lock, [3])
    assert worth_rounds(lock, [0, 1])


@pytest.mark.parametrize("workers", [0, 2])
def test_rounds_that_follow_one_another_give_the_same_and_leave_nothing(
    quickstart: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """Shards of a round are put together while the next is rendered; files of two stand there."""
    monkeypatch.setattr(rounds, "CHUNK_EXAMPLES", 300)
    monkeypatch.setattr(rounds, "ROUND_BYTES", 400_000)
    lock = lock_of(quickstart, shards=6, examples=2_400)
    folder, out = tmp_path / "chunks", tmp_path / "out"
    parts = list(plan_rounds(lock, store=quickstart.store, shards=list(range(6)), folder=folder))
    assert len(parts) > 2
    rendered: list[int] = []
    most_files = 0

    built = {}
    runner = LocalRunner(workers=workers)
    for result in runner.build(
        lock,
        store=quickstart.store,
        out=str(out),
        shards=list(range(6)),
        on_rendered=rendered.append,
    ):
        built[result.shard] = result
        most_files = max(most_files, len(list(out.rglob("chunk-*.arrow"))))

    assert sum(rendered) == sum(result.rows for result in built.values())
    assert (
        0
        < most_files
        <= max(
            len(one.chunks) + len(next_one.chunks)
            for one, next_one in zip(parts, [*parts[1:], parts[-1]], strict=True)
        )
    )
    assert not list(out.rglob("*.arrow"))
    for shard, result in built.items():
        alone = build_shard(lock, store=quickstart.store, out=str(tmp_path / "one"), shard=shard)
        assert result == alone
        assert (out / alone.file).read_bytes() == (tmp_path / "one" / alone.file).read_bytes()


@pytest.mark.parametrize(
    ("megabytes", "examples", "tasks", "shards", "workers", "together"),
    [
        # A large task is begun with at next to no cost: rounds are as small as they may be.
        (1_000, 2_000_000, 10, 100, 2, 20),
        # Each of more workers finds something to do.
        (1_000, 2_000_000, 10, 100, 8, 80),
        # With many small tasks each round begins with all of them: as large as it may be.
        (4_000, 2_000_000, 2_000, 100, 2, 53),
        # In between, a round has 8,000 draws of each task.
        (1_000, 1_000_000, 60, 100, 2, 48),
        (1, 1_000, 60, 3, 2, 1_440),
        (9_000, 1_000, 1, 2, 64, 1),
    ],
)
def test_a_round_is_as_large_as_its_tasks_are_worth(
    megabytes: int, examples: int, tasks: int, shards: int, workers: int, together: int
) -> None:
    """Files of a small round are gone before they are put on the disk."""
    size = megabytes * 1e6
    small = rounds.WORKER_ROUND_BYTES * workers
    found = rounds._together(size, examples, tasks=tasks, shards=shards, small=small)
    assert found == together


def test_a_chunk_written_over_a_longer_one_is_the_same_file(
    quickstart: Any, tmp_path: Path
) -> None:
    """Files of a round are written over by a later one: nothing of what stood there is left."""
    lock = lock_of(quickstart, shards=2, examples=600)
    folders = [tmp_path / "fresh", tmp_path / "used"]
    for folder in folders:
        folder.mkdir()
        (part,) = plan_rounds(lock, store=quickstart.store, shards=[0, 1], folder=folder)
        for chunk in part.chunks:
            if folder.name == "used":
                Path(chunk.file).write_bytes(b"x" * 10_000_000)
            render_chunk(lock, chunk, store=quickstart.store)

    fresh, used = ({f.name: f.read_bytes() for f in folder.iterdir()} for folder in folders)
    assert fresh == used
    assert all(0 < len(content) < 10_000_000 for content in fresh.values())
