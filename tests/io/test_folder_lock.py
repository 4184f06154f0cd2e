"""Rules for folders in which one process at a time may work."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import fsspec
import pytest

from mixture_builder.errors import BuildError
from mixture_builder.io import folder_lock
from mixture_builder.io.folder_lock import STALE_SECONDS, exclusive

PLACES = ["local", "memory"]


@pytest.fixture(params=PLACES)
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A lock that the system keeps, and one that is a file only."""
    monkeypatch.setattr(folder_lock, "SETTLE_SECONDS", 0.05)
    return str(tmp_path / "lock") if request.param == "local" else f"memory:/{tmp_path}/lock"


def held(url: str) -> AbstractContextManager[None]:
    """The lock as a build holds it."""
    return exclusive(url, folder="out", doing="builds", wait_for="choose another --out")


def claim(url: str, **owner: Any) -> None:
    """Leaves the lock file of somebody else."""
    now = {"host": "elsewhere", "pid": 1, "doing": "builds", "since": "noon", "token": "x"}
    with fsspec.open(url, "wb") as file:
        file.write(json.dumps({**now, "beat": time.time(), **owner}).encode())


def dead_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def exists(url: str) -> bool:
    """Whether the lock file is there."""
    files, path = fsspec.core.url_to_fs(url)
    return bool(files.exists(path))


def test_a_second_one_is_refused_and_told_who_is_at_work(url: str) -> None:
    """While a lock is held nobody else gets it; the message names process, machine and way out."""
    with held(url), pytest.raises(BuildError) as caught, held(url):
        pass

    message = str(caught.value)
    assert f"process {os.getpid()} on " in message
    assert "builds here since 2" in message
    assert "Wait until it is done, or choose another --out" in message


def test_a_lock_is_gone_when_its_block_ends(url: str) -> None:
    """After the block, with an error too, the next one gets the lock and no file is left."""
    for _ in range(2):
        with contextlib.suppress(RuntimeError), held(url):
            assert exists(url)
            raise RuntimeError
        assert not exists(url)


def test_the_lock_of_a_process_that_was_killed_is_taken_over(tmp_path: Path) -> None:
    """SIGKILL leaves the file of a lock, but nobody waits for it."""
    script = (
        "import sys, time\n"
        "from mixture_builder.io.folder_lock import exclusive\n"
        "with exclusive(sys.argv[1], folder='out', doing='builds', wait_for='x'):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(600)\n"
    )
    lock = tmp_path / "lock"
    process = subprocess.Popen([sys.executable, "-c", script, str(lock)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(BuildError, match=f"process {process.pid} on"), held(str(lock)):
        pass

    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    assert lock.exists()
    with held(str(lock)):
        pass
    assert not lock.exists()


def test_a_file_of_a_dead_process_of_this_machine_is_stale(url: str) -> None:
    """Also where only a file tells, a process that is gone holds nothing."""
    claim(url, host=folder_lock._host(), pid=dead_process())

    with held(url):
        pass


def test_another_machine_is_believed_for_some_minutes(url: str) -> None:
    """A lock of another machine holds while it gives signs of life, and not for ever after."""
    claim(url)
    with pytest.raises(BuildError) as caught, held(url):
        pass
    assert "process 1 on elsewhere" in str(caught.value)
    assert f"taken over {STALE_SECONDS:.0f} seconds after" in str(caught.value)

    claim(url, beat=time.time() - STALE_SECONDS - 1)
    with held(url):
        pass


def test_a_file_that_says_nothing_is_no_lock(url: str) -> None:
    """What a crash of the machine may leave, an empty or cut file, keeps nobody out."""
    for rubbish in (b"", b'{"host": "else', b"[1]", b"\xff\x00"):
        with fsspec.open(url, "wb") as file:
            file.write(rubbish)
        with held(url):
            pass


def test_a_holder_says_again_that_it_is_alive(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of the last sign of life moves on while the lock is held."""
    monkeypatch.setattr(folder_lock, "BEAT_SECONDS", 0.01)
    files, path = fsspec.core.url_to_fs(url)
    with held(url):
        first = json.loads(files.cat_file(path))["beat"]
        for _ in range(500):
            time.sleep(0.01)
            if json.loads(files.cat_file(path))["beat"] > first:
                break
        else:
            pytest.fail("no further sign of life in five seconds")


def test_of_many_at_once_one_gets_the_lock(url: str) -> None:
    """However many begin in the same moment, never two are at work."""
    together, at_work, most, refused = threading.Barrier(8), [0], [0], [0]

    def work() -> None:
        together.wait()
        try:
            with held(url):
                at_work[0] += 1
                most[0] = max(most[0], at_work[0])
                time.sleep(0.05)
                at_work[0] -= 1
        except BuildError:
            refused[0] += 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most[0] == 1
    assert refused[0] >= 1


def test_where_nothing_can_be_written_the_lock_is_named(tmp_path: Path) -> None:
    """A folder that cannot be made is an error of the storage, with its way out."""
    (tmp_path / "out").write_text("in the way")

    with (
        pytest.raises(BuildError, match="cannot be written"),
        held(str(tmp_path / "out" / ".work" / "lock")),
    ):
        pass
