"""A real S3 protocol on this machine: moto's server, which can be busy or show old listings."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)

EMPTY_LISTING = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>'
    b"<Prefix></Prefix><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys>"
    b"<IsTruncated>false</IsTruncated></ListBucketResult>"
)


@dataclass
class S3Server:
    """The server.

    Attributes:
      url: where it listens.
      busy: told the method and path of each request; whether to answer it with "slow down".
      lists: whether listings show what is there; otherwise they are empty.
      requests: method, path and status of every request that was answered.
    """

    url: str = ""
    busy: Callable[[str, str], bool] = field(default=lambda method, path: False)
    lists: bool = True
    requests: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What clients need to know, as environment variables."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            # The client's own tries wait for seconds; the tests are about ours.
            "AWS_RETRY_MODE": "standard",
            "AWS_MAX_ATTEMPTS": "1",
        }

    def reset(self) -> None:
        """Answers as it should again, and forgets the requests."""
        self.busy = lambda method, path: False
        self.lists = True
        self.requests.clear()

    def throttled(self) -> int:
        """How many requests were answered with "slow down"."""
        return sum(status == 503 for _, _, status in self.requests)


def headers_of(body: bytes) -> list[tuple[str, str]]:
    """Headers of an answer in XML."""
    return [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Runs the server in a thread of this process."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    state = S3Server()
    moto = DomainDispatcherApplication(create_backend_app)

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        query = environ.get("QUERY_STRING", "")
        if state.busy(method, path):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            state.requests.append((method, path, 503))
            length = str(len(SLOW_DOWN))
            start(
                "503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", length)]
            )
            return [] if method == "HEAD" else [SLOW_DOWN]
        if method == "GET" and "list-type=2" in query and not state.lists:
            state.requests.append((method, path, 200))
            start("200 OK", headers_of(EMPTY_LISTING))
            return [EMPTY_LISTING]

        def started(status: str, headers: Any, *rest: Any) -> Any:
            state.requests.append((method, path, int(status.split(maxsplit=1)[0])))
            return start(status, headers, *rest)

        answered: Iterable[bytes] = moto(environ, started)
        return answered

    server = make_server("127.0.0.1", 0, answer, threaded=True)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
