"""Rules of finding and opening files: names, mirrors, compression, archives, the network."""

from __future__ import annotations

import bz2
import functools
import gzip
import http.server
import io
import json
import lzma
import os
import pickle
import tarfile
import zipfile

import pytest

from mixture_builder.errors import SourceError
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import BadRecord, read_file, read_source, source_files
from mixture_builder.sources import Beside, Source
from tests.local_server import Answers, running

ROWS = '{"q": "one"}\n{"q": "two"}\n'


def read(base, *, mirror=None, **keys):
    """What a source with these keys yields."""
    keys = {key: tuple(v) if isinstance(v, list) else v for key, v in keys.items()}
    source = Source(**keys)
    return list(read_source(source, base=str(base), mirror=mirror or Mirror.empty()))


def tar_of(members, mode="w"):
    """A tar archive of names and bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zip_of(members):
    """A zip archive of names and bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return out.getvalue()


def zstandard_of(content, *, frames=1):
    """The content in each of so many Zstandard frames."""
    compressor = pytest.importorskip("zstandard").ZstdCompressor()
    return b"".join(compressor.compress(content) for _ in range(frames))


# --- Names ---------------------------------------------------------------------------------------


def test_files_keep_the_order_of_the_card_and_globs_are_sorted(tmp_path):
    """Only `*` is special; `**` crosses folders; names are those a card would write."""
    for path in ("b/2.txt", "b/10.txt", "b/c/3.txt", "a[1].txt", "a1.txt"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("x\n", encoding="utf-8")

    def names(*files):
        found = source_files(
            Source(files=files, format="text"), base=str(tmp_path), mirror=Mirror.empty()
        )
        return [file.name for file in found]

    assert names("b/*.txt", "a[1].txt") == ["b/10.txt", "b/2.txt", "a[1].txt"]
    assert names("b/**/*.txt") == ["b/10.txt", "b/2.txt", "b/c/3.txt"]
    assert names("a[*].txt") == ["a[1].txt"]


def test_a_local_file_has_size_and_time_for_fingerprints(tmp_path):
    """Both are those of the file that is read, and files survive pickling for workers."""
    file = tmp_path / "a.jsonl"
    file.write_text(ROWS, encoding="utf-8")
    os.utime(file, ns=(10, 1_700_000_000_000_000_007))
    source = Source(files=("a.jsonl", "https://example.org/b.jsonl"))
    local, remote = source_files(source, base=str(tmp_path), mirror=Mirror.empty())

    assert (local.size, local.modified) == (len(ROWS), 1_700_000_000_000_000_007)
    assert (remote.size, remote.modified, remote.location) == (None, None, remote.name)
    items = list(read_file(source, pickle.loads(pickle.dumps(local))))
    assert [item.place for item in items] == ["a.jsonl#L1", "a.jsonl#L2"]


def test_links_cannot_lead_out_of_the_cards_folder(tmp_path):
    """A symbolic link is followed before the folder is compared, also those a `*` finds."""
    (tmp_path / "card").mkdir()
    (tmp_path / "secret.txt").write_text("secret\n", encoding="utf-8")
    (tmp_path / "card" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "card" / "inner.txt").write_text("mine\n", encoding="utf-8")
    (tmp_path / "card" / "good.txt").symlink_to(tmp_path / "card" / "inner.txt")

    for name in ("link.txt", "l*.txt"):
        with pytest.raises(SourceError, match="leads elsewhere"):
            read(tmp_path / "card", files=[name], format="text")
    assert len(read(tmp_path / "card", files=["good.txt"], format="text")) == 1


@pytest.mark.parametrize(
    "name",
    [
        "/etc/hostname",
        "~/.netrc",
        "../secret.txt",
        "a/../../secret.txt",
        "file:///etc/hostname",
        "FILE:///etc/hostname",
        "local:///etc/hostname",
        "memory://a.txt",
        "ftp://example.org/a.txt",
        "github://a:b@c/d",
        "zip://a::/etc/a.zip",
        "tar://a::../a.tar",
        "filecache::https://example.org/a",
        "zip://a::blockcache::https://example.org/a",
        "a\0b",
        "",
    ],
)
def test_a_card_names_the_network_or_its_own_folder(tmp_path, name):
    """Anything else is refused before a file is touched."""
    (tmp_path / "card").mkdir()

    with pytest.raises(SourceError, match="a card may name"):
        read(tmp_path / "card", files=[name], format="text")


def test_the_users_mirror_may_name_any_path(tmp_path):
    """Places keep the card's name, messages add the copy's path."""
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "a.jsonl").write_text(ROWS + "{", encoding="utf-8")
    mirror = Mirror(sources={"https://example.org/x/": f"{tmp_path}/copies/"})

    items = read(tmp_path / "nowhere", mirror=mirror, files=["https://example.org/x/*.jsonl"])
    assert [item.place for item in items] == [
        f"https://example.org/x/a.jsonl#L{line}" for line in (1, 2, 3)
    ]
    with pytest.raises(SourceError, match=r"b\.jsonl \(read from .*/copies/b\.jsonl\): found no"):
        read(tmp_path, mirror=mirror, files=["https://example.org/x/b.jsonl"])


