"""A Hub on this machine that can be written to: as much of its protocol as its own client uses.

Repositories, uploads of large files, commits, tags, listings and downloads, over real HTTP, with
faults at wish. What the real Hub does beyond that (quotas, chunked transfer, checks of metadata)
is not here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.local_server import Answers, running

TOKEN = "hf_a-token-that-must-not-be-seen-anywhere"
LARGE_SUFFIXES = (".parquet",)
SMALL = 10_000_000


@dataclass(kw_only=True)
class Fault:
    """Something that goes wrong with requests to some paths.

    Attributes:
      method, path: of the requests; `path` is a part of theirs.
      status: of the answer; 0 to cut the connection instead.
      done_first: whether the request is carried out before, so that only its answer is lost.
      headers: of the answer.
      times: how often; the fault is gone then.
      skip: requests that go well before.
    """

    method: str
    path: str
    status: int = 0
    done_first: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    skip: int = 0


@dataclass(kw_only=True)
class Hub:
    """A running Hub with one dataset repository at most.

    Attributes:
      url: its address.
      faults: to come.
      commits: all of them, oldest first: files by path, each name the hash of its content.
      messages: of the commits.
      tags: commits by name.
      stored: contents of large files by SHA-256, and of small ones by git's name.
      received: bytes that were uploaded, by SHA-256.
      requests: how often each method and kind of path was asked for.
      tokens: all that were seen.
      private: what the repository was made as; `None` while there is none.
      on_upload: called with the number of large files that are there after each upload.
    """

    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    commits: list[dict[str, str]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    received: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    tokens: set[str] = field(default_factory=set)
    private: bool | None = None
    repository: str = ""
    on_upload: Callable[[int], None] | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def files(self) -> dict[str, bytes]:
        """Contents of the last commit, by path."""
        return {path: self.stored[name] for path, name in self.commits[-1].items()}

    def sha(self, index: int = -1) -> str:
        """The name of a commit."""
        position = index % len(self.commits)
        return hashlib.sha1(f"commit {position}".encode()).hexdigest()

    def at(self, revision: str) -> int | None:
        """The index of the commit that a branch, tag or commit name stands for."""
        revision = unquote(revision)
        if revision in {"main", "HEAD"}:
            return len(self.commits) - 1
        sha = self.tags.get(revision, revision)
        for index in range(len(self.commits)):
            if self.sha(index) == sha:
                return index
        return None

    def keep(self, content: bytes, *, large: bool) -> str:
        """Stores a content and gives its name."""
        if large:
            name = hashlib.sha256(content).hexdigest()
            self.large.add(name)
        else:
            name = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
        self.stored[name] = content
        return name

    def put(self, path: str, content: bytes) -> None:
        """Somebody else commits a file."""
        name = self.keep(content, large=path.endswith(LARGE_SUFFIXES))
        self.commits.append({**self.commits[-1], path: name})
        self.messages.append("by hand")

    def make(self, repository: str, *, private: bool = False) -> None:
        """Makes the repository, as the Hub does: with one file of git's."""
        self.repository, self.private = repository, private
        self.commits.append({".gitattributes": self.keep(b"*.parquet lfs\n", large=False)})
        self.messages.append("initial commit")


@contextmanager
def writable_hub() -> Iterator[Hub]:
    """A Hub without repositories, until the block ends."""
    hub = Hub()

    class Handler(_Handler):
        state = hub

    with running(Handler) as hub.url:
        yield hub


