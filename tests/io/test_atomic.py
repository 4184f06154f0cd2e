"""Rules for files that appear complete or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import pytest

from mixture_builder.errors import BuildError
from mixture_builder.io.atomic import (
    WrittenFile,
    atomic_output,
    is_temporary,
    make_durable,
    remove_leftovers,
    temporary_name,
)


def names(folder: Path) -> list[str]:
    """The files in a folder."""
    return sorted(path.name for path in folder.iterdir())


def fail_midway(url: str) -> None:
    """Writes something and then fails."""
    with atomic_output(url) as output:
        output.write(b"new")
        raise RuntimeError("midway")


def test_a_file_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    """Inside the block the final name does not exist; after it the file is whole."""
    target = tmp_path / "deep" / "shard.bin"

    with atomic_output(str(target)) as output:
        output.write(b"first ")
        assert not target.exists()
        assert [is_temporary(name) for name in names(target.parent)] == [True]
        output.write(b"second")

    assert target.read_bytes() == b"first second"
    assert names(target.parent) == ["shard.bin"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """A failed write neither touches the file of before nor leaves its own bytes."""
    target = tmp_path / "shard.bin"
    target.write_bytes(b"old")

    with pytest.raises(RuntimeError, match="midway"):
        fail_midway(str(target))

    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["shard.bin"]


def test_an_existing_file_is_replaced(tmp_path: Path) -> None:
    """Writing again gives the new bytes under the same name."""
    target = tmp_path / "shard.bin"
    for text in (b"one", b"two"):
        with atomic_output(str(target)) as output:
            output.write(text)

    assert target.read_bytes() == b"two"


def test_bytes_are_counted_and_hashed_while_written(tmp_path: Path) -> None:
    """Size and SHA-256 are those of the stored file, whatever kind of buffer came in."""
    target = tmp_path / "shard.bin"
    with atomic_output(str(target)) as output:
        assert output.write(b"abc") == 3
        assert output.write(memoryview(bytearray(b"\x00\x01"))) == 2
        assert output.tell() == 5

    stored = target.read_bytes()
    assert output.written(rows=7) == WrittenFile(
        rows=7, bytes=len(stored), sha256=hashlib.sha256(stored).hexdigest()
    )


def test_a_remote_file_is_moved_into_place() -> None:
    """Other file systems see the final key only when it is whole; no other key is left."""
    memory = fsspec.filesystem("memory")
    with atomic_output("memory://atomic/run/shard.bin") as output:
        output.write(b"payload")
        assert not memory.exists("/atomic/run/shard.bin")

    assert memory.cat("/atomic/run/shard.bin") == b"payload"
    assert memory.ls("/atomic/run", detail=False) == ["/atomic/run/shard.bin"]


def test_a_failed_remote_write_keeps_the_old_object() -> None:
    """After an error the old object is untouched and the temporary key is gone."""
    memory = fsspec.filesystem("memory")
    memory.pipe("/atomic/kept/shard.bin", b"old")

    with pytest.raises(RuntimeError, match="midway"):
        fail_midway("memory://atomic/kept/shard.bin")

    assert memory.cat("/atomic/kept/shard.bin") == b"old"
    assert memory.ls("/atomic/kept", detail=False) == ["/atomic/kept/shard.bin"]


def test_what_cannot_be_written_is_named_with_a_way_out(tmp_path: Path) -> None:
    """Where a folder is needed and a file stands, the message names the file that was asked for."""
    (tmp_path / "data").write_text("in the way")
    url = str(tmp_path / "data" / "shard.bin")

    with (
        pytest.raises(BuildError, match=r"data/shard\.bin: cannot be written") as caught,
        atomic_output(url),
    ):
        pass

    assert "Make room or grant access" in str(caught.value)


def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    """When the storage refuses bytes, the message says so and no part of the file stays."""
    limit = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "from mixture_builder.errors import BuildError\n"
        "from mixture_builder.io.atomic import atomic_output\n"
        "try:\n"
        "    with atomic_output(sys.argv[1]) as output:\n"
        "        for _ in range(4000):\n"
        "            output.write(b'x' * 1024)\n"
        "except BuildError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", limit, str(tmp_path / "shard.bin")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "shard.bin: cannot be written: File too large" in done.stdout
    assert names(tmp_path) == []


def test_what_a_killed_process_left_is_found_and_removed(tmp_path: Path) -> None:
    """SIGKILL leaves a hidden partial file only; it is recognised and deleted afterwards."""
    script = (
        "import sys, time\n"
        "from mixture_builder.io.atomic import atomic_output\n"
        "with atomic_output(sys.argv[1]) as output:\n"
        "    output.write(b'half')\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "shard.bin")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    assert remove_leftovers(str(tmp_path)) == []  # Still being written.

    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    (left,) = names(tmp_path)
    assert is_temporary(left)
    assert [Path(path).name for path in remove_leftovers(str(tmp_path))] == [left]
    assert names(tmp_path) == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="zombies are told by /proc")
def test_a_process_that_has_ended_is_gone_though_nobody_asked_how(tmp_path: Path) -> None:
    """A zombie writes no more; where nothing reaps, its number would stay taken for good."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        left = tmp_path / f".a.parquet.{_host()}-{process.pid}-0123abcd.partial"
        left.touch()
        while Path(f"/proc/{process.pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z":
            time.sleep(0.01)

        assert remove_leftovers(str(tmp_path)) == [str(left)]


def test_who_writes_alone_removes_what_bears_the_number_of_a_living_process(tmp_path: Path) -> None:
    """Numbers are given again; of another host nothing is known even then."""
    mine = tmp_path / f".a.parquet.{_host()}-{os.getpid()}-0123abcd.partial"
    other = tmp_path / f".a.parquet.other-host-{os.getpid()}-0123abcd.partial"
    for path in (mine, other):
        path.touch()

    assert remove_leftovers(str(tmp_path)) == []
    assert remove_leftovers(str(tmp_path), alone=True) == [str(mine)]
    assert names(tmp_path) == [other.name]


def _host() -> str:
    """This host, as names of unfinished files have it."""
    name = temporary_name("x")
    return name.removeprefix(".x.").split(f"-{os.getpid()}-")[0]


def test_other_hosts_are_given_a_day(tmp_path: Path) -> None:
    """A partial file of another host goes only after it has not changed for long."""
    fresh = tmp_path / ".a.parquet.other-host-1-0123abcd.partial"
    stale = tmp_path / ".b.parquet.other-host-1-0123abcd.partial"
    for path in (fresh, stale):
        path.touch()
    two_days_ago = time.time() - 2 * 86_400
    os.utime(stale, (two_days_ago, two_days_ago))

    assert [Path(path).name for path in remove_leftovers(str(tmp_path))] == [stale.name]
    assert names(tmp_path) == [fresh.name]


def test_finished_files_are_never_leftovers(tmp_path: Path) -> None:
    """Only names of our own pattern are removed; a folder that does not exist has none."""
    for name in ("train-00000-of-00002.parquet", ".hidden", "notes.partial"):
        (tmp_path / name).touch()

    assert remove_leftovers(str(tmp_path)) == []
    assert remove_leftovers(str(tmp_path / "absent")) == []
    assert len(names(tmp_path)) == 3


def test_two_writers_of_one_file_do_not_meet() -> None:
    """Temporary names differ even within one process."""
    assert temporary_name("shard.bin") != temporary_name("shard.bin")


def test_what_need_not_survive_a_crash_is_still_whole(tmp_path: Path) -> None:
    """Without the fsync a file still appears at once, with all its bytes."""
    target = tmp_path / "rows.arrow"
    with atomic_output(str(target), durable=False) as output:
        output.write(b"payload")
        assert not target.exists()

    assert target.read_bytes() == b"payload"


def test_a_file_can_be_put_on_the_disk_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file and its folder are synced; what a URL holds is stored already."""
    target = tmp_path / "shard.bin"
    with atomic_output(str(target), durable=False) as output:
        output.write(b"payload")
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))

    make_durable(str(target))
    assert synced == [target.stat().st_ino, tmp_path.stat().st_ino]
    make_durable("memory://nowhere/shard.bin")
    assert len(synced) == 2


def test_a_file_that_the_disk_refuses_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows what is left of it, so that nobody is to read it; the error says why."""
    target = tmp_path / "shard.bin"
    target.write_bytes(b"payload")

    def refuse(file: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(BuildError, match=r"shard\.bin: cannot be written: Input/output error"):
        make_durable(str(target))
    assert not target.exists()