def test_a_mirror_may_replace_a_member_of_an_archive(tmp_path):
    """The whole chain is looked up first, then the archive."""
    (tmp_path / "member.jsonl").write_text(ROWS, encoding="utf-8")
    (tmp_path / "a.zip").write_bytes(zip_of({"x/b.jsonl": b'{"q": "zip"}'}))
    url = "https://example.org/a.zip"
    chain = f"zip://x/b.jsonl::{url}"
    by_archive = Mirror(sources={url: f"{tmp_path}/a.zip"})
    by_member = Mirror(sources={**by_archive.sources, chain: f"{tmp_path}/member.jsonl"})

    [only] = read(tmp_path, mirror=by_archive, files=[chain])
    assert (only.place, only.record) == (f"{chain}#L1", {"q": "zip"})
    assert [i.place for i in read(tmp_path, mirror=by_member, files=[chain])] == [
        f"{chain}#L1",
        f"{chain}#L2",
    ]


# --- Compression and archives --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl", "a.tar"])
def test_compression_is_told_by_the_bytes(tmp_path, name):
    """The name says nothing: gzip may be called anything, and a .gz may be plain."""
    raw = ROWS.encode()
    packed = [raw, gzip.compress(raw), bz2.compress(raw), lzma.compress(raw), zstandard_of(raw)]
    packed += [gzip.compress(raw[:13]) + gzip.compress(raw[13:])]

    for content in packed:
        (tmp_path / name).write_bytes(content)
        assert [i.record["q"] for i in read(tmp_path, files=[name])] == ["one", "two"]


def test_zstandard_frames_follow_each_other_and_a_cut_one_is_an_error(tmp_path):
    """All frames count; the library alone would end silently at a cut."""
    packed = zstandard_of(b"".join(b'{"q": %d}\n' % n for n in range(5000)), frames=2)
    (tmp_path / "a.zst").write_bytes(packed)
    assert len(read(tmp_path, files=["a.zst"])) == 10_000

    (tmp_path / "a.zst").write_bytes(packed[:-20])
    with pytest.raises(SourceError, match=r"in the middle of compressed data"):
        read(tmp_path, files=["a.zst"])


def test_members_of_archives_are_read_one_after_another(tmp_path):
    """A `*` in a member's name reads the archive once, in its own order, as one file."""
    members = {
        "d/b.jsonl": b'{"q": 1}',
        "d/a.jsonl": b'{"q": 2}\n{"q": 3}',
        "d/e/c.jsonl": b'{"q": 4}',
        "readme": b"x",
    }
    (tmp_path / "a.zip").write_bytes(zip_of(members))
    (tmp_path / "a.tgz").write_bytes(tar_of(members, "w:gz"))
    (tmp_path / "a.tar").write_bytes(tar_of({f"./{k}": v for k, v in members.items()}))

    for archive, scheme in (("a.zip", "zip"), ("a.tgz", "tar"), ("a.tar", "tar")):
        name = f"{scheme}://d/*.jsonl::{archive}"
        [file] = source_files(Source(files=(name,)), base=str(tmp_path), mirror=Mirror.empty())
        assert (file.name, file.size) == (name, (tmp_path / archive).stat().st_size)
        assert [(i.place, i.record["q"]) for i in read(tmp_path, files=[name])] == [
            (f"{scheme}://d/b.jsonl::{archive}#L1", 1),
            (f"{scheme}://d/a.jsonl::{archive}#L1", 2),
            (f"{scheme}://d/a.jsonl::{archive}#L2", 3),
        ]
        assert len(read(tmp_path, files=[f"{scheme}://d/**.jsonl::{archive}"])) == 4
        assert len(read(tmp_path, files=[f"{scheme}://d/a.jsonl::{archive}"])) == 2


def test_archives_inside_archives(tmp_path):
    """Steps are read from the right: a zip in a gzipped tar, its member gzipped once more."""
    inner = zip_of({"x.jsonl.gz": gzip.compress(ROWS.encode())})
    (tmp_path / "a.tgz").write_bytes(tar_of({"in/b.zip": inner}, "w:gz"))

    items = read(tmp_path, files=["zip://x.jsonl.gz::tar://in/*.zip::a.tgz"])
    assert [i.place for i in items] == [
        f"zip://x.jsonl.gz::tar://in/b.zip::a.tgz#L{line}" for line in (1, 2)
    ]


