"""A real web server on this machine, for tests of what the network may answer."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.local_server import Answers, running


@dataclass(kw_only=True)
class Page:
    """What stands at a path.

    Attributes:
      body: its bytes.
      status: of the answer; those of `busy` come first, one a request.
      to: where it redirects.
      slow: no answer before the server is stopped.
      ranges: whether parts of it are served.
      headers: sent with it.
    """

    body: bytes = b""
    status: int = 200
    busy: list[int] = field(default_factory=list)
    to: str = ""
    slow: bool = False
    ranges: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Server:
    """A running server: its address, and how often each path was asked for."""

    url: str
    asked: Counter[str]


@contextmanager
def served(pages: Mapping[str, Page]) -> Iterator[Server]:
    """Serves pages by path until the block ends; other paths are 404."""
    asked: Counter[str] = Counter()
    stopped = threading.Event()

    class Handler(Answers):
        def do_GET(self) -> None:  # noqa: N802  (what http.server asks for)
            path = self.path.split("?")[0]
            asked[path] += 1
            page = pages.get(path, Page(status=404, body=b"<html>not here</html>"))
            if page.slow:
                stopped.wait()
                self.close_connection = True
                return
            status = page.busy.pop(0) if page.busy else page.status
            body = page.body
            if page.to:
                status = 302
            elif status == 200 and page.ranges and "Range" in self.headers:
                first, last = self.headers["Range"].removeprefix("bytes=").split("-")
                status, body = 206, body[int(first) : int(last) + 1]
                if not body:
                    status = 416
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if page.to:
                self.send_header("Location", page.to)
            for name, value in page.headers.items():
                self.send_header(name, value)
            if status in {429, 503}:
                self.send_header("Retry-After", "0")
            self.end_headers()
            try:
                self.wfile.write(body)
            except ConnectionError:
                # Who asks may have seen enough.
                self.close_connection = True

    with running(Handler) as url:
        try:
            yield Server(url=url, asked=asked)
        finally:
            stopped.set()
