"""Looking at a source that nobody has described: its format, its first records, its size."""

from __future__ import annotations

import codecs
import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from mixture_builder.errors import SourceError
from mixture_builder.io.atomic import sha256_of
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import BadRecord, read_source
from mixture_builder.io.readers.archives import open_members
from mixture_builder.io.readers.content import peek, refuse_impostors
from mixture_builder.io.readers.hub import describe_hub
from mixture_builder.io.readers.records import ReadingError
from mixture_builder.sources import Format, Source

LOOKED_AT = 1_000
"""Records that guesses are made from."""

HEAD_BYTES = 256 * 1024
"""How much of a file is read to tell its format."""

COUNTED_BYTES = 64_000_000
"""Local files up to this size are read to the end, to count their records."""

WHOLE_JSON_BYTES = 32_000_000
"""JSON documents up to this size are searched for the list that holds the records."""

NO_RECORDS = frozenset(
    "messages conversation conversations turns dialog dialogue utterances choices options answers "
    "candidates".split()
)
"""Lists inside a record that belong to it, rather than each being a record."""

_NAME = re.compile(r"[A-Za-z_][\w ./()#:-]{0,40}")
_NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """What was seen.

    Attributes:
      source: as a card says it; a local file is named by its file name alone.
      guesses: which keys of the source are guesses, and what they rest on.
      records: the first ones, in plain data.
      unread: of the first ones, how many could not be read.
      dropped: columns that hold what a card cannot show, such as pictures.
      rows: number of all records; `None` if it was not cheap to count.
      rows_from: where that comes from.
      labels: names of labels that are stored as numbers, by column.
    """

    source: Source
    guesses: Mapping[str, str]
    records: Sequence[dict[str, Any]]
    unread: int = 0
    dropped: Sequence[str] = ()
    rows: int | None = None
    rows_from: str = ""
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def look_at_file(path: Path) -> Looked:
    """A local file, told by its bytes and not by its name.

    Raises:
      SourceError: if it cannot be read, or holds nothing that a card can describe.
    """
    path = path.resolve()
    source, guesses = _told(str(path), shown_as=str(path))
    small = path.stat().st_size <= COUNTED_BYTES
    named = replace(source, files=(path.name,), revision=_digest(path) if small else "")
    guesses["revision"] = "the SHA-256 of the file, shortened" if small else ""
    return _read(named, guesses, base=str(path.parent), count=small or source.format == "parquet")


def look_at_url(url: str) -> Looked:
    """A file at an address; it is not read to its end.

    Raises:
      SourceError: as for `look_at_file`.
    """
    source, guesses = _told(url, shown_as=url)
    commit = re.search(r"[0-9a-f]{40}", url)
    guesses["revision"] = "the commit in the address" if commit else ""
    named = replace(source, files=(url,), revision=commit[0] if commit else "")
    return _read(named, guesses, base="", count=False)


def look_at_hub(dataset: str, *, config: str, split: str, revision: str) -> Looked:
    """A dataset of the Hub, streamed; its own description gives label names and size.

    Raises:
      SourceError: if it cannot be read.
    """
    described = describe_hub(dataset, config=config, split=split, revision=revision)
    source = Source(
        kind="hub",
        dataset=dataset,
        config=config,
        split=split,
        revision=described.commit or revision,
    )
    guesses = {"revision": "what the Hub has today" if source.revision else ""}
    looked = _read(source, guesses, base="", count=False)
    return replace(
        looked, labels=described.labels, rows=described.rows, rows_from="the dataset's description"
    )


def _read(source: Source, guesses: Mapping[str, str], *, base: str, count: bool) -> Looked:
    records: list[dict[str, Any]] = []
    dropped: dict[str, None] = {}
    unread = rows = 0
    # What was exploded stands in the records itself; the lists it came from need not be shown.
    taken = {key for name in source.explode for key in (name, f"{name}_index")}
    if source.records.endswith("*"):
        # The key of a mapping names its record, and says nothing of it.
        taken.add("key")
    for item in read_source(source, base=base, mirror=Mirror.empty()):
        rows += 1
        if rows > LOOKED_AT:
            if not count:
                break
            continue
        if isinstance(item, BadRecord):
            unread += 1
            continue
        plain = {str(k): _plain(v) for k, v in item.record.items() if k not in taken}
        dropped.update({k: None for k, v in plain.items() if v is _ODD})
        records.append({k: v for k, v in plain.items() if v is not _ODD})
    if not records:
        name = source.dataset or source.files[0]
        raise SourceError(f"{name}: found no record that can be read; expected some.")
    return Looked(
        source=source,
        guesses=guesses,
        records=records,
        unread=unread,
        dropped=tuple(dropped),
        rows=rows if count or rows <= LOOKED_AT else None,
        rows_from="counted when this card was begun",
    )


