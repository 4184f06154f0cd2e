"""`doctor --sources`: which sources answer, asked of a real web server on this machine."""

from __future__ import annotations

import io
import json
import socket
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mixture_builder.io.asking.hosts import GIVE_UP_AFTER, HOST_CONNECTIONS
from tests.cli.helpers import QUESTIONS, Workspace, run
from tests.web_server import Page, Server, served

ROWS = b'{"question": "What is 1 and 1?", "answer": "2"}\n'


def _zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.jsonl", ROWS)
    return packed.getvalue()


PAGES = {
    "/data.jsonl": Page(body=ROWS * 1000),
    "/whole.jsonl": Page(body=ROWS * 100_000, ranges=False),
    "/moved.jsonl": Page(to="/data.jsonl"),
    "/circle.jsonl": Page(to="/circle.jsonl"),
    "/page.jsonl": Page(body=b"\n<!DOCTYPE html><html>Please accept our terms</html>"),
    "/pointer.jsonl": Page(body=b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
    "/empty.jsonl": Page(),
    "/secret.jsonl": Page(status=403),
    "/broken.jsonl": Page(status=500),
    "/slow.jsonl": Page(slow=True),
    "/archive.zip": Page(body=_zip()),
    "/page.zip": Page(body=b"<html>Please accept our terms</html>"),
    "/packed.jsonl.gz": Page(body=b"\x1f\x8b\x08\x00\x00"),
}


@pytest.fixture
def server() -> Iterator[Server]:
    """Data, pages in place of data, redirects, errors and a path that never answers."""
    with served(PAGES) as running:
        yield running


def source(*files: str, **changes: Any) -> dict[str, Any]:
    """A source of files, for a card."""
    return {"files": list(files), "format": "jsonl", "split": "train", "revision": "1", **changes}


def asked(workspace: Workspace, *options: object) -> tuple[int, dict[str, Any]]:
    """Exit code and report."""
    done = run("doctor", "--sources", "--json", "--cards", workspace.cards, *options)
    assert done.stdout, done.output
    return done.exit_code, json.loads(done.stdout)


@pytest.mark.parametrize(
    ("path", "reason", "detail"),
    [
        ("data.jsonl", "", ""),
        ("whole.jsonl", "", ""),
        ("moved.jsonl", "", ""),
        ("packed.jsonl.gz", "", ""),
        ("circle.jsonl", "status", "more than 10 redirects"),
        ("absent.jsonl", "not_found", "404 Not Found"),
        ("secret.jsonl", "forbidden", "403 Forbidden"),
        ("broken.jsonl", "status", "500 Internal Server Error"),
        ("slow.jsonl", "timeout", "no answer within 0.5 s"),
        ("page.jsonl", "content", "found a web page in place of the data"),
        ("pointer.jsonl", "content", "found a Git LFS pointer in place of the data"),
        ("empty.jsonl", "content", "found an empty file"),
        ("train-*.jsonl", "refused", "cannot list"),
    ],
)
def test_an_address_answers_or_has_a_reason_why_not(
    workspace: Workspace, server: Server, path: str, reason: str, detail: str
) -> None:
    """Only data counts as an answer; a page that says sorry with 200 OK does not."""
    address = f"{server.url}/{path}"
    workspace.task("sums", None, source=source(address))

    code, report = asked(workspace, "--timeout", 0.5)

    (task,) = report["tasks"]
    (only,) = task["sources"]
    assert (code, report["sound"]) == ((1, False) if reason else (0, True))
    assert (task["task"], task["availability"]) == ("tiny/sums", "public")
    assert task["answers"] == (None if reason else 1)
    if reason:
        (failure,) = only["failures"]
        assert (failure["address"], failure["reason"]) == (address, reason)
        assert detail in failure["detail"]
    else:
        assert only == {"answers": True, "failures": []}


def test_of_an_archive_only_the_archive_is_asked(workspace: Workspace, server: Server) -> None:
    """Members share one request, and an archive must be one."""
    for number in range(20):
        member = f"zip://{number}.jsonl::{server.url}/archive.zip"
        workspace.task(f"member_{number:02}", None, source=source(member))
    workspace.task("page", None, source=source(f"zip://a.jsonl::{server.url}/page.zip"))
    workspace.task("sums", None, source=source(f"tar://a.jsonl::{server.url}/archive.zip"))

    code, report = asked(workspace)

    bad = {t["task"]: t["sources"][0]["failures"] for t in report["tasks"] if not t["answers"]}
    assert code == 1
    assert server.asked == {"/archive.zip": 1, "/page.zip": 1}
    assert sorted(bad) == ["tiny/page", "tiny/sums"]
    assert "web page in place of the data in place of a zip" in bad["tiny/page"][0]["detail"]
    assert "found a zip archive in place of a tar" in bad["tiny/sums"][0]["detail"]
    (host,) = report["hosts"]
    assert (host["addresses"], host["answer"]) == (2, 2)


def test_the_first_source_that_answers_is_named_and_why_others_do_not(
    workspace: Workspace, server: Server
) -> None:
    """A task is sound while one of its sources answers; all addresses of a source must."""
    beside = {"files": [f"{server.url}/absent.txt"], "format": "text", "columns": ["label"]}
    sources = [
        source(f"{server.url}/data.jsonl", beside=[beside]),
        source(f"{server.url}/data.jsonl", f"{server.url}/secret.jsonl"),
        source(f"{server.url}/moved.jsonl"),
    ]
    workspace.task("sums", None, source=sources)

    code, report = asked(workspace)

    (task,) = report["tasks"]
    assert code == 0
    assert task["answers"] == 3
    assert [s["answers"] for s in task["sources"]] == [False, False, True]
    assert [f["reason"] for s in task["sources"] for f in s["failures"]] == [
        "not_found",
        "forbidden",
    ]


def test_only_a_task_that_should_be_public_fails_the_check(
    workspace: Workspace, server: Server
) -> None:
    """A source that must be had by hand is reported, and no more."""
    card = {"source": source(f"{server.url}/absent.jsonl"), "availability": {"state": "manual"}}
    workspace.task("sums", None, **card)

    code, report = asked(workspace)
    text = run("doctor", "--sources", "--cards", workspace.cards)

    assert code == 0
    assert report["tasks"][0]["answers"] is None
    assert "no source answers: 1 task\n  tiny/sums (manual)\n" in text.stdout
    assert "source 1: 404 Not Found: http://127.0.0.1" in text.stdout
    assert text.stdout.endswith("1 with none (0 of these should be public)\n")


def test_a_server_that_asks_for_patience_is_asked_again(workspace: Workspace) -> None:
    """Two refusals for too many requests are no failure; more are."""
    pages = {
        "/twice.jsonl": Page(body=ROWS, busy=[429, 503]),
        "/always.jsonl": Page(body=ROWS, busy=[429] * 9),
    }
    with served(pages) as server:
        workspace.task("twice", None, source=source(f"{server.url}/twice.jsonl"))
        workspace.task("sums", None, source=source(f"{server.url}/always.jsonl"))
        _, report = asked(workspace)

    found = {t["task"]: t["sources"][0]["failures"] for t in report["tasks"]}
    assert found["tiny/twice"] == []
    assert [f["reason"] for f in found["tiny/sums"]] == ["too_many_requests"]
    assert server.asked == {"/twice.jsonl": 3, "/always.jsonl": 3}


def test_a_host_that_cannot_be_reached_is_soon_asked_no_more(
    workspace: Workspace, server: Server
) -> None:
    """After some failures in a row the other addresses of the host are not asked one by one."""
    with socket.socket() as taken:
        # Bound, but nobody listens: connections are refused.
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
        files = [f"{closed}/{number}.jsonl" for number in range(60)]
        workspace.task("sums", None, source=source(*files))
        workspace.task("other", None, source=source(f"{server.url}/data.jsonl"))
        code, report = asked(workspace)

    other, sums = report["tasks"]
    reasons = Counter(f["reason"] for f in sums["sources"][0]["failures"])
    assert code == 1
    assert other["answers"] == 1
    assert sum(reasons.values()) == 60
    assert set(reasons) == {"connection", "unreachable"}
    assert GIVE_UP_AFTER <= reasons["connection"] < GIVE_UP_AFTER + HOST_CONNECTIONS


def test_a_name_that_no_server_has_is_said_to_be_that(workspace: Workspace) -> None:
    """The reserved ending .invalid is known to nobody, with or without a network."""
    workspace.task("sums", None, source=source("https://data.example.invalid/a.jsonl"))

    _, report = asked(workspace)

    assert report["tasks"][0]["sources"][0]["failures"][0]["reason"] == "dns"


def test_a_mirror_is_asked_in_place_of_upstream(workspace: Workspace, server: Server) -> None:
    """What the mirror speaks of is looked for where it says, and its sources come first."""
    upstream = source("https://data.example.invalid/a.jsonl")
    workspace.task("sums", QUESTIONS, source=[source(f"{server.url}/data.jsonl"), upstream])
    mirror = workspace.folder / "mirror.yaml"
    key = "https://data.example.invalid/a.jsonl"
    workspace.write(mirror, {"sources": {key: "cards/tiny/data/sums.jsonl"}})

    code, report = asked(workspace, "--mirror", mirror)

    assert code == 0
    assert report["tasks"][0]["answers"] == 2
    assert all(s["answers"] for s in report["tasks"][0]["sources"])
    assert {h["host"] for h in report["hosts"]} == {"this machine", server.url[len("http://") :]}


def test_files_in_the_folder_of_the_card_are_looked_for(workspace: Workspace) -> None:
    """A local file needs no network, but it has to be there, and to be one a card may name."""
    workspace.task("lost", None)
    workspace.task("outside", None, source=source("../../../etc/passwd"))

    code, report = asked(workspace)

    found = {t["task"]: [f["reason"] for f in t["sources"][0]["failures"]] for t in report["tasks"]}
    assert code == 1
    assert found == {"tiny/lost": ["not_found"], "tiny/outside": ["refused"], "tiny/sums": []}


def hub(**changes: Any) -> dict[str, Any]:
    """A source on the Hub, for a card."""
    place = {"kind": "hub", "dataset": "owner/name", "split": "train", "revision": "main"}
    return {**place, **changes}


HUB = "/api/datasets/owner/name"
CONFIGS = [
    {
        "config_name": "plain",
        "data_files": [{"split": "train", "path": "plain/train-*"}],
    },
    {"config_name": "other", "data_files": "other.csv"},
]


def described(files: list[str], **more: Any) -> Page:
    """What the Hub's API says of a dataset."""
    siblings = [{"rfilename": name} for name in files]
    body = {"_id": "1", "id": "owner/name", "sha": "0" * 40, "siblings": siblings, **more}
    return Page(body=json.dumps(body).encode())


@pytest.mark.parametrize(
    ("place", "reason", "detail"),
    [
        (hub(config="plain"), "", ""),
        (hub(config="other", split="test"), "", ""),
        (hub(config="plain", split="test"), "split", "no split 'test'; there are 'train'"),
        (hub(config="plain", split="train[:10]"), "", ""),
        (hub(config="absent"), "configuration", "no configuration 'absent'; there are 'other', '"),
        (hub(), "configuration", "no configuration named; there are 'other', 'plain'"),
        (hub(dataset="owner/script"), "script", "needs a loading script"),
        (hub(dataset="owner/bare"), "", ""),
        (hub(dataset="owner/absent"), "not_found", "no such dataset, or a private one"),
        (hub(revision="v9"), "not_found", "no such revision"),
        (hub(dataset="owner/gated"), "forbidden", "its terms must be accepted"),
        (source("hf://datasets/owner/name@main/plain/*.parquet", format="parquet"), "", ""),
        (source("hf://datasets/owner/name@main/x/*.parquet"), "not_found", "no file x/*.parquet"),
        (hub(files=["other.csv"], format="csv"), "", ""),
        (hub(files=["othr.csv"], format="csv"), "not_found", "Did you mean 'other.csv'?"),
    ],
)
def test_of_a_dataset_on_the_hub_its_description_is_asked(
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    place: dict[str, Any],
    reason: str,
    detail: str,
) -> None:
    """Files, configuration and split are looked up in what the Hub says; nothing is downloaded."""
    files = ["README.md", "plain/train-0.parquet", "other.csv"]
    no_repository = Page(status=401, body=b"{}")
    pages = {
        f"{HUB}/revision/main": described(files, cardData={"configs": CONFIGS}),
        "/api/datasets/owner/script/revision/main": described(["script.py"]),
        "/api/datasets/owner/bare/revision/main": described(files),
        "/api/datasets/owner/absent/revision/main": no_repository,
        "/api/datasets/owner/gated/revision/main": described(files, gated="auto"),
        "/api/datasets/owner/gated/auth-check": Page(status=403),
        f"{HUB}/revision/v9": Page(status=404),
    }
    errors = {
        "/api/datasets/owner/absent/revision/main": "RepoNotFound",
        "/api/datasets/owner/gated/auth-check": "GatedRepo",
        f"{HUB}/revision/v9": "RevisionNotFound",
    }
    for path, code in errors.items():
        pages[path].headers = {"X-Error-Code": code}
    workspace.task("sums", None, source=place)
    with served(pages) as server:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        _, report = asked(workspace)

    failures = report["tasks"][0]["sources"][0]["failures"]
    assert [f["reason"] for f in failures] == ([reason] if reason else [])
    assert all(detail in f["detail"] for f in failures), failures
    assert [h["host"] for h in report["hosts"]] == ["Hugging Face Hub"]


def test_files_of_one_dataset_are_one_request(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Hub's description of a repository answers for all its files and configurations."""
    files = [f"plain/train-{number}.parquet" for number in range(30)]
    addresses = [f"hf://datasets/owner/name@main/{name}" for name in files]
    workspace.task("sums", None, source=source(*addresses, format="parquet"))
    workspace.task("more", None, source=hub(config="plain"))
    with served({f"{HUB}/revision/main": described(files)}) as server:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        code, _ = asked(workspace)

    assert code == 0
    assert server.asked == {f"{HUB}/revision/main": 1}


def test_only_the_cards_that_a_glob_names_are_asked(workspace: Workspace, server: Server) -> None:
    """Other addresses get no request; a name that no card has is wrong usage."""
    workspace.task("sums", None, source=source(f"{server.url}/data.jsonl"))
    workspace.task("other", None, source=source(f"{server.url}/moved.jsonl"))

    _, report = asked(workspace, "tiny/s*")
    none = run("doctor", "--sources", "big/*", "--cards", workspace.cards)

    assert [t["task"] for t in report["tasks"]] == ["tiny/sums"]
    assert server.asked == {"/data.jsonl": 1}
    assert none.exit_code == 2
    assert "found no card of that name" in none.stderr


def test_what_belongs_to_sources_is_refused_without_it(tmp_path: Path) -> None:
    """A forgotten flag is wrong usage, not a check of something else."""
    done = run("doctor", "--timeout", 5)

    assert done.exit_code == 2
    assert "belong to --sources" in done.stderr
