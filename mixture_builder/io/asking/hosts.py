"""Asking many addresses at once: how many connections a host gets, and when it is given up.

Time is bounded: each address has its own limit, and a host that could not be reached some
times in a row is not asked for the rest of its addresses.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mixture_builder.io.asking.answers import NO_CONNECTION, Answer
from mixture_builder.io.asking.hub import ask_hub, parts_of
from mixture_builder.io.asking.places import ask_cloud, ask_file
from mixture_builder.io.asking.web import ask_web
from mixture_builder.io.mirror import has_scheme
from mixture_builder.io.readers.addresses import checked_socket

if TYPE_CHECKING:
    from aiohttp import ClientSession

HOST_CONNECTIONS = 8
"""Addresses of one host that are asked at the same time."""

CONNECTIONS = 48
"""Addresses of all hosts that are asked at the same time."""

GIVE_UP_AFTER = 3
"""Failures to reach a host, one after another, after which it is asked no more."""

HUB, LOCAL = "Hugging Face Hub", "this machine"


@dataclass(frozen=True, kw_only=True, slots=True)
class HostCount:
    """How many distinct addresses of a host were wanted, and how many of them answer."""

    host: str
    addresses: int
    answer: int


def place_to_ask(location: str) -> str:
    """What is asked about a location: of the Hub the repository, which all its files share.

    >>> place_to_ask("hf://datasets/owner/name@main/a/b.parquet")
    'hf://datasets/owner/name@main'
    >>> place_to_ask("https://example.org/a.csv")
    'https://example.org/a.csv'
    """
    if not location.startswith("hf://datasets/"):
        return location
    dataset, revision, _ = parts_of(location)
    return f"hf://datasets/{dataset}" + (f"@{revision.replace('/', '%2F')}" if revision else "")


def host_of(location: str) -> str:
    """The host of an address, as people know it.

    >>> host_of("https://example.org:8080/a"), host_of("hf://datasets/a/b/c"), host_of("/a/b")
    ('example.org:8080', 'Hugging Face Hub', 'this machine')
    """
    if not has_scheme(location):
        return LOCAL
    parts = urlsplit(location)
    if parts.scheme == "hf":
        return HUB
    return parts.netloc if parts.scheme in {"http", "https"} else f"{parts.scheme}://{parts.netloc}"


@dataclass(kw_only=True)
class _Host:
    """What is known of a host while its addresses are asked."""

    free: asyncio.Semaphore
    failures: int = 0
    last: Answer = field(default_factory=Answer)

    def note(self, answer: Answer) -> None:
        if answer.reason in NO_CONNECTION:
            self.failures += 1
            self.last = answer
        elif self.failures < GIVE_UP_AFTER:
            self.failures = 0


def ask_all(
    locations: Iterable[str],
    *,
    timeout: float,
    told: Callable[[int], None] = lambda _: None,
) -> dict[str, Answer]:
    """What each location answers; one of several on a repository of the Hub answers for all.

    Args:
      locations: URLs and absolute local paths, each without steps into archives.
      timeout: seconds that one address has.
      told: called with the number of locations that were just finished.
    """
    wanted = Counter(place_to_ask(location) for location in set(locations))
    answers = asyncio.run(_ask_all(wanted, timeout=timeout, told=told))
    return {location: answers[place_to_ask(location)] for location in set(locations)}


async def _ask_all(
    wanted: Mapping[str, int],
    *,
    timeout: float,
    told: Callable[[int], None],
) -> dict[str, Answer]:
    from aiohttp import ClientSession, TCPConnector

    hosts = {
        host: _Host(free=asyncio.Semaphore(HOST_CONNECTIONS)) for host in {*map(host_of, wanted)}
    }
    all_hosts = asyncio.Semaphore(CONNECTIONS)
    answers: dict[str, Answer] = {}

    async def ask(place: str, session: ClientSession) -> None:
        host = hosts[host_of(place)]
        async with host.free:
            if host.failures >= GIVE_UP_AFTER:
                detail = f"not asked: its host failed {host.failures} times ({host.last.detail})"
                answers[place] = Answer(reason="unreachable", detail=detail)
            else:
                async with all_hosts:
                    answers[place] = await _ask(place, session=session, timeout=timeout)
                host.note(answers[place])
        told(wanted[place])

    # As many connections as are asked for at once: the semaphores above bound them.
    async with ClientSession(
        connector=TCPConnector(limit=0, socket_factory=checked_socket), trust_env=True
    ) as session:
        await asyncio.gather(*(ask(place, session) for place in wanted))
    return answers


async def _ask(
    place: str,
    *,
    session: ClientSession,
    timeout: float,
) -> Answer:
    if not has_scheme(place):
        return ask_file(place)
    if place.startswith(("http://", "https://")):
        if "*" in place:
            detail = "a web server cannot list what fits the '*'; mirror the folder"
            return Answer(reason="refused", detail=detail)
        return await ask_web(session, place, timeout=timeout)
    if place.startswith("hf://"):
        return await _in_thread(lambda: ask_hub(place, timeout=timeout), timeout=2 * timeout)
    return await _in_thread(lambda: ask_cloud(place), timeout=timeout)


async def _in_thread(work: Callable[[], Answer], *, timeout: float) -> Answer:
    """What `work` gives, if it ends in time; its thread never keeps the process from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Answer] = loop.create_future()

    def settle(answer: Answer) -> None:
        if not done.done():
            done.set_result(answer)

    def run() -> None:
        try:
            answer = work()
        except Exception as problem:  # noqa: BLE001  (a thread's error would be lost)
            answer = Answer(reason="error", detail=f"{type(problem).__name__}: {problem}"[:200])
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, answer)

    threading.Thread(target=run, daemon=True).start()
    try:
        return await asyncio.wait_for(done, timeout)
    except asyncio.TimeoutError:
        return Answer(reason="timeout", detail=f"no answer within {timeout:g} s")
