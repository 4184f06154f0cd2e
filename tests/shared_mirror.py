"""A mirror file that maps the addresses in our task cards to a folder of kept source files.

The folder (`data/` with its `SOURCES.csv`) is not part of the repository. `SOURCES.csv` says
for every kept file from which repository, path and commit it was taken; the address is
computed from those columns, so a card and the mirror agree without knowing of each other.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import yaml

RAW = "https://raw.githubusercontent.com"

NATURAL_INSTRUCTIONS = "allenai/natural-instructions"
NATURAL_INSTRUCTIONS_REVISION = "55a365637381ce7f3748fa2eac7aef1a113bbb82"
"""What the card of the NIV2 family pins; the kept copies come from a repository that carries it."""

STAND_INS = Path(__file__).parent / "stand_ins"
"""Tables of addresses whose file is too big to keep, and a kept file of the same layout.

An address that holds a `*` is mapped to a folder, or to a pattern of kept files."""

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_ARCHIVE_ENDINGS = {".zip": "zip", ".tar.gz": "tar", ".tgz": "tar"}


def write_mirror(shared: Path, to: Path) -> None:
    """Writes `{sources: {address: local path}}` for every kept file, as YAML.

    An address that ends in `/` stands for everything below it, so that a glob in a card finds
    the kept files of a folder. It is given only where all kept files of that address lie in
    one local folder.

    Args:
      shared: the folder that holds `data/SOURCES.csv`.
      to: the mirror file; its folder must exist.

    Raises:
      FileNotFoundError: if `SOURCES.csv` or a file it lists is missing.
    """
    data = shared / "data"
    sources: dict[str, str] = {}
    folders: dict[str, set[Path]] = {}
    with (data / "SOURCES.csv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            local = data / row["file"]
            if not local.exists():
                raise FileNotFoundError(f"{data / 'SOURCES.csv'} lists {local}, which is missing")
            address = _address(row)
            if address is None:
                continue
            sources[address] = str(local)
            if "::" not in address:
                folders.setdefault(address.rsplit("/", 1)[0] + "/", set()).add(local.parent)
    for address, local_folders in folders.items():
        if len(local_folders) == 1:
            sources[address] = str(local_folders.pop()) + "/"
    for table_of_stand_ins in sorted(STAND_INS.glob("*.yaml")):
        for address, file in yaml.safe_load(table_of_stand_ins.read_text("utf-8")).items():
            if not _is_there(data, file):
                raise FileNotFoundError(f"{table_of_stand_ins} names {file}, which is missing")
            sources[address] = str(data / file) + ("/" if address.endswith("/") else "")
    to.write_text(
        yaml.safe_dump({"sources": dict(sorted(sources.items()))}, allow_unicode=True, width=1000),
        encoding="utf-8",
    )


def _is_there(data: Path, name: str) -> bool:
    return any(True for _ in data.glob(name)) if "*" in name else (data / name).exists()


def upstream_url(repository: str, path: str, commit: str) -> str:
    """The address of a file on GitHub; a member of an archive (`a.zip!b`) as an fsspec chain.

    >>> upstream_url("a/b", "ALL data/x.csv", "c0ffee")
    'https://raw.githubusercontent.com/a/b/c0ffee/ALL%20data/x.csv'
    >>> upstream_url("a/b", "d/x.zip!in/y.json", "c0ffee")
    'zip://in/y.json::https://raw.githubusercontent.com/a/b/c0ffee/d/x.zip'
    """
    outer, _, inner = path.partition("!")
    address = f"{RAW}/{repository}/{commit}/{quote(outer)}"
    for member, archive in _members(inner, archive=outer):
        address = f"{archive}://{member}::{address}"
    return address


def _members(inner: str, *, archive: str) -> Iterator[tuple[str, str]]:
    """The parts of a path inside nested archives, outermost first, each with its protocol."""
    while inner:
        protocol = next(p for e, p in _ARCHIVE_ENDINGS.items() if archive.endswith(e))
        nested = min(
            (
                cut + len(ending)
                for ending in _ARCHIVE_ENDINGS
                if (cut := inner.find(ending + "/")) >= 0
            ),
            default=len(inner),
        )
        archive, inner = inner[:nested], inner[nested + 1 :]
        yield archive, protocol


def _address(row: Mapping[str, str]) -> str | None:
    """The address of one line of `SOURCES.csv`; `None` if it was not taken from a repository."""
    repository = row["upstream_repo"].split(",")[0].split(" (")[0]
    if row["upstream_repo"].startswith(f"{NATURAL_INSTRUCTIONS}, as carried by"):
        path = row["upstream_path"].split(" ")[0]
        return f"{RAW}/{NATURAL_INSTRUCTIONS}/{NATURAL_INSTRUCTIONS_REVISION}/{path}"
    if "," in row["upstream_repo"] or not _REPOSITORY.fullmatch(repository):
        return None
    return upstream_url(repository, row["upstream_path"], row["commit"])