def test_a_tar_that_is_cut_off_is_an_error(tmp_path):
    """Also behind the last wanted member, where only the checksum tells."""
    whole = tar_of({"a.jsonl": ROWS.encode(), "b.txt": os.urandom(5000)}, "w:gz")
    for cut in (len(whole) - 5, len(whole) // 2):
        (tmp_path / "a.tgz").write_bytes(whole[:cut])
        with pytest.raises(SourceError, match=r"middle of compressed data|no whole archive"):
            read(tmp_path, files=["tar://*.jsonl::a.tgz"])


def test_parquet_in_archives(tmp_path):
    """A format that needs to seek is read from a copy when its container cannot."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    out = io.BytesIO()
    pq.write_table(pa.table({"q": ["one", "two"]}), out)
    (tmp_path / "a.zip").write_bytes(zip_of({"t.parquet": out.getvalue()}))
    (tmp_path / "a.tgz").write_bytes(tar_of({"t.parquet": out.getvalue()}, "w:gz"))
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress(out.getvalue()))

    for name in ("zip://t.parquet::a.zip", "tar://t.parquet::a.tgz", "a.parquet.gz"):
        items = read(tmp_path, files=[name], format="parquet")
        assert [i.record["q"] for i in items] == ["one", "two"]


# --- Joins ---------------------------------------------------------------------------------------


def test_records_beside_meet_by_number(tmp_path):
    """The n-th file stands beside the n-th, the n-th record beside the n-th; bad ones count."""
    (tmp_path / "a.jsonl").write_bytes(b'{"q": "a1"}\n{"q": "\xff"}\n{"q": "a3"}\n')
    (tmp_path / "b.jsonl").write_text('{"q": "b1"}', encoding="utf-8")
    (tmp_path / "a.lst").write_text("1\n2\n3", encoding="utf-8")
    (tmp_path / "b.lst").write_text("4\n", encoding="utf-8")
    beside = Beside(files=("a.lst", "b.lst"), columns=("label",))

    items = read(tmp_path, files=["a.jsonl", "b.jsonl"], beside=(beside,))
    assert [i if isinstance(i, BadRecord) else (i.record["q"], i.record["label"]) for i in items][
        ::2
    ] == [("a1", "1"), ("a3", "3")]
    assert items[3].record == {"q": "b1", "label": "4"}
    assert isinstance(items[1], BadRecord)


def test_records_beside_may_meet_by_a_key(tmp_path):
    """Values are compared as text, equal records beside count once, own keys win."""
    (tmp_path / "q.jsonl").write_text(
        '{"id": 2, "q": "two"}\n{"id": 1, "q": "one"}\n', encoding="utf-8"
    )
    (tmp_path / "a.csv").write_text("id,a,q\n1,yes,x\n2,no,x\n2,no,x\n3,no,x\n", encoding="utf-8")
    beside = Beside(files=("a.csv",), format="csv", header=True, by="id")

    items = read(tmp_path, files=["q.jsonl"], beside=(beside,))
    assert [i.record for i in items] == [
        {"id": 2, "q": "two", "a": "no"},
        {"id": 1, "q": "one", "a": "yes"},
    ]


def test_groups_of_the_path_become_columns(tmp_path):
    """Labels by folder and file name, also for members of archives; unused groups are empty."""
    pattern = r"(?P<label>pos|neg)/\d+_(?P<stars>\d+)(?P<more>x)?\.txt"
    members = {"d/pos/1_9.txt": b"good", "d/neg/2_1.txt": b"bad"}
    (tmp_path / "a.tgz").write_bytes(tar_of(members, "w:gz"))

    items = read(tmp_path, files=["tar://d/*/*.txt::a.tgz"], format="document", from_path=pattern)
    assert [(i.record["text"], i.record["label"], i.record["stars"]) for i in items] == [
        ("good", "pos", "9"),
        ("bad", "neg", "1"),
    ]
    assert items[0].record["more"] == ""


# --- The network and the Hub ---------------------------------------------------------------------


class _Folder(Answers, http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def do_GET(self):
        if self.path != "/cut.jsonl":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(ROWS.encode())
        return None


def web_server(folder):
    """Serves a folder on this machine, and `/cut.jsonl`, which ends too early."""
    return running(functools.partial(_Folder, directory=str(folder)))


def test_files_are_read_from_the_web(tmp_path):
    """Plain, compressed and archived, from a server that cannot serve parts of a file."""
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(ROWS.encode()))
    (tmp_path / "a.zip").write_bytes(zip_of({"x.jsonl": ROWS.encode()}))
    (tmp_path / "a.tgz").write_bytes(tar_of({"x.jsonl": ROWS.encode()}, "w:gz"))

    with web_server(tmp_path) as address:
        for name in (
            f"{address}/a.jsonl.gz",
            f"zip://x.jsonl::{address}/a.zip",
            f"tar://*.jsonl::{address}/a.tgz",
        ):
            items = read(tmp_path, files=[name])
            assert [i.record["q"] for i in items] == ["one", "two"]
            assert items[0].place.endswith("#L1")
        with pytest.raises(SourceError, match=r"none\.jsonl: start of file: found no such file"):
            read(tmp_path, files=[f"{address}/none.jsonl"])
        with pytest.raises(SourceError, match=r"cut\.jsonl: .*: found an error while reading"):
            read(tmp_path, files=[f"{address}/cut.jsonl"])
    with pytest.raises(SourceError, match=r"a\.jsonl\.gz: start of file: found an error while"):
        read(tmp_path, files=[f"{address}/a.jsonl.gz"])


def test_a_mirror_may_name_another_file_system(tmp_path):
    """Globs are listed by that file system and keep the card's names."""
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    store.pipe({"/copies/b.jsonl": b'{"q": 2}', "/copies/a.jsonl": b'{"q": 1}'})
    mirror = Mirror(sources={"https://example.org/x/": "memory://copies/"})

    items = read(tmp_path, mirror=mirror, files=["https://example.org/x/*.jsonl"])
    store.rm("/copies", recursive=True)

    assert [(i.place, i.record["q"]) for i in items] == [
        ("https://example.org/x/a.jsonl#L1", 1),
        ("https://example.org/x/b.jsonl#L1", 2),
    ]


def test_a_hub_dataset_may_be_mirrored_as_a_folder(tmp_path):
    """All Parquet in the folder is the split; without Parquet, all JSON Lines."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "plain" / "train" / "more").mkdir(parents=True)
    for name, value in (("1.parquet", "b"), ("0.parquet", "a"), ("more/2.parquet", "c")):
        pq.write_table(pa.table({"q": [value]}), tmp_path / "plain" / "train" / name)
    (tmp_path / "plain" / "dev").mkdir()
    (tmp_path / "plain" / "dev" / "a.jsonl.gz").write_bytes(gzip.compress(ROWS.encode()))
    mirror = Mirror(sources={"hf://datasets/owner/name@1234/": f"{tmp_path}/"})
    hub = {"kind": "hub", "dataset": "owner/name", "revision": "1234", "config": "plain"}

    items = read(tmp_path, mirror=mirror, **hub)
    key = "hf://datasets/owner/name@1234/plain/train"
    assert [(i.place, i.record["q"]) for i in items] == [
        (f"{key}/0.parquet#0", "a"),
        (f"{key}/1.parquet#0", "b"),
        (f"{key}/more/2.parquet#0", "c"),
    ]
    assert [i.record["q"] for i in read(tmp_path, mirror=mirror, split="dev", **hub)] == [
        "one",
        "two",
    ]


def test_parquet_files_of_the_hub_are_named_by_their_address(tmp_path):
    """With `files`, a mirror key is the file's hf:// address, and the suffix tells the format."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"q": ["a"]}), tmp_path / "x.parquet")
    address = "hf://datasets/name/data/train-0.parquet"
    mirror = Mirror(sources={address: f"{tmp_path}/x.parquet"})

    [item] = read(
        tmp_path, mirror=mirror, kind="hub", dataset="name", files=["data/train-0.parquet"]
    )
    assert (item.place, item.record) == (f"{address}#0", {"q": "a"})


def test_a_hub_dataset_that_is_a_local_folder_is_refused(tmp_path, monkeypatch):
    """`datasets` would read a folder of that name in the working folder."""
    (tmp_path / "owner" / "name").mkdir(parents=True)
    (tmp_path / "owner" / "name" / "a.jsonl").write_text(ROWS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SourceError, match="also the name of a local path"):
        read(tmp_path, kind="hub", dataset="owner/name")


def test_a_hub_dataset_out_of_reach_names_the_mirror_key(tmp_path, monkeypatch):
    """The error shows the address to map."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pytest.importorskip("datasets")
    import datasets.config
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SourceError, match=r"^hf://datasets/owner/name@1/default/train: split"):
        read(tmp_path, kind="hub", dataset="owner/name", revision="1")


def test_reading_stops_at_the_first_file_that_cannot_be_read(tmp_path):
    """The records before the end of the world are yielded first."""
    (tmp_path / "a.json").write_text(json.dumps([{"q": 1}]), encoding="utf-8")
    (tmp_path / "b.json").write_text("[", encoding="utf-8")
    source = Source(files=("a.json", "b.json"), format="json")
    items = read_source(source, base=str(tmp_path), mirror=Mirror.empty())

    assert next(items).place == "a.json#0"
    with pytest.raises(SourceError, match=r"^b\.json"):
        next(items)
