"""What is told of files on the network after they were read."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import SeenFile, read_file, source_files
from mixture_builder.sources import Format, Source


@pytest.mark.parametrize(
    ("name", "step", "hashed"),
    [
        ("lines.jsonl", "", True),
        ("lines.jsonl.gz", "", True),
        ("both.tar", "tar://**::", True),
        # Nothing after the first member is read, and of Parquet and zip not all of it in order.
        ("both.tar", "tar://a.jsonl::", False),
        ("table.parquet", "", False),
    ],
)
def test_what_was_read_of_a_file_elsewhere_is_told(
    tmp_path: Path, name: str, step: str, hashed: bool
) -> None:
    """Its size, and its hash if it was read from front to back; nothing is read again for it."""
    lines = b'{"a": "one"}\n{"a": "two"}\n'
    packed = io.BytesIO()
    if name == "both.tar":
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for member, content in (("a.jsonl", lines), ("b.jsonl", lines * 5_000)):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    elif name == "table.parquet":
        pq.write_table(pa.table({"a": [str(n) for n in range(100_000)]}), packed)
    else:
        packed.write(gzip.compress(lines) if name.endswith(".gz") else lines)
    data = packed.getvalue()
    url = f"memory://seen/{name}"
    with fsspec.open(url, "wb") as file:
        file.write(data)
    source = Source(files=(f"{step}https://example.org/{name}",), format=_format_of(name))
    mirror = Mirror(sources={f"https://example.org/{name}": url})
    (one,) = source_files(source, base=str(tmp_path), mirror=mirror)
    told: list[tuple[str, SeenFile]] = []
    rows = list(read_file(source, one, on_seen=lambda *facts: told.append(facts)))

    assert rows
    sha256 = hashlib.sha256(data).hexdigest() if hashed else ""
    assert told == [(one.name, SeenFile(bytes=len(data), sha256=sha256))]


def _format_of(name: str) -> Format:
    return "parquet" if name.endswith(".parquet") else "jsonl"