_ODD: Any = object()
"""Stands for a value that YAML has no word for."""


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        items = [_plain(item) for item in value]
        return _ODD if any(item is _ODD for item in items) else items
    if isinstance(value, Mapping):
        pairs = {str(k): _plain(v) for k, v in value.items()}
        return _ODD if any(v is _ODD for v in pairs.values()) else pairs
    return _ODD


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256-{sha256_of(file)[:12]}"


# --- The format --------------------------------------------------------------------------


def _told(location: str, *, shown_as: str) -> tuple[Source, dict[str, str]]:
    """Format and how to read it, from the first bytes; and which of that is a guess."""
    try:
        # The stream is good as long as this generator of streams is.
        with closing(open_members(location, inside=(), name=shown_as)) as members:
            encoding, source, guesses = _told_by(next(members)[1], shown_as=shown_as)
    except ReadingError as problem:
        raise SourceError(
            f"{shown_as}: {problem.place or 'start of file'}: found {problem.found}; expected data "
            f"in JSON, JSON Lines, csv, tsv, Parquet or lines of text. {problem.way_out}"
        ) from problem
    except OSError as problem:
        raise SourceError(
            f"{shown_as}: cannot be read ({problem.strerror or problem}). Check the address."
        ) from problem
    if encoding != "utf-8":
        guesses["encoding"] = "the bytes are no UTF-8"
        source = replace(source, encoding=encoding)
    return source, guesses


def _told_by(stream: BinaryIO, *, shown_as: str) -> tuple[str, Source, dict[str, str]]:
    head, stream = peek(stream, HEAD_BYTES)
    if head.startswith(b"PAR1"):
        return "utf-8", Source(format="parquet"), {}
    refuse_impostors(head, format="text")
    encoding, text = _decoded(head)
    start = text.lstrip()
    if start.startswith("<"):
        raise _no_guess("XML", "Write `xml_record` in a card of your own")
    if not start.startswith(("{", "[")):
        suffix = re.sub(r"\.(gz|bz2|xz|zst)$", "", shown_as).rpartition(".")[2].lower()
        return encoding, *_lines(text, suffix=suffix, whole=len(head) < HEAD_BYTES)
    source, guesses = _json(start, whole=len(head) < HEAD_BYTES)
    if source.format == "json":
        source, guesses = _places(stream.read(WHOLE_JSON_BYTES + 1), encoding=encoding)
    return encoding, source, guesses


def _no_guess(found: str, way_out: str) -> ReadingError:
    return ReadingError(found=found, expected="", way_out=f"{way_out}; see the task card's page.")


