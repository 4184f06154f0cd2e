"""Cards of strangers: which machines they cannot have asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mixture_builder.io.readers.addresses import NETWORK_VARIABLE, refusal
from tests.cli.helpers import PLAIN, QUESTIONS, Workspace
from tests.cli.helpers import run as call
from tests.web_server import Page, served

METADATA = ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1%eth0", "fd00:ec2::254"]
PRIVATE = ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "0.0.0.0", "::ffff:127.0.0.1"]


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections go where an address says."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def reason(folder: Path, url: str) -> str:
    """Why a task whose card names this address is left out; empty if it is not."""
    made = Workspace(folder)
    made.task(
        "far",
        None,
        source={
            "kind": "files",
            "files": [url],
            "format": "jsonl",
            "split": "train",
            "revision": "1",
        },
    )
    made.task("sums", QUESTIONS)
    made.template_file("tiny/questions", [PLAIN])
    made.write_recipe()
    done = call("ingest", made.recipe, *made.options, "--workers", 0, "--json")
    return str(json.loads(done.stdout)["left_out"].get("tiny/far", ""))


@pytest.mark.parametrize("address", METADATA)
def test_metadata_addresses_are_always_refused(address: str) -> None:
    """Where cloud machines keep their secrets nobody is asked, in whatever way it is written."""
    assert "keep their own secrets" in refusal(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused_where_the_user_says_so(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network of one's own is read unless the environment says that only public ones may be."""
    assert refusal(address) == ""
    monkeypatch.setenv(NETWORK_VARIABLE, "public")
    assert "is private" in refusal(address)
    assert refusal("8.8.8.8") == ""


def test_a_card_that_names_a_metadata_address_is_left_out(tmp_path: Path) -> None:
    """No connection is made, and the reason is that of the task."""
    url = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
    assert "keep their own secrets" in reason(tmp_path, url)


def test_a_redirect_to_a_metadata_address_is_refused(tmp_path: Path) -> None:
    """What an address leads to is looked at as well."""
    with served({"/a.jsonl": Page(to="http://169.254.169.254/latest/")}) as server:
        assert "keep their own secrets" in reason(tmp_path, f"{server.url}/a.jsonl")


def test_a_private_address_is_refused_by_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the policy set, a server of this machine is never asked; without it, it is read."""
    rows = "".join(json.dumps(row) + "\n" for row in QUESTIONS).encode()
    with served({"/a.jsonl": Page(body=rows)}) as server:
        assert reason(tmp_path / "open", f"{server.url}/a.jsonl") == ""
        asked = server.asked.total()
        monkeypatch.setenv(NETWORK_VARIABLE, "public")
        assert "is private" in reason(tmp_path / "public", f"{server.url}/a.jsonl")
        assert server.asked.total() == asked
