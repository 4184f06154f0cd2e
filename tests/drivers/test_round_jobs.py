"""Jobs of rounds: none begins before what it reads is there, or writes over what is still read."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.drivers.pool import Job, WorkerPool
from mixture_builder.drivers.round_jobs import RoundJobs
from mixture_builder.jobs.rounds import Assembly, Chunk, Round


def rounds_of(sizes: list[tuple[int, int]]) -> Iterator[Round]:
    """Rounds of so many chunks and shards; files alternate as `plan_rounds` names them."""
    first = 0
    for number, (chunks, shards) in enumerate(sizes):
        mine = tuple(range(first, first + shards))
        first += shards
        yield Round(
            shards=mine,
            chunks=tuple(
                Chunk(shards=mine, pieces=(), file=f"chunk-{at}-{'ab'[number % 2]}")
                for at in range(chunks)
            ),
        )


# Workers of a pool can call these; each says what it was given.
render, assemble = str, repr

sizes_of_rounds = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), max_size=6)


@given(sizes=sizes_of_rounds, workers=st.integers(1, 5), data=st.data())
def test_every_job_is_given_once_and_finds_what_it_reads(
    sizes: list[tuple[int, int]], workers: int, data: st.DataObject
) -> None:
    """Whatever finishes first, each file holds the chunk of a shard's own round while it is read.

    A worker waits only where nothing could be begun: all that is left needs a job at work.
    """
    jobs = RoundJobs(rounds_of(sizes), out="out", render=render, assemble=assemble)
    busy: list[Job] = []
    written: dict[str, tuple[int, ...]] = {}
    begun_shards: list[int] = []
    chunks = 0
    ended = False
    while not ended or busy:
        while len(busy) < workers and not ended:
            job = next(jobs, jobs)
            if job is jobs:
                ended = True
                break
            if job is None:
                assert busy
                break
            assert isinstance(job, Job)
            if isinstance(job.argument, Chunk):
                chunks += 1
                # Nobody reads what is written over.
                readers = [each.argument for each in busy if isinstance(each.argument, Assembly)]
                assert all(job.argument.file not in each.files for each in readers)
                written[job.argument.file] = ()
            else:
                begun_shards.append(job.argument.shard)
                assert all(job.argument.shard in written[file] for file in job.argument.files)
            busy.append(job)
        if busy:
            done = busy.pop(data.draw(st.integers(0, len(busy) - 1)))
            if isinstance(done.argument, Chunk):
                written[done.argument.file] = done.argument.shards
            jobs.done(done)

    assert chunks == sum(count for count, _ in sizes)
    assert sorted(begun_shards) == list(range(sum(count for _, count in sizes)))


@given(sizes=sizes_of_rounds)
def test_chunks_of_the_next_round_fill_the_time_until_the_last_of_one_is_rendered(
    sizes: list[tuple[int, int]],
) -> None:
    """With more workers than chunks the next round is begun, and no other after it."""
    jobs = RoundJobs(rounds_of(sizes), out="out", render=render, assemble=assemble)
    begun = []
    while sizes and (job := next(jobs)) is not None:
        begun.append(job)

    assert len(begun) == sum(count for count, _ in sizes[:2])


def test_shards_come_before_chunks_of_the_next_round() -> None:
    """What is rendered is written as soon as it can be: so little of it stands on the disk."""
    jobs = RoundJobs(rounds_of([(1, 2), (2, 1)]), out="out", render=render, assemble=assemble)
    first = next(jobs)
    assert first is not None
    jobs.done(first)

    order = [next(jobs) for _ in range(4)]

    assert [type(job.argument) for job in order if job] == [Assembly, Assembly, Chunk, Chunk]
    assert next(jobs) is None


def test_all_rounds_run_without_workers_and_with_them() -> None:
    """One process does one job after the other; workers do the same ones."""
    results = []
    for workers in (0, 3):
        jobs = RoundJobs(
            rounds_of([(2, 3), (1, 1), (3, 2)]), out="out", render=render, assemble=assemble
        )
        with WorkerPool(workers) as pool:
            results.append(sorted(found for _, found in pool.run(jobs, done=jobs.done)))

    assert results[0] == results[1]
    assert len(results[0]) == 12