def _decoded(head: bytes) -> tuple[str, str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    try:
        return "utf-8", decoder.decode(head)
    except UnicodeDecodeError:
        return "cp1252", head.decode("cp1252", errors="replace")


def _json(text: str, *, whole: bool) -> tuple[Source, dict[str, str]]:
    lines = [line for line in text.split("\n") if line.strip()]
    if not whole and len(lines) > 1:
        lines.pop()
    values = []
    for line in lines[:20]:
        try:
            values.append(json.loads(line))
        except ValueError:
            return Source(format="json"), {}
    if all(isinstance(value, dict) for value in values):
        if len(values) > 1 or not _lists(values[0], depth=1):
            return Source(format="jsonl"), {}
    elif len(values) > 1 and all(isinstance(value, list) for value in values):
        columns = tuple(f"column_{n}" for n in range(1, len(values[0]) + 1))
        return Source(format="jsonl", columns=columns), {"columns": "records are lists"}
    return Source(format="json"), {}


def _places(raw: bytes, *, encoding: str) -> tuple[Source, dict[str, str]]:
    """Where the records stand in a JSON document."""
    if len(raw) > WHOLE_JSON_BYTES:
        way_out = "Make JSON Lines of it, or write `records` in a card of your own"
        raise _no_guess(f"a JSON document of more than {WHOLE_JSON_BYTES:,} bytes", way_out)
    try:
        document = json.loads(raw.decode("utf-8-sig" if encoding == "utf-8" else encoding))
    except (ValueError, RecursionError) as problem:
        raise _no_guess(f"no JSON ({problem})", "Correct the file") from None
    if isinstance(document, dict) and {"Definition", "Instances"} <= document.keys():
        return Source(format="natural_instructions"), {}
    guesses: dict[str, str] = {}
    records, listed = "", document
    if isinstance(document, dict):
        lists = _lists(document, depth=3)
        if lists:
            records, listed = max(lists, key=lambda pair: len(pair[1]))
            guesses["records"] = "the longest list in the document"
        elif len(document) > 1 and all(isinstance(value, dict) for value in document.values()):
            records, listed = "*", list(document.values())
            guesses["records"] = "every value is a record"
        else:
            records, listed = ".", [document]
            guesses["records"] = "the whole document is one record"
    explode = _nested(listed) if isinstance(listed, list) else ()
    if explode:
        guesses["explode"] = "lists of records inside records"
    return Source(format="json", records=records, explode=explode), guesses


def _lists(value: Any, *, depth: int, path: str = "") -> list[tuple[str, list[Any]]]:
    """Lists of mappings under keys that a dotted path can name."""
    found: list[tuple[str, list[Any]]] = []
    for key, inner in value.items() if isinstance(value, dict) else ():
        if "." in key or key in {"", "*"} or key.lower() in NO_RECORDS:
            continue
        here = f"{path}.{key}" if path else key
        if isinstance(inner, list) and inner and all(isinstance(i, dict) for i in inner):
            found.append((here, inner))
        elif depth > 1:
            found.extend(_lists(inner, depth=depth - 1, path=here))
    return found


def _nested(records: Sequence[Any]) -> tuple[str, ...]:
    """Keys of lists of mappings, as long as all records have the same single one."""
    explode: list[str] = []
    while True:
        some = [record for record in records if isinstance(record, dict)][:LOOKED_AT]
        keys = {key for record in some for key, _ in _lists(record, depth=1)}
        if len(keys) != 1:
            return tuple(explode)
        (key,) = keys
        explode.append(key)
        records = [inner for record in some for inner in record.get(key) or ()]


def _lines(text: str, *, suffix: str, whole: bool) -> tuple[Source, dict[str, str]]:
    lines = text.split("\n")
    if not whole and len(lines) > 1:
        lines.pop()
    lines = [line.removesuffix("\r") for line in lines if line.strip()]
    tabs = {line.count("\t") for line in lines}
    if len(tabs) == 1 and min(tabs) > 0:
        rows = [line.split("\t") for line in lines]
        quoted = any(len(c) > 1 and c[0] == c[-1] == '"' for row in rows for c in row)
        if quoted:
            rows = list(csv.reader(lines, delimiter="\t"))
            return _table(Source(format="tsv", quoting=True), rows, {"quoting": "some cells are"})
        return _table(Source(format="tsv"), rows, {})
    for delimiter in ",;|":
        rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if row]
        if not whole:
            rows = rows[:-1]
        widths = {len(row) for row in rows}
        if len(widths) == 1 and min(widths) > 1 and (len(rows) > 1 or suffix == "csv"):
            if delimiter == ",":
                return _table(Source(format="csv"), rows, {})
            guess = {"delimiter": "every line has as many of it"}
            return _table(Source(format="csv", delimiter=delimiter), rows, guess)
    if suffix in {"csv", "tsv"}:
        form: Format = "csv" if suffix == "csv" else "tsv"
        return _table(Source(format=form), [[line] for line in lines], {})
    return Source(format="text", columns=("text",)), {"format": "no other format fits"}


def _table(
    source: Source, rows: Sequence[Sequence[str]], guesses: dict[str, str]
) -> tuple[Source, dict[str, str]]:
    first, others = rows[0], rows[1:]
    looks_like_names = len(set(first)) == len(first) and all(
        _NAME.fullmatch(cell.strip()) and not _NUMBER.fullmatch(cell.strip()) for cell in first
    )
    comes_again = any(
        cell == row[number]
        for row in others
        for number, cell in enumerate(first)
        if number < len(row)
    )
    if looks_like_names and not comes_again:
        return source, {**guesses, "header": "the first line looks like names"}
    columns = tuple(f"column_{number}" for number in range(1, len(first) + 1))
    why = {"header": "the first line looks like data", "columns": "names of ours"}
    return replace(source, header=False, columns=columns), {**guesses, **why}
