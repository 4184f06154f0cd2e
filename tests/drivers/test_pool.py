"""The pool: which job a worker gets, and when."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mixture_builder.drivers.pool import Job, WorkerPool


def job_of(number: int) -> Job:
    """A job that gives its number."""
    return Job(label=f"job {number}", function=int, argument=number)


def test_a_worker_gets_its_next_job_before_the_result_of_the_last_is_looked_at() -> None:
    """What is done with results keeps no worker waiting."""
    taken: list[int] = []

    def jobs() -> Iterator[Job]:
        for number in range(4):
            taken.append(number)
            yield job_of(number)

    with WorkerPool(1) as pool:
        seen = [(result, len(taken)) for _, result in pool.run(jobs())]

    assert seen == [(0, 2), (1, 3), (2, 4), (3, 4)]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_jobs_that_wait_for_another_are_begun_when_it_is_done(workers: int) -> None:
    """A pool asks again for jobs after each that has finished; the source has been told of it."""
    done: list[str] = []

    def jobs() -> Iterator[Job | None]:
        yield job_of(0)
        while not done:
            yield None
        assert done == ["job 0"]
        yield job_of(1)

    with WorkerPool(workers) as pool:
        found = [result for _, result in pool.run(jobs(), done=lambda job: done.append(job.label))]

    assert found == [0, 1]


def test_jobs_that_wait_for_nothing_are_not_left_out_silently() -> None:
    """A source that holds jobs back with nobody at work would never give them."""
    with WorkerPool(1) as pool, pytest.raises(AssertionError):
        list(pool.run(iter([job_of(0), None, job_of(1)])))