class _Handler(Answers):
    state: Hub

    def answer(self) -> None:
        hub = self.state
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self._chunks()
        where = urlsplit(self.path)
        path, query = where.path, parse_qs(where.query)
        with hub.lock:
            hub.requests[f"{self.command} {path.split('/')[1]}"] += 1
            fault = self._fault(path)
            if fault and not fault.done_first:
                self._break(fault)
                return
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            if token:
                hub.tokens.add(token)
            headers: dict[str, str]
            if token != TOKEN and not path.startswith("/upload/"):
                status, data, headers = 401, b'{"error": "who are you?"}', {}
            else:
                status, data, headers = self._do(path, query, body)
        if fault:
            self._break(fault)
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _fault(self, path: str) -> Fault | None:
        for fault in self.state.faults:
            if fault.method == self.command and fault.path in path and fault.times:
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    def _break(self, fault: Fault) -> None:
        if fault.status:
            self.send_response(fault.status)
            for name, value in fault.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")
        self.close_connection = True

    def _do(
        self, path: str, query: Mapping[str, list[str]], body: bytes
    ) -> tuple[int, bytes, dict[str, str]]:
        hub = self.state
        if path == "/api/repos/create":
            asked = json.loads(body)
            named = f"{asked['organization']}/{asked['name']}"
            url = {"url": f"{hub.url}/datasets/{named}"}
            if hub.repository == named:
                return _json({**url, "error": "You already created this dataset repo"}, 409)
            private = bool(asked.get("private")) or asked.get("visibility") == "private"
            hub.make(named, private=private)
            return _json(url)
        if path == "/api/validate-yaml":
            return _json({"errors": [], "warnings": []})
        if path.startswith("/upload/"):
            return self._upload(path, body)
        repository = hub.repository or "no/repository"
        api = f"/api/datasets/{repository}"
        if path == f"/datasets/{repository}.git/info/lfs/objects/batch":
            return self._batch(json.loads(body))
        if path.startswith(f"/datasets/{repository}/resolve/"):
            return self._resolve(path.removeprefix(f"/datasets/{repository}/resolve/"))
        if path == api or path.startswith(f"{api}/"):
            action, _, rest = path.removeprefix(api).strip("/").partition("/")
            handler = getattr(self, f"_{action.replace('-', '_') or 'info'}")
            result: tuple[int, bytes, dict[str, str]] = handler(rest, query, body)
            return result
        return _json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})

    def _info(self, _rest: str, _query: Any, _body: bytes) -> tuple[int, bytes, dict[str, str]]:
        return self._revision("main", _query, _body)

    def _revision(self, rest: str, _query: Any, _body: bytes) -> tuple[int, bytes, dict[str, str]]:
        index = self.state.at(rest)
        if index is None:
            return _json({}, 404, {"X-Error-Code": "RevisionNotFound"})
        return _json(
            {
                "_id": "1",
                "id": self.state.repository,
                "sha": self.state.sha(index),
                "private": self.state.private,
                "siblings": [{"rfilename": name} for name in self.state.commits[index]],
            }
        )

    def _preupload(self, _rest: str, _query: Any, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        last = self.state.commits[-1]
        files = []
        for file in json.loads(body)["files"]:
            large = file["path"].endswith(LARGE_SUFFIXES) or file["size"] > SMALL
            found = {"oid": last[file["path"]]} if file["path"] in last else {}
            mode = "lfs" if large else "regular"
            files.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, **found})
        return _json({"files": files})

    def _batch(self, asked: Mapping[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        objects = []
        for entry in asked["objects"]:
            oid = entry["oid"]
            url = f"{self.state.url}/upload/{oid}?signature=secret"
            actions = {} if oid in self.state.large else {"actions": {"upload": {"href": url}}}
            objects.append({"oid": oid, "size": entry["size"], **actions})
        return _json({"objects": objects, "transfer": "basic"})

    def _upload(self, path: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        oid = path.rpartition("/")[2]
        self.state.received[oid] += len(body)
        if hashlib.sha256(body).hexdigest() != oid:
            return _json({"error": "another content"}, 400)
        self.state.keep(body, large=True)
        if self.state.on_upload:
            self.state.on_upload(len(self.state.large))
        return 200, b"", {}

    def _commit(self, _rest: str, _query: Any, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        hub = self.state
        lines = [json.loads(line) for line in body.splitlines()]
        head = lines[0]["value"]
        if head.get("parentCommit") not in {None, hub.sha()}:
            return _json({"error": "A commit has happened since."}, 412)
        files = dict(hub.commits[-1])
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = hub.keep(base64.b64decode(value["content"]), large=False)
            elif line["key"] == "lfsFile":
                if value["oid"] not in hub.large:
                    return _json({"error": "no such large file"}, 400)
                files[value["path"]] = value["oid"]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        hub.commits.append(files)
        hub.messages.append(head["summary"])
        url = f"{hub.url}/datasets/{hub.repository}/commit/{hub.sha()}"
        return _json({"commitUrl": url, "commitOid": hub.sha()})

    def _tree(self, rest: str, query: Any, _body: bytes) -> tuple[int, bytes, dict[str, str]]:
        revision, _, below = rest.partition("/")
        index = self.state.at(revision)
        if index is None:
            return _json({}, 404, {"X-Error-Code": "RevisionNotFound"})
        prefix = f"{unquote(below)}/" if below else ""
        found: dict[str, dict[str, Any]] = {}
        for path, name in self.state.commits[index].items():
            if not path.startswith(prefix):
                continue
            inner = path.removeprefix(prefix).split("/")
            for depth in range(1, len(inner)):
                folder = prefix + "/".join(inner[:depth])
                found[folder] = {"type": "directory", "path": folder, "oid": "0" * 40, "size": 0}
            found[path] = self._entry(path, name)
        if query.get("recursive", ["false"])[0].lower() != "true":
            found = {p: e for p, e in found.items() if "/" not in p.removeprefix(prefix)}
        if below and not found:
            return _json({}, 404, {"X-Error-Code": "EntryNotFound"})
        return _json(list(found.values()))

    def _entry(self, path: str, name: str) -> dict[str, Any]:
        size = len(self.state.stored[name])
        entry: dict[str, Any] = {"type": "file", "path": path, "size": size, "oid": name[:40]}
        if name in self.state.large:
            entry["lfs"] = {"oid": name, "size": size, "pointerSize": 134}
        return entry

    def _paths_info(self, rest: str, _query: Any, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        index = self.state.at(rest)
        if index is None:
            return _json({}, 404, {"X-Error-Code": "RevisionNotFound"})
        files = self.state.commits[index]
        asked = parse_qs(body.decode()).get("paths") or json.loads(body or b"{}").get("paths", [])
        found = []
        for path in asked:
            if path in files:
                found.append(self._entry(path, files[path]))
            elif any(name.startswith(f"{path}/") for name in files):
                found.append({"type": "directory", "path": path, "oid": "0" * 40, "size": 0})
        return _json(found)

    def _refs(self, _rest: str, _query: Any, _body: bytes) -> tuple[int, bytes, dict[str, str]]:
        tags = [
            {"name": name, "ref": f"refs/tags/{name}", "targetCommit": commit}
            for name, commit in self.state.tags.items()
        ]
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": self.state.sha()}
        return _json({"branches": [main], "tags": tags, "converts": []})

    def _tag(self, rest: str, _query: Any, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        index, name = self.state.at(rest), json.loads(body)["tag"]
        if index is None:
            return _json({}, 404, {"X-Error-Code": "RevisionNotFound"})
        if name in self.state.tags:
            return _json({"error": "Reference already exists"}, 409)
        self.state.tags[name] = self.state.sha(index)
        return _json({})

    def _resolve(self, rest: str) -> tuple[int, bytes, dict[str, str]]:
        revision, _, path = rest.partition("/")
        index = self.state.at(revision)
        if index is None:
            return _json({}, 404, {"X-Error-Code": "RevisionNotFound"})
        name = self.state.commits[index].get(unquote(path))
        about = {"X-Repo-Commit": self.state.sha(index)}
        if name is None:
            return _json({}, 404, {**about, "X-Error-Code": "EntryNotFound"})
        body = self.state.stored[name]
        about |= {"ETag": f'"{name}"', "Accept-Ranges": "bytes"}
        if self.command == "GET" and "Range" in self.headers:
            first, last = self.headers["Range"].removeprefix("bytes=").split("-")
            part = body[int(first) : int(last or len(body) - 1) + 1]
            about["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(body)}"
            return 206, part, about
        return 200, body, {**about, "Content-Length": str(len(body))}

    do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815  (names that http.server asks for)


def _json(
    data: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes, dict[str, str]]:
    about = {"Content-Type": "application/json", **(headers or {})}
    return status, json.dumps(data).encode(), about
