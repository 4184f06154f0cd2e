"""Whether the sources of cards still answer: each distinct address is asked once.

Of an archive only the archive is asked, of a dataset of the Hub only its description. That a
source answers does not say that its records fit the card; `ingest` finds that out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mixture_builder.cards import TaskCard
from mixture_builder.errors import SourceError
from mixture_builder.io.asking import Answer, HostCount, ask_all, host_of, problem_with
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import SourceFile, named_files
from mixture_builder.io.readers.files import hub_key
from mixture_builder.jobs.ingest.planning import order_of_sources
from mixture_builder.sources import Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """An address of no use.

    Attributes:
      address: as the card names it.
      reason: a word for programs; see `mixture_builder.io.asking`.
      detail: the same for people.
    """

    address: str
    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskSources:
    """What became of the sources of one task.

    Attributes:
      state: availability, as the card says it.
      failures: for each source in the card's order, what keeps it from being read; empty
        where it answers.
      answers: number, from 1, of the source that a build would read; `None` if none answers.
        Sources the mirror has copies of come first.
    """

    task: str
    state: str
    failures: tuple[tuple[Failure, ...], ...]
    answers: int | None

    @property
    def sound(self) -> bool:
        """Whether what the card says of its availability holds."""
        return self.answers is not None or self.state != "public"

    def to_json(self) -> dict[str, Any]:
        """Plain data, for `doctor --sources --json`."""
        return {
            "task": self.task,
            "availability": self.state,
            "answers": self.answers,
            "sources": [
                {"answers": not failures, "failures": [asdict(f) for f in failures]}
                for failures in self.failures
            ],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceReport:
    """All tasks, by id, and all hosts, those with most addresses first."""

    tasks: tuple[TaskSources, ...]
    hosts: tuple[HostCount, ...]

    @property
    def sound(self) -> bool:
        """Whether every task whose card says `public` has a source that answers."""
        return all(task.sound for task in self.tasks)


def check_sources(
    cards: Mapping[str, TaskCard],
    *,
    mirror: Mirror,
    timeout: float,
    told: Callable[[int, int], None] = lambda _done, _all: None,
) -> SourceReport:
    """Asks every distinct address of the cards' sources.

    Args:
      cards: by id.
      mirror: addresses it speaks of are asked where it says.
      timeout: seconds that one address has.
      told: called with how many addresses were just finished, and how many there are.
    """
    named = {
        task: [_named(s.source, base=card.folder, mirror=mirror) for s in card.sources]
        for task, card in cards.items()
    }
    places = {
        _location(file, source)
        for task, card in cards.items()
        for (files, _), source in zip(named[task], (s.source for s in card.sources), strict=True)
        for file in files
    }
    told(0, len(places))
    answers = ask_all(places, timeout=timeout, told=lambda done: told(done, len(places)))
    tasks = []
    for task, card in cards.items():
        failures = tuple(
            _failures(files, refused, source=alternative.source, answers=answers)
            for (files, refused), alternative in zip(named[task], card.sources, strict=True)
        )
        order = order_of_sources(card, mirror=mirror)
        first = next((number + 1 for number in order if not failures[number]), None)
        tasks.append(TaskSources(task=task, state=card.state, failures=failures, answers=first))
    return SourceReport(tasks=tuple(tasks), hosts=_hosts(answers))


def _named(
    source: Source, *, base: str, mirror: Mirror
) -> tuple[Sequence[SourceFile], tuple[Failure, ...]]:
    try:
        return named_files(source, base=base, mirror=mirror), ()
    except SourceError as problem:
        address = source.files[0] if source.files else source.dataset
        return [], (Failure(address=address, reason="refused", detail=str(problem)),)


def _location(file: SourceFile, source: Source) -> str:
    """What is asked about a file; of a dataset of the Hub, its repository."""
    return file.location or hub_key(source).rsplit("/", 2)[0]


def _failures(
    files: Sequence[SourceFile],
    refused: tuple[Failure, ...],
    *,
    source: Source,
    answers: Mapping[str, Answer],
) -> tuple[Failure, ...]:
    found = list(refused)
    for file in files:
        problem = problem_with(answers[_location(file, source)], file=file, source=source)
        if problem is not None:
            found.append(Failure(address=file.name, reason=problem.reason, detail=problem.detail))
    return tuple(found)


def _hosts(answers: Mapping[str, Answer]) -> tuple[HostCount, ...]:
    asked = Counter(map(host_of, answers))
    good = Counter(host_of(location) for location, answer in answers.items() if not answer.reason)
    return tuple(
        HostCount(host=host, addresses=count, answer=good[host])
        for host, count in sorted(asked.items(), key=lambda item: (-item[1], item[0]))
    )
