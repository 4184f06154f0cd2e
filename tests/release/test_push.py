"""A release over HTTP against a Hub on this machine: whole or not at all, whatever goes wrong."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.cli.helpers import call, command, environment
from tests.hub_for_writing import TOKEN, Fault, Hub
from tests.release.conftest import manifest_of, release, released

pytestmark = pytest.mark.slow

QUICK = ["--configs", "default", "--check", "listing"]


def test_what_is_published_is_the_folder(mixture: Path, hub: Hub) -> None:
    """One commit brings every file of the release; then it is read back and gets its tag."""
    done = release(mixture, "--private")
    assert done.returncode == 0, done.stderr

    folder = released(mixture.with_name("quickstart-release"))
    assert {p: c for p, c in hub.files.items() if p != ".gitattributes"} == folder
    assert len(hub.commits) == 2
    assert hub.private is True
    digest = hashlib.sha256(folder["release.json"]).hexdigest()
    assert hub.tags == {f"release-{digest[:12]}": hub.sha()}


def test_a_published_mixture_can_be_verified(mixture: Path, hub: Hub) -> None:
    """`verify` reads it from the Hub, at a revision too, and finds what was changed there."""
    assert release(mixture, *QUICK, "--revision", "v1").returncode == 0

    for address in ("hf://datasets/org/quick", "hf://datasets/org/quick@v1"):
        done = call("verify", address)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "quickstart: sound; 6,000 examples in 4 shards" in done.stdout

    changed = hub.files["README.md"].replace(b"6,000", b"9,000")
    hub.put("README.md", changed)
    shard = bytearray(hub.files["data/train-00002-of-00004.parquet"])
    shard[200] ^= 1
    hub.put("data/train-00002-of-00004.parquet", bytes(shard))
    done = call("verify", "hf://datasets/org/quick")
    assert done.returncode == 1
    assert "org/quick/README.md: 1 error" in done.stdout
    assert "org/quick/data/train-00002-of-00004.parquet" in done.stdout
    assert call("verify", "hf://datasets/org/quick@v1").returncode == 0


def test_a_published_mixture_can_be_compared(mixture: Path, hub: Hub) -> None:
    """`diff` reads one side from the Hub: no difference to the folder, and one that is made."""
    assert release(mixture, *QUICK, "--revision", "v1").returncode == 0

    same = call("diff", mixture, "hf://datasets/org/quick")
    assert (same.returncode, same.stderr) == (0, "")
    assert "no difference" in same.stdout

    lock = mixture / "recipe.lock.yaml"
    text = lock.read_text(encoding="utf-8")
    lock.write_text(text.replace("seed: 0", "seed: 1"), encoding="utf-8")
    other = call("diff", mixture, "hf://datasets/org/quick@v1")
    assert other.returncode == 1, other.stderr
    assert "seed" in other.stdout


def test_the_same_release_again_sends_nothing(mixture: Path, hub: Hub) -> None:
    """What is there is found by its hash: no commit, no byte, the same tag."""
    assert release(mixture, *QUICK).returncode == 0
    commits, sent = len(hub.commits), sum(hub.received.values())

    done = release(mixture, *QUICK)
    assert done.returncode == 0, done.stderr
    assert (len(hub.commits), sum(hub.received.values())) == (commits, sent)
    assert len(hub.tags) == 1


def test_a_dry_run_asks_nobody(mixture: Path, hub: Hub) -> None:
    """It says what would be sent, with sizes and commits, and needs no token."""
    done = release(mixture, "--dry-run")

    assert done.returncode == 0
    assert not hub.requests
    assert "commits     1, in an empty repository" in done.stdout
    shard = manifest_of(mixture)["shards"][0]
    assert shard["file"] in done.stdout


@pytest.mark.parametrize(
    "fault",
    [
        Fault(method="PUT", path="/upload/", times=2),
        Fault(method="PUT", path="/upload/", status=500, times=2, skip=1),
        Fault(method="PUT", path="/upload/", done_first=True),
        Fault(method="POST", path="/batch", status=429, headers={"Retry-After": "1"}),
        Fault(method="POST", path="/preupload/", status=503),
        Fault(method="POST", path="/repos/create", status=500),
        Fault(method="GET", path="/tree/", times=1),
        Fault(method="POST", path="/commit/"),
        Fault(method="POST", path="/commit/", status=500),
        Fault(method="POST", path="/commit/", status=429, headers={"Retry-After": "1"}),
        Fault(method="POST", path="/commit/", done_first=True),
        Fault(method="POST", path="/tag/", status=502),
    ],
    ids=lambda f: f"{f.method} {f.path} {f.status or 'cut'}{' after' if f.done_first else ''}",
)
def test_what_fails_for_a_while_is_tried_again(mixture: Path, hub: Hub, fault: Fault) -> None:
    """Whatever step a fault hits, the release is whole, and no confirmed upload is sent twice."""
    hub.faults.append(fault)

    done = release(mixture, *QUICK)
    assert done.returncode == 0, done.stderr
    assert fault.times == 0
    folder = released(mixture.with_name("quickstart-release"))
    assert {p: c for p, c in hub.files.items() if p != ".gitattributes"} == folder
    assert len(hub.commits) == 2
    assert list(hub.tags.values()) == [hub.sha()]
    if fault.path != "/upload/":
        assert sum(hub.received.values()) == sum(len(hub.stored[oid]) for oid in hub.large)


def test_a_refusal_is_not_tried_again(mixture: Path, hub: Hub) -> None:
    """A token that may not write ends the work with the way out, and with nothing published."""
    hub.faults.append(Fault(method="POST", path="/commit/", status=403, times=99))

    done = release(mixture, *QUICK)
    assert done.returncode == 1
    assert "hf auth whoami" in done.stderr
    assert hub.faults[0].times == 98
    assert hub.messages == ["initial commit"]
    assert not hub.tags


def test_a_long_wait_ends_the_command(mixture: Path, hub: Hub) -> None:
    """When the Hub asks for an hour, the command says so and leaves what was sent."""
    hub.faults.append(
        Fault(method="POST", path="/commit/", status=429, headers={"Retry-After": "3600"}, times=99)
    )
    done = release(mixture, *QUICK)
    assert done.returncode == 1
    assert "asks to wait 60 minutes" in done.stderr

    hub.faults.clear()
    sent = sum(hub.received.values())
    assert release(mixture, *QUICK).returncode == 0
    assert sum(hub.received.values()) == sent


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("moment", [1, 3])
def test_a_killed_release_goes_on_where_it_was(mixture: Path, hub: Hub, moment: int) -> None:
    """A kill during the upload publishes nothing; then only what had not arrived is sent."""
    arrived = threading.Event()
    hub.on_upload = lambda count: arrived.set() if count >= moment else None
    hub.faults.append(Fault(method="PUT", path="/upload/", status=500, times=99, skip=moment))
    process = subprocess.Popen(
        command("release", mixture, "--repo", "org/quick", *QUICK),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert arrived.wait(timeout=60)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert hub.messages == ["initial commit"]
    assert not hub.tags
    hub.faults.clear()
    hub.on_upload = None
    before = dict(hub.received)

    assert release(mixture, *QUICK).returncode == 0
    kept = set(before) & hub.large
    assert kept
    assert all(hub.received[oid] == before[oid] for oid in kept)
    assert len(hub.commits) == 2


def test_nothing_is_tagged_that_does_not_verify(mixture: Path, hub: Hub) -> None:
    """A content that changed on the way is found when the release is read back."""
    assert release(mixture, "--configs", "default").returncode == 0
    hub.tags.clear()
    name = hub.commits[-1]["data/train-00000-of-00004.parquet"]
    hub.stored[name] = hub.stored[name][:-1] + b"!"

    done = release(mixture, "--configs", "default")
    assert done.returncode == 1
    assert "no tag was set" in done.stderr
    assert not hub.tags


def test_a_name_is_given_once(mixture: Path, hub: Hub) -> None:
    """A tag stays with what was published under it: another release needs another name."""
    assert release(mixture, *QUICK, "--revision", "v1").returncode == 0
    tagged = dict(hub.tags)

    done = release(mixture, "--check", "listing", "--revision", "v1")
    assert done.returncode == 2
    assert "Choose another" in done.stderr
    assert hub.tags == tagged
    assert len(hub.commits) == 2


def test_files_of_an_earlier_release_go_and_those_of_others_stay(mixture: Path, hub: Hub) -> None:
    """A release without configs takes those of the earlier one away, and no picture of the user."""
    assert release(mixture, "--check", "listing").returncode == 0
    hub.put("assets/picture.png", b"a picture")

    assert release(mixture, *QUICK).returncode == 0
    assert not [p for p in hub.files if p.startswith("submixtures/")]
    assert hub.files["assets/picture.png"] == b"a picture"


def test_data_that_no_release_has_put_there_is_not_deleted(mixture: Path, hub: Hub) -> None:
    """A repository in use by somebody else is refused."""
    hub.make("org/quick")
    hub.put("data/precious.parquet", b"years of work")

    done = release(mixture, *QUICK)
    assert done.returncode == 2
    assert "data/precious.parquet" in done.stderr
    assert hub.messages == ["initial commit", "by hand"]


def test_no_state_between_two_commits_looks_complete(
    mixture: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several commits the first takes the old manifest away, the last brings the new one."""
    from mixture_builder.release import pushing
    from mixture_builder.release.hub import RemoteFile
    from mixture_builder.release.sealing import seal

    folder = mixture.parent / "many"
    (folder / "data").mkdir(parents=True)
    for n in range(5):
        (folder / "data" / f"{n}.parquet").write_bytes(b"%d" % n)
    for name in ("README.md", "manifest.json"):
        (folder / name).write_text("x", encoding="utf-8")
    about = {"name": "many", "kind": "mixture", "fingerprint": "f"}
    made = seal(folder, known={}, about=about)
    monkeypatch.setattr(pushing, "FILES_PER_COMMIT", 3)

    there = {"manifest.json", "release.json", "data/old.parquet"}
    missing = pushing.plan_push(made, {p: RemoteFile(bytes=1, sha256="0", blob="") for p in there})
    assert missing.commits == 3
    files, delete = missing.next_commit()
    assert [f.file for f in files] == ["data/0.parquet", "data/1.parquet", "data/2.parquet"]
    assert set(delete) == there
    assert [f.file for f in made.files][-3:] == ["README.md", "manifest.json", "release.json"]


def test_the_token_is_nowhere(mixture: Path, hub: Hub) -> None:
    """Only the Hub gets it: no file of a release and no output holds it, stack traces included."""
    hub.faults.append(
        Fault(method="POST", path="/commit/", status=403, headers={"X-Error-Message": TOKEN})
    )
    outputs = [
        release(mixture, *QUICK, "--debug"),
        release(mixture, *QUICK, "--json"),
        release(mixture, *QUICK),
    ]

    assert [done.returncode for done in outputs] == [1, 0, 0]
    assert hub.tokens == {TOKEN}
    for done in outputs:
        assert TOKEN not in done.stdout + done.stderr
        assert "signature=secret" not in done.stdout + done.stderr
    for folder in (mixture, mixture.with_name("quickstart-release")):
        assert all(TOKEN.encode() not in content for content in released(folder).values())
    assert all(TOKEN.encode() not in content for content in hub.stored.values())


def test_without_a_token_it_says_how_to_get_one(
    mixture: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No token is wrong usage, said before anything is sent."""
    monkeypatch.delenv("HF_TOKEN")

    done = release(mixture, *QUICK)
    assert done.returncode == 2
    assert "hf auth login" in done.stderr
    assert not hub.requests
