"""Sources that stall, break off or ask for patience: read whole, or left out with the reason."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pytest

from mixture_builder.io.readers import archives
from mixture_builder.jobs.ingest import part
from tests.cli.helpers import PLAIN, Workspace
from tests.cli.helpers import run as call
from tests.faults.servers import Fickle, fickle_server

ROWS = 50_000
BODY = "".join(
    json.dumps({"question": f"What is {n} and 1?", "answer": f"{n + 1}"}) + "\n"
    for n in range(ROWS)
).encode()


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits as long as the tool does, only in shorter seconds."""
    monkeypatch.setattr(archives, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(part, "PATIENCE_SECONDS", (0.01, 0.01))


def workspace(folder: Path, url: str) -> Workspace:
    """One task whose file is at an address, and one whose file is here."""
    made = Workspace(folder)
    source = {"kind": "files", "files": [url], "format": "jsonl", "split": "train"}
    made.task("far", None, source={**source, "revision": "1"})
    made.task("sums", [{"question": "What is 1 and 1?", "answer": "2"}])
    made.template_file("tiny/questions", [PLAIN])
    made.write_recipe()
    return made


@pytest.mark.parametrize(
    "faults", [["cut"], ["stall"], [503, 429], ["cut", "stall"], [500, "cut"]], ids=str
)
def test_what_breaks_off_is_read_again(tmp_path: Path, faults: list[int | str]) -> None:
    """A source that fails once or twice is read from its start; no row is lost or doubled."""
    fickle = Fickle(body=BODY, faults=list(faults))
    with fickle_server(fickle) as url:
        made = workspace(tmp_path, url)
        done = call("ingest", made.recipe, *made.options, "--workers", 0, "--json")

    assert done.exit_code == 0, done.output
    assert fickle.asked == len(faults) + 1
    task = json.loads(done.stdout)["tasks"]["tiny/far"]
    assert (task["rows"], task["records"], task["duplicates"]) == (ROWS, ROWS, 0)
    (meta,) = made.store.glob("tiny/far/*/meta.json")
    assert json.loads(meta.read_text())["files"] == [
        {"name": url, "bytes": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest()}
    ]
    again = call("ingest", made.recipe, *made.options, "--workers", 0, "--json")
    assert again.exit_code == 0
    assert fickle.asked == len(faults) + 1
    (stored,) = made.store.glob("tiny/far/*/rows.arrow")
    with pa.memory_map(str(stored)) as mapped:
        rows = pa.ipc.open_file(mapped).read_all()
    assert sorted(rows.column("answer").to_pylist(), key=int) == [f"{n + 1}" for n in range(ROWS)]


@pytest.mark.parametrize(
    ("faults", "said"), [(["stall"] * 9, "imeout"), ([503] * 9, "503"), (["cut"] * 9, "Payload")]
)
def test_what_fails_every_time_is_left_out_with_its_reason(
    tmp_path: Path, faults: list[int | str], said: str
) -> None:
    """After three attempts a task is left out and the others go on; nothing of it stays behind."""
    fickle = Fickle(body=BODY, faults=faults)
    with fickle_server(fickle) as url:
        made = workspace(tmp_path, url)
        done = call("ingest", made.recipe, *made.options, "--workers", 0, "--json")

        assert done.exit_code == 3, done.output
        assert fickle.asked == 3
        summary = json.loads(done.stdout)
        assert list(summary["tasks"]) == ["tiny/sums"]
        assert said in summary["left_out"]["tiny/far"]
        assert not list(made.store.glob("tiny/far/*/rows.arrow"))
        assert not (made.store / ".spill").exists() or not list((made.store / ".spill").iterdir())

        fickle.faults.clear()
        again = call("ingest", made.recipe, *made.options, "--workers", 0, "--json")
        assert json.loads(again.stdout)["tasks"]["tiny/far"]["rows"] == ROWS


def test_an_address_that_is_not_there_is_asked_once(tmp_path: Path) -> None:
    """What will not go right the next time is not worth waiting for."""
    fickle = Fickle(body=b"", faults=[404] * 9)
    with fickle_server(fickle) as url:
        made = workspace(tmp_path, url)
        done = call("ingest", made.recipe, *made.options, "--workers", 0, "--json")

    assert done.exit_code == 3
    assert fickle.asked == 1
