"""Asking web servers for the first kilobyte of a file."""

from __future__ import annotations

import asyncio
import socket
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING

from mixture_builder.io.asking.answers import HEAD_BYTES, Answer

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

ATTEMPTS = 3
"""How often a server that asks for patience (429, 503) is asked."""

MAX_REDIRECTS = 10


async def ask_web(session: ClientSession, url: str, *, timeout: float) -> Answer:
    """What a web server gives for an address, redirects followed.

    Args:
      session: with the user's proxies; bounds connections.
      url: http or https.
      timeout: seconds for each attempt, and at most as long between two.
    """
    for attempt in range(1, ATTEMPTS + 1):
        answer, wait = await _once(session, url, timeout=timeout)
        if wait is None or attempt == ATTEMPTS:
            break
        await asyncio.sleep(min(wait, timeout))
    return answer


async def _once(
    session: ClientSession,
    url: str,
    *,
    timeout: float,
) -> tuple[Answer, float | None]:
    """The answer, and after how many seconds to ask again if the server wants patience."""
    from aiohttp import ClientError, ClientTimeout, TooManyRedirects

    try:
        async with session.get(
            url,
            # A server that knows no ranges sends all; reading stops after the first bytes.
            headers={"Range": f"bytes=0-{HEAD_BYTES - 1}", "Accept-Encoding": "identity"},
            timeout=ClientTimeout(total=timeout),
            max_redirects=MAX_REDIRECTS,
        ) as response:
            return await _answer(response)
    except asyncio.TimeoutError:
        return Answer(reason="timeout", detail=f"no answer within {timeout:g} s"), None
    except TooManyRedirects:
        return Answer(reason="status", detail=f"more than {MAX_REDIRECTS} redirects"), None
    except (ClientError, OSError, ValueError) as problem:
        return _no_answer(problem), None


async def _answer(response: ClientResponse) -> tuple[Answer, float | None]:
    status = response.status
    said = f"{status} {response.reason or ''}".rstrip()
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        # There is no first byte.
        return Answer(), None
    if status < 400:
        head = b""
        while len(head) < HEAD_BYTES and (more := await response.content.read(HEAD_BYTES)):
            head += more
        return Answer(head=head[:HEAD_BYTES]), None
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return Answer(reason="not_found", detail=said), None
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Answer(reason="forbidden", detail=said), None
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        asked = response.headers.get("Retry-After", "")
        wait = float(asked) if asked.isdigit() else 1.0
        busy = status == HTTPStatus.TOO_MANY_REQUESTS
        return Answer(reason="too_many_requests" if busy else "status", detail=said), wait
    return Answer(reason="status", detail=said), None


def _no_answer(problem: Exception) -> Answer:
    chain: list[BaseException | None] = [problem, problem.__cause__]
    chain.append(getattr(problem, "os_error", None))
    if any(isinstance(link, socket.gaierror) for link in chain):
        return Answer(reason="dns", detail="the name of the host is not known")
    if any(isinstance(link, ssl.SSLError) for link in chain):
        return Answer(reason="connection", detail=f"no trusted connection: {_short(problem)}")
    return Answer(reason="connection", detail=_short(problem))


def _short(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"[:200].rstrip(": ")
