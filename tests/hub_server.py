"""A small Hub on this machine: as much of its API as its own clients need to read one dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import yaml

from tests.local_server import Answers, running

COMMIT = "a" * 40


@contextmanager
def hub_with(dataset: str, files: Mapping[str, bytes]) -> Iterator[str]:
    """Serves a dataset of these files; gives the endpoint. `README.md` begins with its metadata."""
    api = f"/api/datasets/{dataset}"
    card = yaml.safe_load(files["README.md"].split(b"---")[1])
    entries = [
        {"type": "file", "path": name, "size": len(body), "oid": hashlib.sha1(body).hexdigest()}
        for name, body in files.items()
    ]
    about = {
        "_id": "1",
        "id": dataset,
        "sha": COMMIT,
        "siblings": [{"rfilename": name} for name in files],
        "cardData": card,
    }

    class Handler(Answers):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.split("?")[0]
            name = path.partition(f"/{dataset}/resolve/")[2].partition("/")[2]
            if path == api or path.startswith(f"{api}/revision/"):
                self.send(json.dumps(about).encode())
            elif path.startswith(f"{api}/tree/"):
                self.send(json.dumps(entries).encode())
            elif name in files:
                self.send_file(files[name])
            else:
                self.send(b"{}", 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})

        def send_file(self, body: bytes) -> None:
            about = {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": COMMIT}
            if self.command == "GET" and "Range" in self.headers:
                first, last = self.headers["Range"].removeprefix("bytes=").split("-")
                about["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
                self.send(body[int(first) : int(last or len(body)) + 1], 206, about)
            else:
                self.send(body, 200, about)

        def send(self, body: bytes, status: int = 200, headers: Any = None) -> None:
            self.send_response(status)
            for header, value in (headers or {}).items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = answer  # noqa: N815  (the names that http.server asks for)

    with running(Handler) as url:
        yield url
