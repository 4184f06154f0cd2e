"""Web servers that fail in the middle of an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.local_server import Answers, running


@dataclass(kw_only=True)
class Fickle:
    """A server of one file.

    Attributes:
      body: the file.
      faults: what happens to one request after another: a status, "cut" (the answer breaks off
        in its middle) or "stall" (its second half never comes); afterwards all goes well.
      asked: how often it was asked for the file.
    """

    body: bytes
    faults: list[int | str]
    asked: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)


@contextmanager
def fickle_server(fickle: Fickle) -> Iterator[str]:
    """Serves until the block ends; gives the address of the file."""

    class Handler(Answers):
        protocol_version = "HTTP/1.0"

        def do_HEAD(self) -> None:  # noqa: N802  (what http.server asks for)
            self.send_response(200)
            self.send_header("Content-Length", str(len(fickle.body)))
            self.end_headers()

        def do_GET(self) -> None:  # noqa: N802  (what http.server asks for)
            fickle.asked += 1
            fault = fickle.faults.pop(0) if fickle.faults else 200
            self.send_response(fault if isinstance(fault, int) else 200)
            self.send_header("Content-Length", str(len(fickle.body)))
            self.end_headers()
            half = len(fickle.body) // 2
            self.wfile.write(fickle.body[:half])
            self.wfile.flush()
            if fault == "stall":
                fickle.stopped.wait()
            if isinstance(fault, int):
                self.wfile.write(fickle.body[half:])

    with running(Handler) as url:
        try:
            yield f"{url}/data.jsonl"
        finally:
            fickle.stopped.set()
