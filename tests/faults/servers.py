"""Web servers that fail in the middle of an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


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

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(fickle.body)))
            self.end_headers()

        def do_GET(self) -> None:
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

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/data.jsonl"
    finally:
        fickle.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()
